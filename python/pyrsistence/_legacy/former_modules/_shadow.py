"""Where EMShadowMemory was: pickles name it."""

from pyrsistence._containers.shadow import EMShadowMemory as EMShadowMemory
