"""Where EMTypedDict was: pickles name it."""

from pyrsistence._containers.typed_dict import EMTypedDict as EMTypedDict
