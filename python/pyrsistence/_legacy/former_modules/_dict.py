"""Where EMDict was: pickles name it."""

from pyrsistence._containers.dict import EMDict as EMDict
