"""Where NotStoredError was: pickles name it."""

from pyrsistence._base.errors import NotStoredError as NotStoredError
