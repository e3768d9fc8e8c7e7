// The mapping from the neighbours of a vertex to the attributes of the edges (NeighboursBase).
//
// Threads: any; see container.h.
#include <Python.h>

#include <array>
#include <span>
#include <string>

#include "python/graph/arguments.h"
#include "python/graph/views.h"

namespace pyr {
namespace {

using emd::Graph;
using emd::Side;
using emd::VertexId;

PyTypeObject* g_neighbours_type = nullptr;

struct Neighbours {
  PyObject_HEAD PyObject* graph;
  PyObject* key;
  Side side;
  VertexId id;
  u64 generation;  // of the graph, when `id` was found
  std::string canonical;
};

Neighbours* as_neighbours(PyObject* self) { return reinterpret_cast<Neighbours*>(self); }

// The vertex, as it is numbered now; nothing if it has gone. Precondition: entered.
std::optional<VertexId> vertex_of(const Graph& graph, Neighbours& view) {
  if (__builtin_expect(view.generation == graph.generation() && graph.alive(view.id), 1)) return view.id;
  const auto id = graph.find(emd::as_bytes(view.canonical));
  if (id) view.id = *id;
  view.generation = graph.generation();
  return id;
}

Py_ssize_t neighbours_length(PyObject* self) {
  return guarded(Py_ssize_t{-1}, [&]() -> Py_ssize_t {
    Neighbours& view = *as_neighbours(self);
    GraphContainer& container = graph_container(view.graph);
    return container.read([&] {
      const auto id = vertex_of(container.graph(), view);
      return id ? static_cast<Py_ssize_t>(container.graph().degree(*id, view.side)) : 0;
    });
  });
}

int neighbours_contains(PyObject* self, PyObject* key) {
  return guarded(-1, [&] {
    Neighbours& view = *as_neighbours(self);
    GraphContainer& container = graph_container(view.graph);
    Buffer canonical;
    if (!container.codec().encode_key(key, canonical, nullptr)) return -1;
    return container.read([&] {
      const Graph& graph = container.graph();
      const auto own = vertex_of(graph, view);
      const auto other = own ? graph.find(canonical.bytes()) : std::nullopt;
      if (!other) return 0;
      return (view.side == Side::successors ? graph.has_edge(*own, *other) : graph.has_edge(*other, *own))
                 ? 1
                 : 0;
    });
  });
}

PyObject* neighbours_subscript(PyObject* self, PyObject* key) {
  static PyObject* const name = PyUnicode_InternFromString("_edge_attributes");
  Neighbours& view = *as_neighbours(self);
  const bool forward = view.side == Side::successors;
  PyObject* const found = PyObject_CallMethodObjArgs(view.graph, name, forward ? view.key : key,
                                                     forward ? key : view.key, nullptr);
  if (!found) return nullptr;
  if (found != Py_None) return found;
  Py_DECREF(found);
  set_key_error(key);
  return nullptr;
}

// An iterator over many neighbours, whose keys are taken some at a time.
PyObject* iterate_many(Neighbours& view) {
  GraphContainer& container = graph_container(view.graph);
  std::vector<VertexId> ids;
  u64 generation = 0;
  container.read([&] {
    ids.clear();
    const Graph& graph = container.graph();
    generation = graph.generation();
    const auto id = vertex_of(graph, view);
    if (id) graph.neighbours(*id, view.side, [&](VertexId other) { ids.push_back(other); });
  });
  return iterate_listed(view.graph, generation, std::move(ids));
}

// The keys as a list.
PyObject* list_of(TakenKeys& keys, Codec& codec) {
  Ref list(PyList_New(static_cast<Py_ssize_t>(keys.size())));
  for (std::size_t i = 0; list && i < keys.size(); ++i) {
    PyObject* const key = keys.object(i, codec);
    if (!key) return nullptr;
    PyList_SET_ITEM(list.get(), static_cast<Py_ssize_t>(i), key);
  }
  return list.release();
}

// Few neighbours are taken at once, and walked as a list is.
PyObject* neighbours_iter(PyObject* self) {
  return guarded_object([&]() -> PyObject* {
    Neighbours& view = *as_neighbours(self);
    GraphContainer& container = graph_container(view.graph);
    TakenKeys keys;
    const bool few = container.read([&] {
      keys.clear();
      const Graph& graph = container.graph();
      const auto id = vertex_of(graph, view);
      if (!id) return true;
      std::array<VertexId, kKeysAtOnce> ids;
      std::size_t count = 0;
      if (graph.degree(*id, view.side) > ids.size()) return false;
      graph.neighbours(*id, view.side, [&](VertexId other) {
        if (count < ids.size()) ids[count++] = other;
      });
      keys.reserve(count);
      take_keys(graph, std::span(ids).first(count), keys);
      return true;
    });
    if (!few) return iterate_many(view);
    const Ref list(list_of(keys, container.codec()));
    return list ? PyObject_GetIter(list.get()) : nullptr;
  });
}

// ---- Edges of a vertex with their attributes

// Taken out of the graph: of each edge its other end, its number, and where its attributes are in `bytes`.
struct TakenEdges {
  struct Edge {
    unsigned long long number;
    std::size_t at, size;
    std::optional<emd::u32> parallel;
  };
  TakenKeys keys;
  std::vector<Edge> edges;
  std::vector<u8> bytes;
};

// False if they are too many for that.
bool take_edges(const Graph& graph, Neighbours& view, TakenEdges& taken) {
  taken.keys.clear();
  taken.edges.clear();
  taken.bytes.clear();
  const auto id = vertex_of(graph, view);
  if (!id) return true;
  if (graph.degree(*id, view.side) > kKeysAtOnce) return false;
  const bool turned = graph.type().directed && view.side == Side::predecessors;
  graph.neighbours(*id, view.side, [&](VertexId other) { graph.fetch_key(other); });
  graph.edges(*id, view.side, [&](VertexId other, const Graph::EdgeRecord& found) {
    const Bytes record = found.bytes;
    taken.keys.add(graph.key_of(other));
    taken.edges.push_back({turned ? place_number(graph, other, *id) : place_number(graph, *id, other),
                           taken.bytes.size(), record.size(), found.parallel});
    taken.bytes.insert(taken.bytes.end(), record.begin(), record.end());
  });
  return true;
}

// Attributes as an object: bytes where edges have a type, else what the codec stored; None for none; the number of parallel
// edges where a table has them.
PyObject* attributes_object(GraphContainer& container, bool typed, const std::optional<emd::u32>& parallel,
                            Bytes bytes) {
  if (parallel) return PyLong_FromUnsignedLong(*parallel);
  if (typed) {
    return PyBytes_FromStringAndSize(reinterpret_cast<const char*>(bytes.data()),
                                     static_cast<Py_ssize_t>(bytes.size()));
  }
  return bytes.empty() ? Py_NewRef(Py_None) : container.codec().decode_value(bytes);
}

// _edges(): a list of (other end, number of the edge, its attributes); None if they are many.
PyObject* neighbours_edges(PyObject* self, PyObject*) {
  return guarded_object([&]() -> PyObject* {
    Neighbours& view = *as_neighbours(self);
    GraphContainer& container = graph_container(view.graph);
    TakenEdges taken;
    bool typed = false, few = false;
    const auto take = [&] {
      typed = container.graph().type().edge_bytes != 0;
      few = take_edges(container.graph(), view, taken);
    };
    if (!read_as_shown(view.graph, container, take)) return nullptr;
    if (!few) Py_RETURN_NONE;
    Ref list(PyList_New(static_cast<Py_ssize_t>(taken.edges.size())));
    for (std::size_t i = 0; list && i < taken.edges.size(); ++i) {
      const TakenEdges::Edge& edge = taken.edges[i];
      const Ref key(taken.keys.object(i, container.codec()));
      if (!key) return nullptr;
      const Ref attributes(
          attributes_object(container, typed, edge.parallel, Bytes(taken.bytes).subspan(edge.at, edge.size)));
      if (!attributes) return nullptr;
      PyObject* const entry = Py_BuildValue("OKO", key.get(), edge.number, attributes.get());
      if (!entry) return nullptr;
      PyList_SET_ITEM(list.get(), static_cast<Py_ssize_t>(i), entry);
    }
    return list.release();
  });
}

PyObject* neighbours_key(PyObject* self, void*) { return Py_NewRef(as_neighbours(self)->key); }
PyObject* neighbours_graph(PyObject* self, void*) { return Py_NewRef(as_neighbours(self)->graph); }
PyObject* neighbours_forward(PyObject* self, void*) {
  return PyBool_FromLong(as_neighbours(self)->side == Side::successors);
}

int neighbours_traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(as_neighbours(self)->graph);
  Py_VISIT(as_neighbours(self)->key);
  return 0;
}

// The graph stays: methods need it, and the cycles that it may be part of are broken elsewhere.
int neighbours_clear(PyObject*) { return 0; }

void neighbours_dealloc(PyObject* self) {
  PyTypeObject* const type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  Py_CLEAR(as_neighbours(self)->graph);
  Py_CLEAR(as_neighbours(self)->key);
  as_neighbours(self)->canonical.~basic_string();
  type->tp_free(self);
  Py_DECREF(type);
}

PyGetSetDef neighbours_getset[] = {{"_vertex", neighbours_key, nullptr, nullptr, nullptr},
                                   {"_graph", neighbours_graph, nullptr, nullptr, nullptr},
                                   {"_forward", neighbours_forward, nullptr, nullptr, nullptr},
                                   {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyMethodDef neighbours_methods[] = {{"_edges", neighbours_edges, METH_NOARGS, nullptr},
                                    {nullptr, nullptr, 0, nullptr}};

PyType_Slot neighbours_slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(neighbours_dealloc)},
                                  {Py_tp_methods, neighbours_methods},
                                  {Py_tp_traverse, reinterpret_cast<void*>(neighbours_traverse)},
                                  {Py_tp_clear, reinterpret_cast<void*>(neighbours_clear)},
                                  {Py_tp_getset, neighbours_getset},
                                  {Py_tp_iter, reinterpret_cast<void*>(neighbours_iter)},
                                  {Py_mp_length, reinterpret_cast<void*>(neighbours_length)},
                                  {Py_mp_subscript, reinterpret_cast<void*>(neighbours_subscript)},
                                  {Py_sq_contains, reinterpret_cast<void*>(neighbours_contains)},
                                  {0, nullptr}};
PyType_Spec neighbours_spec = {
    "pyrsistence._core.NeighboursBase", sizeof(Neighbours), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    neighbours_slots};

}  // namespace

bool is_neighbours_type(PyObject* type) {
  return PyType_Check(type) && PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(type), g_neighbours_type);
}

PyObject* new_neighbours(PyObject* type, PyObject* graph, const VertexAt& vertex) {
  PyTypeObject* const own = reinterpret_cast<PyTypeObject*>(type);
  PyObject* const self = own->tp_alloc(own, 0);
  if (!self) return nullptr;
  Neighbours& view = *as_neighbours(self);
  new (&view.canonical) std::string(emd::as_text(vertex.canonical));
  view.graph = Py_NewRef(graph);
  view.key = Py_NewRef(vertex.key);
  view.side = vertex.side;
  view.id = vertex.id;
  view.generation = vertex.generation;
  return self;
}

bool add_neighbours_type(PyObject* module) {
  g_neighbours_type = add_type(module, "NeighboursBase", neighbours_spec);
  return g_neighbours_type != nullptr;
}

}  // namespace pyr
