"""Where the views of EMTypedDict was: pickles name it."""

from pyrsistence._containers.typed_views import TypedItems as TypedItems
from pyrsistence._containers.typed_views import TypedKeys as TypedKeys
from pyrsistence._containers.typed_views import TypedValues as TypedValues
