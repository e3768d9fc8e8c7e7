// The base type of a graph's storage: its life, and calls on vertices, edges and attribute records by key.
#include "python/graph/object.h"

#include <Python.h>
#include <structmember.h>

#include <new>

#include "base/errors.h"
#include "python/graph/arguments.h"

namespace pyr {
namespace {

PyTypeObject* g_graph_type = nullptr;

std::string title(const emd::Graph::Type& type) {
  return std::string(type.directed ? "directed" : "undirected") + (type.multi ? ", with parallel edges" : "");
}

}  // namespace

void GraphContainer::open_structure(emd::Store& store, emd::Member& member) {
  auto graph = std::make_unique<emd::Graph>(store, member);
  if (!graph->laid_out()) {
    if (store.read_only())
      throw emd::FormatError("the graph has no type yet: its writer was cut off while making it");
    const emd::Operation operation(store);
    graph->lay_out(wanted_.type);
  }
  const emd::Graph::Type &found = graph->type(), &wanted = wanted_.type;
  if (wanted_.said && (found.directed != wanted.directed || found.multi != wanted.multi)) {
    throw emd::FormatError("expected another kind of graph (" + title(wanted) + "), found one that is " +
                           title(found) + ": open it with open(), or with its class");
  }
  if (wanted.edge_bytes != 0 && found != wanted) {
    throw emd::FormatError("expected edges of the type " + wanted.edge_type + ", found " +
                           (found.edge_bytes == 0 ? "edges without a type" : found.edge_type) +
                           ": open it without edge_dtype=");
  }
  graph_ = std::move(graph);
  shown_.reset();
}

void GraphContainer::close_structure(bool leak) noexcept {
  if (leak) {
    (void)graph_.release();
  } else {
    graph_.reset();
  }
}

bool is_graph_object(PyObject* object) { return PyObject_TypeCheck(object, g_graph_type); }

void TakenKeys::clear() {
  for (Item& item : items_) Py_CLEAR(item.object);
  items_.clear();
  bytes_.clear();
}

void TakenKeys::add(const emd::Graph::Key& key) {
  if (__builtin_expect(key.annex.empty() && is_small_int(key.key), 1)) {
    items_.push_back({nullptr, 0, 0, 0});
    items_.back().object = small_int(key.key);
    if (!items_.back().object) throw PythonError();
    return;
  }
  items_.push_back({nullptr, bytes_.size(), key.key.size(), key.annex.size()});
  bytes_.insert(bytes_.end(), key.key.begin(), key.key.end());
  bytes_.insert(bytes_.end(), key.annex.begin(), key.annex.end());
}

void TakenKeys::copy(const TakenKeys& other, std::size_t from) {
  items_.assign(other.items_.begin() + static_cast<std::ptrdiff_t>(from), other.items_.end());
  for (const Item& item : items_) Py_XINCREF(item.object);
  bytes_ = other.bytes_;
}

PyObject* TakenKeys::object(std::size_t i, Codec& codec) {
  Item& item = items_[i];
  if (__builtin_expect(item.object != nullptr, 1)) {
    PyObject* const key = std::exchange(item.object, nullptr);
    return __builtin_expect(codec.rebuilds_keys(), 0) ? codec.rebuilt_key(key) : key;
  }
  const Bytes all = Bytes(bytes_).subspan(item.at, item.key_size + item.annex_size);
  return codec.decode_key(all.first(item.key_size), all.subspan(item.key_size));
}

TakenKeys::One TakenKeys::take(std::size_t i, Codec& codec) {
  Item& item = items_[i];
  if (__builtin_expect(item.object != nullptr, 1)) return {std::exchange(item.object, nullptr), {}, 0};
  const Bytes all = Bytes(bytes_).subspan(item.at, item.key_size + item.annex_size);
  const Bytes key = all.first(item.key_size);
  if (item.annex_size != 0 || codec.rebuilds_keys() || !decodes_in_place(key))
    return {nullptr, {all.begin(), all.end()}, item.key_size};
  One one{codec.decode_key(key, {}), {}, 0};
  if (!one.object) throw PythonError();
  return one;
}

PyObject* TakenKeys::made(const One& one, Codec& codec) {
  if (one.object)
    return __builtin_expect(codec.rebuilds_keys(), 0) ? codec.rebuilt_key(one.object) : one.object;
  const Bytes all(one.bytes);
  return codec.decode_key(all.first(one.key_size), all.subspan(one.key_size));
}

namespace {

using emd::Graph;
using emd::VertexId;

// ---- Vertices and edges

PyObject* graph_add_vertex(PyObject* self, PyObject* key) {
  return guarded_object([&]() -> PyObject* {
    GraphContainer* const container = usable(self);
    AddedKey added;
    if (!container || !added.take(*container, key)) return nullptr;
    const Container::Entered entered(*container);
    return PyBool_FromLong(container->change([&](Graph& graph) { return added.into(graph).second; }));
  });
}

// The bytes of a record; none for None.
bool encode_record(GraphContainer& container, PyObject* value, Buffer& out) {
  return value == Py_None || container.codec().encode_value(value, out);
}

// _add_edge(u, v[, value]): whether it was not there; the value is that of a new edge, another one keeps its own.
PyObject* graph_add_edge(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  return guarded_object([&]() -> PyObject* {
    GraphContainer* const container = usable(self);
    AddedKey from, to;
    Buffer record;
    if (!check_count(count, count == 3 ? 3 : 2) || !container || !from.take(*container, args[0]) ||
        !to.take(*container, args[1]) || (count == 3 && !encode_record(*container, args[2], record))) {
      return nullptr;
    }
    const Container::Entered entered(*container);
    return PyBool_FromLong(container->change([&](Graph& graph) {
      const VertexId u = from.into(graph).first, v = to.into(graph).first;
      const bool added = graph.add_edge(u, v);
      if (added && !record.bytes().empty()) graph.set_edge_attributes(u, v, record.bytes());
      return added;
    }));
  });
}

PyObject* graph_remove_vertex(PyObject* self, PyObject* key) {
  return guarded_object([&]() -> PyObject* {
    GraphContainer* const container = usable(self);
    SoughtKey sought;
    if (!container || !sought.take(*container, key)) return nullptr;
    const Container::Entered entered(*container);
    const auto id = sought.in(container->graph());
    if (id) container->change([&](Graph& graph) { graph.remove_vertex(*id); });
    return PyBool_FromLong(id.has_value());
  });
}

PyObject* graph_remove_edge(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  return guarded_object([&]() -> PyObject* {
    GraphContainer* const container = usable(self);
    SoughtEdge edge;
    if (!check_count(count, 2) || !container || !edge.take(*container, args)) return nullptr;
    const Container::Entered entered(*container);
    if (!edge.find(container->graph())) Py_RETURN_FALSE;
    return PyBool_FromLong(
        container->change([&](Graph& graph) { return graph.remove_edge(*edge.u, *edge.v); }));
  });
}

PyObject* graph_has_edge(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  return guarded_object([&]() -> PyObject* {
    GraphContainer* const container = usable(self);
    SoughtEdge edge;
    if (!check_count(count, 2) || !container || !edge.take(*container, args)) return nullptr;
    return PyBool_FromLong(container->read([&] {
      const Graph& graph = container->graph();
      return edge.find(graph) && graph.has_edge(*edge.u, *edge.v);
    }));
  });
}

PyObject* graph_counts(PyObject* self, PyObject*) {
  return guarded_object([&]() -> PyObject* {
    GraphContainer* const container = usable(self);
    if (!container) return nullptr;
    const auto [vertices, edges] = container->read(
        [&] { return std::pair(container->graph().vertex_count(), container->graph().edge_count()); });
    return Py_BuildValue("KK", static_cast<unsigned long long>(vertices),
                         static_cast<unsigned long long>(edges));
  });
}

PyObject* graph_kind(PyObject* self, PyObject*) {
  return guarded_object([&]() -> PyObject* {
    GraphContainer* const container = usable(self);
    if (!container) return nullptr;
    const Graph::Type type = container->read([&] { return container->graph().type(); });
    return Py_BuildValue("NN", PyBool_FromLong(type.directed), PyBool_FromLong(type.multi));
  });
}

PyObject* graph_clear(PyObject* self, PyObject* edges_only) {
  return guarded_object([&]() -> PyObject* {
    GraphContainer* const container = usable(self);
    const int only = container ? PyObject_IsTrue(edges_only) : -1;
    if (only < 0) return nullptr;
    const Container::Entered entered(*container);
    container->handle().run_long(
        [&] { container->change([&](Graph& graph) { only != 0 ? graph.clear_edges() : graph.clear(); }); });
    Py_RETURN_NONE;
  });
}

// ---- Attribute records: objects that the codec stores; None where there is none

// Reads what find(graph), optional bytes, gives, as an object; KeyError(key) where there is nothing.
template <class Find>
PyObject* read_record(GraphContainer& container, PyObject* key, Find&& find) {
  Copies copies;
  bool found = false;
  do {
    container.read([&] {
      const std::optional<Bytes> record = find(container.graph());
      found = record.has_value();
      copies.clear();
      if (found) copies.add(*record, container.live());
    });
  } while (copies.grow());
  if (!found) {
    set_key_error(key);
    return nullptr;
  }
  if (copies.size() == 0) Py_RETURN_NONE;
  return container.codec().decode_value(copies.bytes());
}

// Stores `record` unless it is what read(graph) gives; false if there is no place for it.
template <class Read, class Write>
PyObject* write_record(GraphContainer& container, Bytes record, Read&& read, Write&& write) {
  const Container::Entered entered(container);
  const std::optional<Bytes> old = read(container.graph());
  if (!old) Py_RETURN_FALSE;
  if (!same_bytes(*old, record)) container.change(write);
  Py_RETURN_TRUE;
}

PyObject* graph_value(PyObject* self, PyObject*) {
  return guarded_object([&]() -> PyObject* {
    GraphContainer* const container = usable(self);
    if (!container) return nullptr;
    return read_record(*container, Py_None,
                       [](const Graph& graph) { return std::optional(graph.attributes()); });
  });
}

PyObject* graph_set_value(PyObject* self, PyObject* value) {
  return guarded_object([&]() -> PyObject* {
    GraphContainer* const container = usable(self);
    Buffer record;
    if (!container || !encode_record(*container, value, record)) return nullptr;
    return write_record(
        *container, record.bytes(), [](const Graph& graph) { return std::optional(graph.attributes()); },
        [&](Graph& graph) { graph.set_attributes(record.bytes()); });
  });
}

std::optional<Bytes> vertex_record(const Graph& graph, const SoughtKey& sought) {
  const auto id = sought.in(graph);
  return id ? std::optional(graph.vertex_attributes(*id)) : std::nullopt;
}

PyObject* graph_vertex_value(PyObject* self, PyObject* key) {
  return guarded_object([&]() -> PyObject* {
    GraphContainer* const container = usable(self);
    SoughtKey sought;
    if (!container || !sought.take(*container, key)) return nullptr;
    return read_record(*container, key, [&](const Graph& graph) { return vertex_record(graph, sought); });
  });
}

PyObject* graph_set_vertex_value(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  return guarded_object([&]() -> PyObject* {
    GraphContainer* const container = usable(self);
    SoughtKey sought;
    Buffer record;
    if (!check_count(count, 2) || !container || !sought.take(*container, args[0]) ||
        !encode_record(*container, args[1], record)) {
      return nullptr;
    }
    return write_record(
        *container, record.bytes(), [&](const Graph& graph) { return vertex_record(graph, sought); },
        [&](Graph& graph) { graph.set_vertex_attributes(*sought.in(graph), record.bytes()); });
  });
}

std::optional<Graph::EdgeRecord> edge_record(const Graph& graph, SoughtEdge& edge) {
  return edge.find(graph) ? graph.edge_record(*edge.u, *edge.v) : std::nullopt;
}

// _edge_value(u, v): where a table has parallel edges, their number.
PyObject* graph_edge_value(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  return guarded_object([&]() -> PyObject* {
    GraphContainer* const container = usable(self);
    SoughtEdge edge;
    if (!check_count(count, 2) || !container || !edge.take(*container, args)) return nullptr;
    std::optional<emd::u32> parallel;
    PyObject* const value = read_record(*container, args[1], [&](const Graph& graph) -> std::optional<Bytes> {
      const auto found = edge_record(graph, edge);
      if (!found) return std::nullopt;
      parallel = found->parallel;
      return found->bytes;
    });
    if (!value || !parallel) return value;
    Py_DECREF(value);
    return PyLong_FromUnsignedLong(*parallel);
  });
}

PyObject* graph_set_edge_value(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  return guarded_object([&]() -> PyObject* {
    GraphContainer* const container = usable(self);
    SoughtEdge edge;
    Buffer record;
    if (!check_count(count, 3) || !container || !edge.take(*container, args) ||
        !encode_record(*container, args[2], record)) {
      return nullptr;
    }
    const Container::Entered entered(*container);
    const auto old = edge_record(container->graph(), edge);
    if (!old) Py_RETURN_FALSE;
    if (old->parallel || !same_bytes(old->bytes, record.bytes())) {
      container->change([&](Graph& graph) { graph.set_edge_attributes(*edge.u, *edge.v, record.bytes()); });
    }
    Py_RETURN_TRUE;
  });
}

// ---- Life

PyObject* graph_new(PyTypeObject* type, PyObject*, PyObject*) {
  PyObject* self = type->tp_alloc(type, 0);
  if (self) new (&graph_container(self)) GraphContainer(self);
  return self;
}

// Arguments are the business of the Python class.
int graph_init(PyObject*, PyObject*, PyObject*) { return 0; }

int graph_traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  return graph_container(self).traverse(visit, arg);
}

int graph_clear_references(PyObject* self) {
  graph_container(self).clear();
  return 0;
}

void graph_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  if (reinterpret_cast<ContainerHead*>(self)->weak_references) PyObject_ClearWeakRefs(self);
  graph_container(self).~GraphContainer();
  type->tp_free(self);
  Py_DECREF(type);
}

PyMemberDef graph_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(ContainerHead, weak_references), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr}};

}  // namespace

PyMethodDef graph_methods[] = {
    {"_add_vertex", as_method(graph_add_vertex), METH_O, nullptr},
    {"_add_edge", as_method(graph_add_edge), METH_FASTCALL, nullptr},
    {"_add_edges", as_method(graph_add_edges), METH_FASTCALL, nullptr},
    {"_edge_layout", as_method(graph_edge_layout), METH_NOARGS, nullptr},
    {"_add_typed_edge", as_method(graph_add_typed_edge), METH_FASTCALL, nullptr},
    {"_edge_record", as_method(graph_edge_record), METH_FASTCALL, nullptr},
    {"_set_edge_record", as_method(graph_set_edge_record), METH_FASTCALL, nullptr},
    {"_remove_vertex", as_method(graph_remove_vertex), METH_O, nullptr},
    {"_remove_edge", as_method(graph_remove_edge), METH_FASTCALL, nullptr},
    {"_has_edge", as_method(graph_has_edge), METH_FASTCALL, nullptr},
    {"_counts", as_method(graph_counts), METH_NOARGS, nullptr},
    {"_kind", as_method(graph_kind), METH_NOARGS, nullptr},
    {"_seen", as_method(graph_seen), METH_NOARGS, nullptr},
    {"_clear", as_method(graph_clear), METH_O, nullptr},
    {"_vertex_place", as_method(graph_vertex_place), METH_O, nullptr},
    {"_edge_place", as_method(graph_edge_place), METH_FASTCALL, nullptr},
    {"_vertex_at", as_method(graph_vertex_at), METH_O, nullptr},
    {"_edge_at", as_method(graph_edge_at), METH_FASTCALL, nullptr},
    {"_current", as_method(graph_current), METH_NOARGS, nullptr},
    {"_begin_showing", as_method(graph_begin_showing), METH_NOARGS, nullptr},
    {"_end_showing", as_method(graph_end_showing), METH_FASTCALL, nullptr},
    {"_note_removal", as_method(graph_note_removal), METH_NOARGS, nullptr},
    {"_value", as_method(graph_value), METH_NOARGS, nullptr},
    {"_set_value", as_method(graph_set_value), METH_O, nullptr},
    {"_vertex_value", as_method(graph_vertex_value), METH_O, nullptr},
    {"_set_vertex_value", as_method(graph_set_vertex_value), METH_FASTCALL, nullptr},
    {"_edge_value", as_method(graph_edge_value), METH_FASTCALL, nullptr},
    {"_set_edge_value", as_method(graph_set_edge_value), METH_FASTCALL, nullptr},
    {"_key_bytes", as_method(graph_key_bytes), METH_O, nullptr},
    {"_set_parallel", as_method(graph_set_parallel), METH_FASTCALL, nullptr},
    {"_put_parallel", as_method(graph_put_parallel), METH_FASTCALL, nullptr},
    {"_remove_parallel", as_method(graph_remove_parallel), METH_FASTCALL, nullptr},
    {"_parallel_value", as_method(graph_parallel_value), METH_FASTCALL, nullptr},
    {"_parallel_count", as_method(graph_parallel_count), METH_FASTCALL, nullptr},
    {"_parallel_items", as_method(graph_parallel_items), METH_FASTCALL, nullptr},
    {nullptr, nullptr, 0, nullptr}};

namespace {

PyType_Slot graph_slots[] = {{Py_tp_new, reinterpret_cast<void*>(graph_new)},
                             {Py_tp_init, reinterpret_cast<void*>(graph_init)},
                             {Py_tp_dealloc, reinterpret_cast<void*>(graph_dealloc)},
                             {Py_tp_traverse, reinterpret_cast<void*>(graph_traverse)},
                             {Py_tp_clear, reinterpret_cast<void*>(graph_clear_references)},
                             {Py_tp_members, graph_members},
                             {Py_tp_methods, graph_methods},
                             {0, nullptr}};

PyType_Spec graph_spec = {"pyrsistence._core.GraphBase", sizeof(GraphObject), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, graph_slots};

}  // namespace

bool add_graph_types(PyObject* module) {
  g_graph_type = add_type(module, "GraphBase", graph_spec);
  return g_graph_type && add_graph_view_types(module);
}

}  // namespace pyr
