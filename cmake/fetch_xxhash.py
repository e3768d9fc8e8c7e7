"""Put xxhash.h into a folder, taken from the source distribution of the Python package xxhash."""

import pathlib
import subprocess
import sys
import tarfile
import tempfile

target = pathlib.Path(sys.argv[1])
with tempfile.TemporaryDirectory() as scratch:
    pip = [sys.executable, "-m", "pip", "download"]
    subprocess.run([*pip, "--no-deps", "--no-binary", "xxhash", "-d", scratch, "xxhash>=3"], check=True)
    (archive,) = pathlib.Path(scratch).glob("xxhash-*.tar.gz")
    with tarfile.open(archive) as tar:
        member = next(m for m in tar.getmembers() if m.name.endswith("/deps/xxhash/xxhash.h"))
        target.mkdir(parents=True, exist_ok=True)
        (target / "xxhash.h").write_bytes(tar.extractfile(member).read())
