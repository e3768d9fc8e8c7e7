"""Sizes as they are written on a command line."""

from __future__ import annotations

import argparse


def size_of(text: str) -> int:
    """Reads "100k", "1M" or "250000"."""
    factor = {"k": 1_000, "m": 1_000_000}.get(text[-1:].lower(), 1)
    try:
        size = round(float(text.rstrip("kKmM")) * factor)
    except ValueError:
        size = 0
    if size < 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size of 1000 or more: write it as 100k or 10M")
    return size


def bytes_of(text: str) -> int:
    """Reads "512M" or "1G"."""
    unit = {"m": 20, "g": 30}.get(text[-1:].lower())
    try:
        return int(float(text[:-1]) * (1 << unit)) if unit else int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of bytes: write it as 512M or 1G"
        ) from None
