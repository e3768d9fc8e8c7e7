"""Where what opens graphs again was: pickles name it."""

from pyrsistence._graphs.stored import _restore as _restore
