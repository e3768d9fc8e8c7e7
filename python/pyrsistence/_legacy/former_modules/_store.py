"""Where Store was: pickles name it."""

from pyrsistence._stores.store import Store as Store
from pyrsistence._stores.store import _restore as _restore
