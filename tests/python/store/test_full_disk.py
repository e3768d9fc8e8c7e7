"""A real filesystem filled to the brim: deleting, rolling back, closing, reopening work; deleting makes room.

The filesystem is mounted in a mount namespace of its own, as root or in a user namespace, and ends with it.
"""

import os
import subprocess
import sys

import pytest

from helpers import LIMIT, SUPPORT, python_path

TMPFS = "mount -t tmpfs -o size=12m tmpfs {disk}"
EXT4 = "truncate -s 24m {disk}.image && mkfs.ext4 -q -F {disk}.image && mount -o loop {disk}.image {disk}"


def run_mounted(mount, command, **options):
    """Run a shell command where `mount` has been done; None if it cannot be done here."""
    namespace = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
    script = f"({mount}) >/dev/null 2>&1 || exit 77; {command}"
    try:
        result = subprocess.run([*namespace, "sh", "-c", script], capture_output=True, text=True, **options)
    except FileNotFoundError:
        return None
    return None if result.returncode == 77 or "unshare failed" in result.stderr else result


@pytest.mark.parametrize("mount", [TMPFS, EXT4], ids=["tmpfs", "ext4"])
@pytest.mark.parametrize("kind", ["dict", "list", "set", "deque", "store"])
def test_a_full_disk_is_survived(tmp_path, kind, mount):
    disk = tmp_path / "disk"
    disk.mkdir()
    script = SUPPORT / "full_disk_user.py"
    result = run_mounted(
        mount.format(disk=disk),
        f"exec {sys.executable} {script} {kind} {disk}",
        env={**os.environ, "PYTHONPATH": python_path()},
        timeout=LIMIT,
    )
    if result is None:
        pytest.skip("no filesystem can be mounted here")
    assert result.stdout == "sound\n", result.stdout + result.stderr
