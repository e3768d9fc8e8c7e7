"""A networkx.DiGraph on plain EMDicts, by NetworkX's factories.

    python examples/networkx_factories.py [directory]

To keep a graph, use pyrsistence.EMDiGraph: it is smaller and faster (an edge here is five entries of dicts,
there a number in two lists), follows changes inside attribute values, and rolls back and pickles. Take this
design where what is stored has to have a layout of your own: edges that other programs read as a dict, or
mappings of which NetworkX sees only a part.

What a plain disk dict under `adjlist_outer_dict_factory` gets wrong, and what is done about it here:

- A dict of neighbours as one value is read and written whole for each new edge. Here an edge is an entry.
- What is handed out is a copy: `G[u][v]["w"] = 5` is lost. Here attributes are dicts that write themselves
  back.
- Both directions of an edge have a dict of their own. Here both show the one that is stored by the pair of
  nodes.

What such a design cannot do is said in tests/python/graph/test_networkx_factories.py, test by test of
NetworkX's own.
"""

import pickle
import sys
import types
import weakref
import zlib
from collections.abc import MutableMapping

import networkx as nx

import pyrsistence as em

_ABSENT = object()


class Attributes(dict):
    """A dict that stores itself whenever one of its methods has changed it, once it has a place.

    A list inside that is changed in place is not noticed: assign it again.
    """

    _table = _key = None

    def __reduce__(self):
        return dict, (dict(self),)

    def _writing(method):
        def changing(self, *arguments, **named):
            result = method(self, *arguments, **named)
            if self._table is not None:
                self._table.store(self)
            return result

        return changing

    __setitem__, __delitem__ = _writing(dict.__setitem__), _writing(dict.__delitem__)
    update, setdefault, pop = _writing(dict.update), _writing(dict.setdefault), _writing(dict.pop)
    popitem, clear = _writing(dict.popitem), _writing(dict.clear)


del Attributes._writing


class Table:
    """Attributes by their key, in an EMDict; one object of a key at a time, as long as it is referenced."""

    def __init__(self, stored):
        self.stored = stored
        self.shown = weakref.WeakValueDictionary()

    def __getitem__(self, key):
        found = self.shown.get(key)
        return self.put(key, self.stored[key]) if found is None else found

    def put(self, key, content):
        """Show this content; what already is in its place is what it was."""
        bound = content if type(content) is Attributes and content._table is None else Attributes(content)
        bound._table, bound._key = self, key
        self.shown[key] = bound
        return bound

    def __setitem__(self, key, content):
        if self.shown.get(key) is not content or key not in self.stored:
            self.remove(key)
            self.store(self.put(key, content))

    def store(self, attributes):
        self.stored[attributes._key] = dict(attributes)

    def remove(self, key):
        """What is still referenced is on its own then."""
        bound = self.shown.pop(key, None)
        if bound is not None:
            bound._table = None
        self.stored.pop(key, None)


class Nodes(MutableMapping):
    """`G._node`: from nodes to their attributes."""

    def __init__(self, stored):
        self._table = Table(stored)

    def __getitem__(self, node):
        return self._table[node]

    def __setitem__(self, node, attributes):
        self._table[node] = attributes

    def __delitem__(self, node):
        if node not in self._table.stored:
            raise KeyError(node)
        self._table.remove(node)

    def __contains__(self, node):
        return node in self._table.stored

    def __iter__(self):
        return iter(self._table.stored)

    def __len__(self):
        return len(self._table.stored)


class Adjacency(MutableMapping):
    """`G._succ` or `G._pred`: from nodes to their neighbours, which lie in one EMDict, an entry each:

    (node,): how many places its neighbours take, and how many of these are taken; (node, place): a neighbour;
    (node, neighbour, None): its place.
    """

    def __init__(self, stored, edges, forward):
        self.stored, self.edges, self.forward = stored, edges, forward

    def __getitem__(self, node):
        if (node,) not in self.stored:
            raise KeyError(node)
        return Neighbours(self, node)

    def __setitem__(self, node, neighbours):
        if (node,) in self.stored:
            self[node].clear()
        self.stored[node,] = (0, 0)
        self[node].update(neighbours)

    def __delitem__(self, node):
        self[node].clear()
        del self.stored[node,]

    def __contains__(self, node):
        return (node,) in self.stored

    def __iter__(self):
        return (key[0] for key in self.stored if len(key) == 1)

    def __len__(self):
        return sum(1 for _ in self)


class Neighbours(MutableMapping):
    """`G._succ[u]`: from the neighbours of a node to the attributes of the edges."""

    def __init__(self, side, node):
        self._side, self._stored, self._node = side, side.stored, node

    def _edge(self, other):
        return (self._node, other) if self._side.forward else (other, self._node)

    def __getitem__(self, other):
        if other not in self:
            raise KeyError(other)
        return self._side.edges[self._edge(other)]

    def __setitem__(self, other, attributes):
        self._side.edges[self._edge(other)] = attributes
        if other not in self:
            end, count = self._stored[self._node,]
            self._stored[self._node, end] = other
            self._stored[self._node, other, None] = end
            self._stored[self._node,] = (end + 1, count + 1)

    def __delitem__(self, other):
        """NetworkX deletes from both sides; the attributes go with the successor."""
        place = self._stored.pop((self._node, other, None), None)
        if place is None:
            raise KeyError(other)
        del self._stored[self._node, place]
        end, count = self._stored[self._node,]
        self._stored[self._node,] = (end if count > 1 else 0, count - 1)
        if self._side.forward:
            self._side.edges.remove(self._edge(other))

    def __contains__(self, other):
        return (self._node, other, None) in self._stored

    def __iter__(self):
        for place in range(self._stored.get((self._node,), (0, 0))[0]):
            other = self._stored.get((self._node, place), _ABSENT)
            if other is not _ABSENT:
                yield other

    def __len__(self):
        return self._stored.get((self._node,), (0, 0))[1]

    def clear(self):
        for other in list(self):
            del self[other]


class DictDiGraph(nx.DiGraph):
    """A networkx.DiGraph in a Store: four EMDicts, and one for the attributes of the graph."""

    node_attr_dict_factory = edge_attr_dict_factory = Attributes
    codec = types.MappingProxyType({})  # options of the EMDicts

    def __init__(self, path=None, incoming_graph_data=None, **attributes):
        if path is not None and not isinstance(path, str):  # as NetworkX calls its classes
            path, incoming_graph_data = None, path
        self.store = em.Store(path)
        edges = Table(self._dict("edges"))
        sides = iter(
            [Adjacency(self._dict("succ"), edges, True), Adjacency(self._dict("pred"), edges, False)]
        )
        # NetworkX asks for a dict for each: once for the nodes, the successors, the predecessors.
        self.adjlist_outer_dict_factory = lambda: next(sides)
        self.node_dict_factory = lambda: Nodes(self._dict("nodes"))
        self.graph_attr_dict_factory = self._own_attributes
        super().__init__()
        del self.adjlist_outer_dict_factory, self.node_dict_factory, self.graph_attr_dict_factory
        if incoming_graph_data is not None:
            nx.convert.to_networkx_graph(incoming_graph_data, create_using=self)
        if attributes:
            self.graph.update(attributes)

    def _dict(self, name):
        return self.store.dict(name, **self.codec)

    def _own_attributes(self):
        table = Table(self._dict("graph"))
        if "own" not in table.stored:
            table["own"] = {}
        return table["own"]

    def to_directed_class(self):
        return type(self)

    def __deepcopy__(self, memo):
        return type(self)(self)

    def close(self):
        self.store.close()


class Compressed:
    """A pickler and an unpickler, as `pickler=` and `unpickler=` take them: for values that hold what EMDict
    would pickle.

    Numbers, texts, lists and dicts of these it writes by itself.
    """

    @staticmethod
    def pickle(value):
        return zlib.compress(pickle.dumps(value, protocol=5), 1)

    @staticmethod
    def unpickle(data):
        return pickle.loads(zlib.decompress(data))


class CompressedDiGraph(DictDiGraph):
    """The same with objects that a pickler of one's own has written; the same one is needed to read them."""

    codec = types.MappingProxyType({"pickler": Compressed, "unpickler": Compressed})


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else None
    for graph_class in (DictDiGraph, CompressedDiGraph):
        graph = graph_class(path and f"{path}-{graph_class.__name__}")
        graph.add_edge("main", "init", calls=1)
        graph["main"]["init"]["calls"] += 1
        nx.add_path(graph, ["main", "run", "stop"])
        with graph.store.transaction():  # all of it or nothing
            graph.nodes["run"]["size"] = 128
        print(graph_class.__name__, list(nx.topological_sort(graph)), graph.edges["main", "init"])
        graph.close()


if __name__ == "__main__":
    main()
