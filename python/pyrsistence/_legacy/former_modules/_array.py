"""Where EMArray was: pickles name it."""

from pyrsistence._containers.array import EMArray as EMArray
