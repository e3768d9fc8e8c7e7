// The mappings of a graph from vertices to attributes or neighbours (VerticesBase), and iterators over vertices.
//
// Threads: any; see container.h.
#include <Python.h>

#include "python/graph/views.h"
#include "python/kit/iterators.h"

namespace pyr {
namespace {

using emd::Graph;
using emd::Side;
using emd::VertexId;

PyTypeObject* g_vertices_type = nullptr;
PyTypeObject* g_iterator_type = nullptr;

// ---- An iterator over vertices: all of a graph, or those named by a list of ids. See iterators.h.

struct KeyIterator {
  PyObject_HEAD SharedRef graph;  // empty when exhausted
  bool all;
  bool reversed;
  u64 next;   // the next id, or place in `ids`
  u64 state;  // of all: the graph's version; else its generation
  std::vector<VertexId> ids;
  TakenKeys keys;
  std::size_t at;  // in `keys`
};

KeyIterator& iterator_of(PyObject* self) { return *reinterpret_cast<KeyIterator*>(self); }

// One that is exhausted yet.
KeyIterator* new_iterator(Ref& object) {
  KeyIterator* const iterator = PyObject_GC_New(KeyIterator, g_iterator_type);
  if (!iterator) return nullptr;
  object = Ref(reinterpret_cast<PyObject*>(iterator));
  new (&iterator->graph) SharedRef();
  iterator->all = true;
  iterator->reversed = false;
  iterator->next = iterator->state = 0;
  iterator->at = 0;
  new (&iterator->ids) std::vector<VertexId>();
  new (&iterator->keys) TakenKeys();
  PyObject_GC_Track(object.get());
  return iterator;
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

bool take_listed(const Graph& graph, KeyIterator& it) {
  const std::size_t count = std::min<std::size_t>(it.ids.size() - it.next, kKeysAtOnce);
  return take_keys(graph, std::span(it.ids).subspan(it.next, count), it.keys);
}

// Precondition of these: entered.

bool is_current(const KeyIterator& it, const Graph& graph) {
  return (it.all ? graph.version() : graph.generation()) == it.state;
}

// Takes the next keys; false if the graph has changed so that they cannot be told.
bool refill(KeyIterator& it, GraphContainer& container) {
  it.at = 0;
  u64 next = it.next;
  const bool same = container.look([&] {
    it.keys.clear();
    const Graph& graph = container.graph();
    if (!is_current(it, graph)) return false;
    if (!it.all) return take_listed(graph, it);
    next = take_all(graph, it);
    return true;
  });
  it.next = it.all ? next : it.next + it.keys.size();
  return same;
}

enum class Outcome { given, exhausted, changed };

Outcome advance(KeyIterator& it, GraphContainer& container, TakenKeys::One& key) {
  const Container::Entered entered(container);
  bool same = true;
  if (it.at == it.keys.size()) {
    same = refill(it, container);
  } else if (it.all) {
    same = container.look([&] { return is_current(it, container.graph()); });
  }
  if (!same) return Outcome::changed;
  if (it.at == it.keys.size()) return Outcome::exhausted;
  key = it.keys.take(it.at++, container.codec());
  return Outcome::given;
}

PyObject* iterator_next(PyObject* self) {
  return guarded_object([&]() -> PyObject* {
    KeyIterator& it = iterator_of(self);
    const Ref graph = it.graph.get();
    if (!graph) return nullptr;
    GraphContainer& container = graph_container(graph.get());
    TakenKeys::One key{};
    const Outcome outcome = advance(it, container, key);
    if (__builtin_expect(outcome == Outcome::given, 1)) return TakenKeys::made(key, container.codec());
    if (outcome == Outcome::changed) {
      PyErr_SetString(PyExc_RuntimeError, "dictionary changed size during iteration");
    } else {
      it.graph.exchange(Ref());
    }
    return nullptr;
  });
}

PyObject* iterator_reduce(PyObject* self, PyObject*) {
  return guarded_object([&]() -> PyObject* {
    KeyIterator& it = iterator_of(self);
    Ref twin;
    KeyIterator* const other = new_iterator(twin);
    if (Ref graph = it.graph.get(); other && graph) {
      const Container::Entered entered(graph_container(graph.get()));
      other->all = it.all;
      other->reversed = it.reversed;
      other->state = it.state;
      other->ids = it.ids;
      other->next = it.next;
      other->keys.copy(it.keys, it.at);
      other->graph.exchange(std::move(graph));
    }
    return reduced_iterator(twin);
  });
}

int iterator_traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  return iterator_of(self).graph.traverse(visit, arg);
}

int iterator_clear(PyObject* self) {
  iterator_of(self).graph.exchange(Ref());
  return 0;
}

void iterator_dealloc(PyObject* self) {
  PyTypeObject* const type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  iterator_of(self).graph.~SharedRef();
  iterator_of(self).keys.~TakenKeys();
  iterator_of(self).ids.~vector();
  PyObject_GC_Del(self);
  Py_DECREF(type);
}

PyMethodDef iterator_methods[] = {
    {"__reduce__", iterator_reduce, METH_NOARGS, "The keys left, as an iterator over a list."},
    {nullptr, nullptr, 0, nullptr}};

PyType_Slot iterator_slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(iterator_dealloc)},
                                {Py_tp_traverse, reinterpret_cast<void*>(iterator_traverse)},
                                {Py_tp_clear, reinterpret_cast<void*>(iterator_clear)},
                                {Py_tp_iter, reinterpret_cast<void*>(PyObject_SelfIter)},
                                {Py_tp_iternext, reinterpret_cast<void*>(iterator_next)},
                                {Py_tp_methods, iterator_methods},
                                {0, nullptr}};
PyType_Spec iterator_spec = {"pyrsistence._core.VertexIterator", sizeof(KeyIterator), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                             iterator_slots};

}  // namespace

bool take_keys(const Graph& graph, std::span<const VertexId> ids, TakenKeys& keys) {
  // Their rows are anywhere: the waits for them are shared.
  for (const VertexId id : ids) graph.fetch_key(id);
  for (const VertexId id : ids) {
    if (!graph.alive(id)) return false;
    keys.add(graph.key_of(id));
  }
  return true;
}

PyObject* iterate_listed(PyObject* graph, u64 generation, std::vector<VertexId> ids) {
  Ref object;
  KeyIterator* const iterator = new_iterator(object);
  if (!iterator) return nullptr;
  iterator->all = false;
  iterator->state = generation;
  iterator->ids = std::move(ids);
  iterator->graph.exchange(Ref::borrowed(graph));
  return object.release();
}

namespace {

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
  const bool is_inner = is_neighbours_type(inner);
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
    if (id) {
      const Side side = table.shows == Shows::predecessors ? Side::predecessors : Side::successors;
      return new_neighbours(table.inner, table.graph, {key, side, *id, generation, canonical.bytes()});
    }
    set_key_error(key);
    return nullptr;
  });
}

PyObject* iterate(PyObject* self, bool reversed) {
  return guarded_object([&]() -> PyObject* {
    PyObject* const graph = as_vertices(self)->graph;
    GraphContainer* const container = usable(graph);
    Ref object;
    KeyIterator* const it = container ? new_iterator(object) : nullptr;
    if (!it) return nullptr;
    it->reversed = reversed;
    it->state = container->read([&] { return container->graph().version(); });
    it->next = reversed ? ~u64{0} : 0;
    it->graph.exchange(Ref::borrowed(graph));
    return object.release();
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
  if (!add_neighbours_type(module)) return false;
  g_vertices_type = add_type(module, "VerticesBase", vertices_spec);
  g_iterator_type = g_vertices_type ? add_type(module, "VertexIterator", iterator_spec) : nullptr;
  return g_iterator_type != nullptr;
}

}  // namespace pyr
