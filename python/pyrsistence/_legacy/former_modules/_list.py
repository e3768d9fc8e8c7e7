"""Where EMList was: pickles name it."""

from pyrsistence._containers.list import EMList as EMList
