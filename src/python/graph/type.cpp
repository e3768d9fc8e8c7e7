// The base type of a graph's storage: calls on vertices, edges and attribute records by key. Most are for the classes
// in pyrsistence/_graphs.
#include <stdexcept>
#include <string>

#include "python/graph/arguments.h"

namespace pyr {

// (directed, with parallel edges, whether these were given, bytes of an edge's record, name of its type)
void GraphContainer::want(PyObject* wanted) {
  emd::Graph::OpenAs result;
  int directed = 0, multi = 0, given = 0;
  const char* edge_type = nullptr;
  require(PyArg_ParseTuple(wanted, "pppIs", &directed, &multi, &given, &result.type.edge_bytes, &edge_type));
  result.type.directed = directed != 0;
  result.type.multi = multi != 0;
  result.type.edge_type = edge_type;
  result.kind_given = given != 0;
  if (result.type.edge_bytes > emd::kMaxEdgeBytes || result.type.edge_type.size() > emd::kMaxEdgeTypeName) {
    throw std::invalid_argument(
        "expected edges of at most 4,096 bytes, of a type with a name of at most 3,584");
  }
  wanted_ = std::move(result);
}

bool GraphContainer::flush(PyObject* failures) {
  const OwnedRef own(PyObject_CallMethod(self(), "_flush", nullptr));
  const OwnedRef all(own ? PySequence_InPlaceConcat(failures, own.get()) : nullptr);
  return static_cast<bool>(all);
}

bool GraphContainer::show_anew() {
  return static_cast<bool>(OwnedRef(PyObject_CallMethod(self(), "_current", nullptr)));
}

void ExtractedKeys::clear() {
  for (Item& item : items_) Py_CLEAR(item.object);
  items_.clear();
  bytes_.clear();
}

void ExtractedKeys::add(const emd::Graph::Key& key) {
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

ExtractedKeys::ExtractedKeys(const ExtractedKeys& other) : items_(other.items_), bytes_(other.bytes_) {
  for (const Item& item : items_) Py_XINCREF(item.object);
}

PyObject* ExtractedKeys::object(std::size_t i, Codec& codec) {
  Item& item = items_[i];
  if (__builtin_expect(item.object != nullptr, 1)) {
    PyObject* const key = std::exchange(item.object, nullptr);
    return __builtin_expect(codec.rebuilds_keys(), 0) ? codec.rebuilt_key(key) : key;
  }
  const Bytes all = Bytes(bytes_).subspan(item.at, item.key_size + item.annex_size);
  return codec.decode_key(all.first(item.key_size), all.subspan(item.key_size));
}

ExtractedKeys::One ExtractedKeys::take(std::size_t i, Codec& codec) {
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

PyObject* ExtractedKeys::made(const One& one, Codec& codec) {
  if (one.object)
    return __builtin_expect(codec.rebuilds_keys(), 0) ? codec.rebuilt_key(one.object) : one.object;
  const Bytes all(one.bytes);
  return codec.decode_key(all.first(one.key_size), all.subspan(one.key_size));
}

namespace {

using emd::Graph;
using emd::VertexId;

// ---- Vertices and edges

// Whether it was not there.
bool add_vertex(GraphContainer& container, const AddedKey& added) {
  const Container::EntryGuard entered(container);
  return container.change([&] { return added.into(container.graph()).second; });
}

// Whether it was not there; the attributes are those of a new edge, another one keeps its own.
bool add_edge(GraphContainer& container, const AddedKey& from, const AddedKey& to,
              const std::optional<Record>& record) {
  const Container::EntryGuard entered(container);
  return container.change([&] {
    Graph& graph = container.graph();
    const VertexId u = from.into(graph).first, v = to.into(graph).first;
    const bool added = graph.add_edge(u, v);
    if (added && record && !record->bytes().empty()) graph.set_edge_attributes(u, v, record->bytes());
    return added;
  });
}

bool remove_vertex(GraphContainer& container, const SoughtKey& sought) {
  const Container::EntryGuard entered(container);
  const auto id = sought.in(container.graph());
  if (id) container.change([&] { container.graph().remove_vertex(*id); });
  return id.has_value();
}

bool remove_edge(GraphContainer& container, SoughtEdge& edge) {
  const Container::EntryGuard entered(container);
  Graph& graph = container.graph();
  return edge.find(graph) && container.change([&] { return graph.remove_edge(*edge.u, *edge.v); });
}

bool has_edge(GraphContainer& container, SoughtEdge& edge) {
  return container.read([&] {
    const Graph& graph = container.graph();
    return edge.find(graph) && graph.has_edge(*edge.u, *edge.v);
  });
}

PyObject* counts(GraphContainer& container) {
  const auto [vertices, edges] = container.read(
      [&] { return std::pair(container.graph().vertex_count(), container.graph().edge_count()); });
  return Py_BuildValue("KK", static_cast<unsigned long long>(vertices),
                       static_cast<unsigned long long>(edges));
}

PyObject* kind(GraphContainer& container) {
  const Graph::Type type = container.read([&] { return container.graph().type(); });
  return Py_BuildValue("NN", PyBool_FromLong(type.directed), PyBool_FromLong(type.multi));
}

void clear(GraphContainer& container, bool edges_only) {
  const Container::EntryGuard entered(container);
  Graph& graph = container.graph();
  container.change(true, [&] { edges_only ? graph.clear_edges() : graph.clear(); });
}

// Equal bytes for equal keys. By them the Python class keeps what it knows of parallel edges.
PyObject* key_bytes(GraphContainer&, const SoughtKey& key) {
  return PyBytes_FromStringAndSize(reinterpret_cast<const char*>(key.bytes().data()),
                                   static_cast<Py_ssize_t>(key.bytes().size()));
}

// Sees to it that live attributes are of the present state; of a closed graph nothing.
PyObject* current(PyObject* self, PyObject*) {
  return guarded_object([&]() -> PyObject* {
    GraphContainer& container = unboxed<GraphContainer>(self);
    if (container.attached()) read_as_shown(container, [] {});
    Py_RETURN_NONE;
  });
}

// ---- Attribute records: objects that the codec stores; None where there is none

// The object; KeyError(key) where there is nothing.
PyObject* found_record(std::optional<OwnedRef> record, PyObject* key) {
  if (record) return record->release();
  set_key_error(key);
  return nullptr;
}

// Stores a record unless it is the old one; false if there is no place for it.
template <class Write>
bool write_record(GraphContainer& container, const std::optional<Bytes>& old, const Record& record,
                  Write&& write) {
  if (old && !same_bytes(*old, record.bytes())) container.change(write);
  return old.has_value();
}

PyObject* value(GraphContainer& container) {
  return read_record(container, [](const Graph& graph) { return std::optional(graph.attributes()); })
      ->release();
}

bool set_value(GraphContainer& container, const Record& record) {
  const Container::EntryGuard entered(container);
  Graph& graph = container.graph();
  return write_record(container, graph.attributes(), record, [&] { graph.set_attributes(record.bytes()); });
}

std::optional<Bytes> vertex_record(const Graph& graph, const SoughtKey& sought) {
  const auto id = sought.in(graph);
  return id ? std::optional(graph.vertex_attributes(*id)) : std::nullopt;
}

PyObject* vertex_value(GraphContainer& container, const SoughtKey& sought) {
  return found_record(
      read_record(container, [&](const Graph& graph) { return vertex_record(graph, sought); }),
      sought.object);
}

bool set_vertex_value(GraphContainer& container, const SoughtKey& sought, const Record& record) {
  const Container::EntryGuard entered(container);
  Graph& graph = container.graph();
  return write_record(container, vertex_record(graph, sought), record,
                      [&] { graph.set_vertex_attributes(*sought.in(graph), record.bytes()); });
}

std::optional<Graph::EdgeRecord> edge_record(const Graph& graph, SoughtEdge& edge) {
  return edge.find(graph) ? graph.edge_record(*edge.u, *edge.v) : std::nullopt;
}

// Where a table has parallel edges, their number.
PyObject* edge_value(GraphContainer& container, SoughtEdge& edge) {
  std::optional<emd::u32> parallel;
  std::optional<OwnedRef> record = read_record(container, [&](const Graph& graph) -> std::optional<Bytes> {
    const auto found = edge_record(graph, edge);
    if (!found) return std::nullopt;
    parallel = found->parallel;
    return found->bytes;
  });
  return record && parallel ? as_object(*parallel) : found_record(std::move(record), edge.to.object);
}

bool set_edge_value(GraphContainer& container, SoughtEdge& edge, const Record& record) {
  const Container::EntryGuard entered(container);
  Graph& graph = container.graph();
  const auto old = edge_record(graph, edge);
  if (old && (old->parallel || !same_bytes(old->bytes, record.bytes())))
    container.change([&] { graph.set_edge_attributes(*edge.u, *edge.v, record.bytes()); });
  return old.has_value();
}

PyMethodDef methods[] = {method<"_add_vertex", &add_vertex>(),
                         method<"_add_edge", &add_edge>(),
                         method<"_add_edges", &graph_add_edges>(),
                         method<"_edge_layout", &graph_edge_layout>(),
                         method<"_add_typed_edge", &graph_add_typed_edge>(),
                         method<"_edge_record", &graph_edge_record>(),
                         method<"_set_edge_record", &graph_set_edge_record>(),
                         method<"_remove_vertex", &remove_vertex>(),
                         method<"_remove_edge", &remove_edge>(),
                         method<"_has_edge", &has_edge>(),
                         method<"_counts", &counts>(),
                         method<"_kind", &kind>(),
                         method<"_seen", &graph_seen>(),
                         method<"_clear", &clear>(),
                         method<"_vertex_place", &graph_vertex_place>(),
                         method<"_edge_place", &graph_edge_place>(),
                         method<"_vertex_at", &graph_vertex_at>(),
                         method<"_edge_at", &graph_edge_at>(),
                         {"_current", &current, METH_NOARGS, nullptr},
                         method<"_begin_showing", &graph_begin_showing>(),
                         method<"_end_showing", &graph_end_showing>(),
                         method<"_note_removal", &graph_note_removal>(),
                         method<"_value", &value>(),
                         method<"_set_value", &set_value>(),
                         method<"_vertex_value", &vertex_value>(),
                         method<"_set_vertex_value", &set_vertex_value>(),
                         method<"_edge_value", &edge_value>(),
                         method<"_set_edge_value", &set_edge_value>(),
                         method<"_key_bytes", &key_bytes>(),
                         method<"_set_parallel", &graph_set_parallel>(),
                         method<"_put_parallel", &graph_put_parallel>(),
                         method<"_remove_parallel", &graph_remove_parallel>(),
                         method<"_parallel_value", &graph_parallel_value>(),
                         method<"_parallel_count", &graph_parallel_count>(),
                         method<"_parallel_items", &graph_parallel_items>(),
                         kEndOfMethods};

}  // namespace

bool add_graph_types(PyObject* module) {
  return add_container_type<GraphContainer>(module, methods, {}) && add_graph_view_types(module);
}

}  // namespace pyr
