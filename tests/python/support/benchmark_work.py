"""What test_benchmarks.py has measured: functions that another process can import."""


def take(count):
    """Touches so many bytes of memory."""
    return {"taken": len(bytearray(b"x") * count)}


def has_read(path):
    """Whether reading this file waited for the disk."""
    from process import io_counts

    before, _ = io_counts()
    with open(path, "rb") as file:
        while file.read(1 << 20):
            pass
    return {"read_bytes": io_counts()[0] - before}
