"""What the figures were measured on, and the file they are kept in."""

from __future__ import annotations

import json
import os
import platform
import time
from pathlib import Path
from typing import Any


def describe(scratch: Path) -> dict[str, Any]:
    """The machine, without its name."""
    return {
        "processor": _line_of("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / (1 << 30),
        "kernel": f"{platform.system()} {platform.release()}",
        "file_system": _file_system(scratch.resolve()),
        "python": platform.python_version(),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "load_before": os.getloadavg()[0],
    }


def _line_of(path: str, title: str) -> str:
    try:
        with open(path) as lines:
            return next((line.partition(":")[2].strip() for line in lines if line.startswith(title)), "")
    except OSError:
        return ""


def _file_system(path: Path) -> str:
    """The type of the file system that a path is on."""
    try:
        mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return ""
    above = [(len(fields[1]), fields[2]) for fields in mounts if path.is_relative_to(fields[1])]
    return max(above, default=(0, ""))[1]


def result_path() -> Path:
    """A new file in benchmarks/results, named after the time."""
    name = time.strftime("%Y%m%d-%H%M%S.json", time.gmtime())
    return Path(__file__).parent / "results" / name


def write_result(path: Path, result: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")
