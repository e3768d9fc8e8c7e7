"""Where what finds the mappings of a graph again was: pickles name it."""

from pyrsistence._graphs.mappings import _mapping as _mapping
