"""What a process holds in memory, as the kernel counts it.

Two figures. Anonymous memory (RssAnon) is what the process itself took: Python's objects, and the pages of
a store that were changed and not yet committed. The kernel cannot drop it: it is what a machine runs out of.
The high-water mark (VmHWM) also counts pages of mapped files, which the kernel drops when memory is short.
"""

from __future__ import annotations

from dataclasses import dataclass


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


class Peak:
    """The most that another process held, from samples taken while it runs."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.memory = Memory()

    def sample(self) -> None:
        now = memory_of(self._pid)
        self.memory.anonymous = max(self.memory.anonymous, now.anonymous)
        self.memory.high_water = max(self.memory.high_water, now.high_water)
