"""Where what opens containers again was: pickles name it."""

from pyrsistence._base.container import _restore as _restore
