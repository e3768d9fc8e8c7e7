"""fio: what the disk itself gives for random reads of files, whoever reads them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from process import Failed, NotHere

_ENGINES = ("io_uring", "libaio")
DEPTH = 32


def random_reads(files: list[Path], seconds: float) -> float:
    """Reads of 4 KiB a second at random places of the files, past the page cache, 32 at a time.

    Errors: NotHere without fio or an engine that reads asynchronously; Failed if it cannot read the files.
    """
    program = shutil.which("fio")
    if program is None:
        raise NotHere("fio is not installed (Debian: apt install fio)")
    reasons = []
    for engine in _ENGINES:
        done = subprocess.run(_command(program, engine, files, seconds), capture_output=True, text=True)
        if done.returncode == 0:
            try:
                [job] = json.loads(done.stdout[done.stdout.index("{") :])["jobs"]
                return float(job["read"]["iops"])
            except (ValueError, KeyError) as error:
                raise Failed(f"fio's output cannot be read: {error}") from None
        reasons.append(f"{engine}: {(done.stderr or done.stdout).strip().splitlines()[-1:]}")
    raise Failed(f"fio cannot read {files[0].parent}: {'; '.join(reasons)}")


def _command(program: str, engine: str, files: list[Path], seconds: float) -> list[str]:
    names = ":".join(str(path).replace(":", "\\:") for path in files)
    return [
        program,
        *("--name=reads", f"--filename={names}", "--readonly", "--rw=randread", "--bs=4k", "--direct=1"),
        *(f"--ioengine={engine}", f"--iodepth={DEPTH}", "--file_service_type=random", "--norandommap"),
        *("--randrepeat=0", "--time_based", f"--runtime={seconds:g}", "--output-format=json"),
    ]


def main_files(folder: Path) -> list[Path]:
    """The files that hold the data: those of at least a twentieth of all bytes."""
    sizes = {path: path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file()}
    total = sum(sizes.values())
    return sorted(path for path, size in sizes.items() if 20 * size >= total and path.stat().st_size >= 4096)
