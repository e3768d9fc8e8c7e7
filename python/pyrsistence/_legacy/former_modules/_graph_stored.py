"""Where graphs were opened again: pickles name it."""

from pyrsistence._legacy.former_modules._container import _restore as _restore
