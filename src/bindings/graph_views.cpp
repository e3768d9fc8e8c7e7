// The mappings of a graph as NetworkX's classes hold them: from vertices to attributes or neighbours (VerticesBase), and
// from the neighbours of one vertex to the attributes of the edges (NeighboursBase). What changes them is the business of
// the Python classes that derive from these.
//
// Threads: any; see container.h.
#include <Python.h>

#include <array>
#include <span>
#include <string>

#include "bindings/graph_object.h"

namespace pyr {
namespace {

using emd::Graph;
using emd::Side;
using emd::VertexId;

PyTypeObject* g_vertices_type = nullptr;
PyTypeObject* g_neighbours_type = nullptr;
PyTypeObject* g_iterator_type = nullptr;

// Keys that an iterator takes out of the graph at a time.
constexpr std::size_t kKeysAtOnce = 256;

// ---- An iterator over vertices: all of a graph, or those named by a list of ids

struct KeyIterator {
  PyObject_HEAD PyObject* graph;
  bool all;
  bool reversed;
  u64 next;     // the next id, or place in `ids`
  u64 version;  // of the graph; of all
  std::vector<VertexId> ids;
  TakenKeys keys;
  std::size_t at;  // in `keys`
};

KeyIterator* as_iterator(PyObject* self) { return reinterpret_cast<KeyIterator*>(self); }

PyObject* new_iterator(PyObject* graph, bool all) {
  KeyIterator* const iterator = PyObject_GC_New(KeyIterator, g_iterator_type);
  if (!iterator) return nullptr;
  iterator->graph = Py_NewRef(graph);
  iterator->all = all;
  iterator->reversed = false;
  iterator->next = iterator->version = 0;
  iterator->at = 0;
  new (&iterator->ids) std::vector<VertexId>();
  new (&iterator->keys) TakenKeys();
  PyObject_GC_Track(reinterpret_cast<PyObject*>(iterator));
  return reinterpret_cast<PyObject*>(iterator);
}

// The next ids of all; where the walk stands then.
u64 take_all(const Graph& graph, KeyIterator& it) {
  u64 next = it.next;
  while (it.keys.size() < kKeysAtOnce) {
    const auto id = it.reversed ? graph.previous(next) : graph.next(next);
    if (!id) break;
    it.keys.add(graph.key_of(*id));
    next = static_cast<u64>(*id) + (it.reversed ? 0 : 1);
  }
  return next;
}

// Takes the keys of vertices; false if one has gone.
bool take_keys(const Graph& graph, std::span<const VertexId> ids, TakenKeys& keys) {
  // Their rows are anywhere: the waits for them are shared.
  for (const VertexId id : ids) graph.fetch_key(id);
  for (const VertexId id : ids) {
    if (!graph.alive(id)) return false;
    keys.add(graph.key_of(id));
  }
  return true;
}

bool take_listed(const Graph& graph, KeyIterator& it) {
  const std::size_t count = std::min<std::size_t>(it.ids.size() - it.next, kKeysAtOnce);
  return take_keys(graph, std::span(it.ids).subspan(it.next, count), it.keys);
}

// Takes the next keys; false if the graph has changed so that they cannot be told.
bool refill(KeyIterator& it, GraphContainer& container) {
  it.at = 0;
  u64 next = it.next;
  const bool same = container.read([&] {
    it.keys.clear();
    const Graph& graph = container.graph();
    if (!it.all) return take_listed(graph, it);
    if (graph.version() != it.version) return false;
    next = take_all(graph, it);
    return true;
  });
  it.next = it.all ? next : it.next + it.keys.size();
  return same;
}

PyObject* iterator_next(PyObject* self) {
  return guarded_object([&]() -> PyObject* {
    KeyIterator& it = *as_iterator(self);
    if (!it.graph) return nullptr;
    GraphContainer& container = graph_container(it.graph);
    bool same = true;
    if (it.at == it.keys.size()) {
      same = refill(it, container);
    } else if (it.all) {
      same = container.read([&] { return container.graph().version() == it.version; });
    }
    if (!same) {
      PyErr_SetString(PyExc_RuntimeError, "dictionary changed size during iteration");
      return nullptr;
    }
    if (it.at < it.keys.size()) return it.keys.object(it.at++, container.codec());
    Py_CLEAR(it.graph);
    return nullptr;
  });
}

int iterator_traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(as_iterator(self)->graph);
  return 0;
}

int iterator_clear(PyObject* self) {
  Py_CLEAR(as_iterator(self)->graph);
  return 0;
}

void iterator_dealloc(PyObject* self) {
  PyTypeObject* const type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  iterator_clear(self);
  as_iterator(self)->keys.~TakenKeys();
  as_iterator(self)->ids.~vector();
  PyObject_GC_Del(self);
  Py_DECREF(type);
}

PyType_Slot iterator_slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(iterator_dealloc)},
                                {Py_tp_traverse, reinterpret_cast<void*>(iterator_traverse)},
                                {Py_tp_clear, reinterpret_cast<void*>(iterator_clear)},
                                {Py_tp_iter, reinterpret_cast<void*>(PyObject_SelfIter)},
                                {Py_tp_iternext, reinterpret_cast<void*>(iterator_next)},
                                {0, nullptr}};
PyType_Spec iterator_spec = {"pyrsistence._core.VertexIterator", sizeof(KeyIterator), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                             iterator_slots};

// ---- The neighbours of a vertex

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
  const Ref iterator(new_iterator(view.graph, false));
  if (!iterator) return nullptr;
  KeyIterator& it = *as_iterator(iterator.get());
  container.read([&] {
    it.ids.clear();
    const Graph& graph = container.graph();
    const auto id = vertex_of(graph, view);
    if (id) graph.neighbours(*id, view.side, [&](VertexId other) { it.ids.push_back(other); });
  });
  return Py_NewRef(iterator.get());
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

PyType_Slot neighbours_slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(neighbours_dealloc)},
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

// ---- The vertices

enum class Shows : int { attributes = 0, successors = 1, predecessors = 2 };

struct Vertices {
  PyObject_HEAD PyObject* graph;
  PyObject* inner;  // the type of what it maps to, derived from NeighboursBase; None for attributes
  Shows shows;
};

Vertices* as_vertices(PyObject* self) { return reinterpret_cast<Vertices*>(self); }

// Vertices(graph, shows, inner)
PyObject* vertices_new(PyTypeObject* type, PyObject* args, PyObject*) {
  PyObject *graph = nullptr, *inner = nullptr;
  int shows = 0;
  if (!PyArg_ParseTuple(args, "OiO", &graph, &shows, &inner)) return nullptr;
  const bool is_inner =
      PyType_Check(inner) && PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(inner), g_neighbours_type);
  if (!is_graph_object(graph) || shows < 0 || shows > 2 || (shows != 0 && !is_inner)) {
    PyErr_SetString(PyExc_TypeError, "expected a graph's storage, what to show, and a type of neighbours");
    return nullptr;
  }
  PyObject* const self = type->tp_alloc(type, 0);
  if (!self) return nullptr;
  as_vertices(self)->graph = Py_NewRef(graph);
  as_vertices(self)->inner = Py_NewRef(inner);
  as_vertices(self)->shows = Shows{shows};
  return self;
}

Py_ssize_t vertices_length(PyObject* self) {
  return guarded(Py_ssize_t{-1}, [&]() -> Py_ssize_t {
    GraphContainer* const container = usable(as_vertices(self)->graph);
    if (!container) return -1;
    return container->read([&] { return static_cast<Py_ssize_t>(container->graph().vertex_count()); });
  });
}

int vertices_contains(PyObject* self, PyObject* key) {
  return guarded(-1, [&] {
    GraphContainer* const container = usable(as_vertices(self)->graph);
    Buffer canonical;
    if (!container || !container->codec().encode_key(key, canonical, nullptr)) return -1;
    return container->read([&] { return container->graph().find(canonical.bytes()).has_value() ? 1 : 0; });
  });
}

PyObject* new_neighbours(Vertices& table, PyObject* key, VertexId id, u64 generation, Bytes canonical) {
  PyTypeObject* const type = reinterpret_cast<PyTypeObject*>(table.inner);
  PyObject* const self = type->tp_alloc(type, 0);
  if (!self) return nullptr;
  Neighbours& view = *as_neighbours(self);
  new (&view.canonical) std::string(emd::as_text(canonical));
  view.graph = Py_NewRef(table.graph);
  view.key = Py_NewRef(key);
  view.side = table.shows == Shows::predecessors ? Side::predecessors : Side::successors;
  view.id = id;
  view.generation = generation;
  return self;
}

PyObject* vertices_subscript(PyObject* self, PyObject* key) {
  static PyObject* const name = PyUnicode_InternFromString("_node_attributes");
  Vertices& table = *as_vertices(self);
  if (table.shows == Shows::attributes) return PyObject_CallMethodOneArg(table.graph, name, key);
  return guarded_object([&]() -> PyObject* {
    GraphContainer* const container = usable(table.graph);
    Buffer canonical;
    if (!container || !container->codec().encode_key(key, canonical, nullptr)) return nullptr;
    u64 generation = 0;
    const auto id = container->read([&] {
      generation = container->graph().generation();
      return container->graph().find(canonical.bytes());
    });
    if (id) return new_neighbours(table, key, *id, generation, canonical.bytes());
    set_key_error(key);
    return nullptr;
  });
}

PyObject* iterate(PyObject* self, bool reversed) {
  return guarded_object([&]() -> PyObject* {
    PyObject* const graph = as_vertices(self)->graph;
    GraphContainer* const container = usable(graph);
    Ref iterator(container ? new_iterator(graph, true) : nullptr);
    if (!iterator) return nullptr;
    KeyIterator& it = *as_iterator(iterator.get());
    it.reversed = reversed;
    it.version = container->read([&] { return container->graph().version(); });
    it.next = reversed ? ~u64{0} : 0;
    return iterator.release();
  });
}

PyObject* vertices_iter(PyObject* self) { return iterate(self, false); }
PyObject* vertices_reversed(PyObject* self, PyObject*) { return iterate(self, true); }

PyObject* vertices_graph(PyObject* self, void*) { return Py_NewRef(as_vertices(self)->graph); }
PyObject* vertices_forward(PyObject* self, void*) {
  return PyBool_FromLong(as_vertices(self)->shows != Shows::predecessors);
}

int vertices_traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(as_vertices(self)->graph);
  Py_VISIT(as_vertices(self)->inner);
  return 0;
}

int vertices_clear(PyObject*) { return 0; }

void vertices_dealloc(PyObject* self) {
  PyTypeObject* const type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  Py_CLEAR(as_vertices(self)->graph);
  Py_CLEAR(as_vertices(self)->inner);
  type->tp_free(self);
  Py_DECREF(type);
}

PyGetSetDef vertices_getset[] = {{"_graph", vertices_graph, nullptr, nullptr, nullptr},
                                 {"_forward", vertices_forward, nullptr, nullptr, nullptr},
                                 {nullptr, nullptr, nullptr, nullptr, nullptr}};
PyMethodDef vertices_methods[] = {{"__reversed__", vertices_reversed, METH_NOARGS, nullptr},
                                  {nullptr, nullptr, 0, nullptr}};

PyType_Slot vertices_slots[] = {{Py_tp_new, reinterpret_cast<void*>(vertices_new)},
                                {Py_tp_dealloc, reinterpret_cast<void*>(vertices_dealloc)},
                                {Py_tp_traverse, reinterpret_cast<void*>(vertices_traverse)},
                                {Py_tp_clear, reinterpret_cast<void*>(vertices_clear)},
                                {Py_tp_getset, vertices_getset},
                                {Py_tp_methods, vertices_methods},
                                {Py_tp_iter, reinterpret_cast<void*>(vertices_iter)},
                                {Py_mp_length, reinterpret_cast<void*>(vertices_length)},
                                {Py_mp_subscript, reinterpret_cast<void*>(vertices_subscript)},
                                {Py_sq_contains, reinterpret_cast<void*>(vertices_contains)},
                                {0, nullptr}};
PyType_Spec vertices_spec = {"pyrsistence._core.VerticesBase", sizeof(Vertices), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, vertices_slots};

}  // namespace

bool add_graph_view_types(PyObject* module) {
  g_neighbours_type = add_type(module, "NeighboursBase", neighbours_spec);
  if (!g_neighbours_type) return false;
  g_vertices_type = add_type(module, "VerticesBase", vertices_spec);
  g_iterator_type = g_vertices_type ? add_type(module, "VertexIterator", iterator_spec) : nullptr;
  return g_iterator_type != nullptr;
}

}  // namespace pyr
