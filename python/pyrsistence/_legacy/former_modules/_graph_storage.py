"""Where GraphStorage was: pickles name it."""

from pyrsistence._graphs.storage import GraphStorage as GraphStorage
