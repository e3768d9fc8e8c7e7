"""Where graphs were opened again: pickles name it, and stores with graphs in their values."""

from typing import Any

from pyrsistence._legacy.former_modules._container import _restore as _restore


def _itself(graph: Any) -> Any:
    return graph
