"""Where the views of a graph was: pickles name it."""

from pyrsistence._graphs.networkx_views import AdjacencyView as AdjacencyView
from pyrsistence._graphs.networkx_views import AtlasView as AtlasView
