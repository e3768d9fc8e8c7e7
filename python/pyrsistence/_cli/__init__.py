"""The command ``pyrsistence`` (docs/cli.md)."""

from .command import main as main
