"""What a process holds in memory, as the kernel counts it, and how that went over time.

Two figures. Anonymous memory (RssAnon) is what the process itself took: Python's objects, and the pages of
a store that were changed and not yet committed. The kernel cannot drop it: it is what a machine runs out
of. The high-water mark (VmHWM) also counts pages of mapped files, which the kernel drops when memory is
short.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass
class Memory:
    """Bytes held now, and at most."""

    anonymous: int = 0
    high_water: int = 0


def memory_of(pid: int | str = "self") -> Memory:
    """Reads /proc/<pid>/status; zeros where the process has gone or there is no such file."""
    fields = {"RssAnon:": 0, "VmHWM:": 0}
    try:
        with open(f"/proc/{pid}/status") as status:
            for line in status:
                words = line.split()
                if words and words[0] in fields:
                    fields[words[0]] = int(words[1]) * 1024
    except OSError:
        pass
    return Memory(fields["RssAnon:"], fields["VmHWM:"])


def available() -> int:
    """The bytes that processes may still take, as the kernel estimates it; of the cgroup it knows nothing."""
    with open("/proc/meminfo") as info:
        return next(int(line.split()[1]) * 1024 for line in info if line.startswith("MemAvailable:"))


@dataclass
class History:
    """The memory of another process, from samples taken while it runs, and the phases that it told of."""

    pid: int
    # (seconds since the start, bytes), (seconds since the start, what began then)
    anonymous: list[tuple[float, int]] = field(default_factory=list)
    phases: list[tuple[float, str]] = field(default_factory=list)
    high_water: int = 0

    def __post_init__(self) -> None:
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        """From the start to the last sample."""
        return self.anonymous[-1][0] if self.anonymous else 0.0

    @property
    def peak(self) -> int:
        return max((size for _, size in self.anonymous), default=0)

    def sample(self) -> None:
        now = memory_of(self.pid)
        if now.anonymous:
            self.anonymous.append((time.perf_counter() - self._start, now.anonymous))
        self.high_water = max(self.high_water, now.high_water)

    def begin(self, phase: str) -> None:
        self.phases.append((time.perf_counter() - self._start, phase))

    def lasted(self) -> dict[str, float]:
        """The seconds of each phase."""
        ends = [when for when, _ in self.phases[1:]] + [self.seconds]
        return {name: end - when for (when, name), end in zip(self.phases, ends, strict=True)}
