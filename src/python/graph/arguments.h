// What the methods of a graph's storage take, encoded before the graph is entered (see kit/method.h), and those methods
// that are not in type.cpp.
#pragma once

#include <Python.h>

#include <deque>
#include <optional>
#include <utility>

#include "python/graph/object.h"
#include "python/kit/buffer_argument.h"

namespace pyr {

// A vertex, or a parallel edge, to be looked for.
struct SoughtKey {
  bool take(GraphContainer& container, PyObject* const* objects) {
    object = objects[0];
    return container.codec().encode_key(object, buffer, nullptr);
  }
  std::optional<emd::VertexId> in(const emd::Graph& graph) const { return graph.find(bytes()); }
  Bytes bytes() const { return buffer.bytes(); }
  PyObject* object = nullptr;
  Buffer buffer;
};

// A vertex that may have to be added.
struct AddedKey {
  bool take(GraphContainer& container, PyObject* const* objects) {
    if (__builtin_expect(objects[0] == Py_None, 0)) {
      PyErr_SetString(PyExc_ValueError, "None cannot be a node");
      return false;
    }
    return container.codec().encode_key(objects[0], bytes, &annex);
  }
  std::pair<emd::VertexId, bool> into(emd::Graph& graph) const {
    return graph.add_vertex(bytes.bytes(), annex.bytes());
  }
  Buffer bytes, annex;
};

// Both ends of an edge that is looked for.
struct SoughtEdge {
  static constexpr Py_ssize_t kObjects = 2;
  bool take(GraphContainer& container, PyObject* const* objects) {
    return from.take(container, objects) && to.take(container, objects + 1);
  }
  // Null ends where a vertex is missing.
  bool find(const emd::Graph& graph) {
    u = from.in(graph);
    v = u ? to.in(graph) : std::nullopt;
    return u && v;
  }
  SoughtKey from, to;
  std::optional<emd::VertexId> u, v;
};

// Attributes as the codec stores them; no bytes for None.
struct Record {
  bool take(GraphContainer& container, PyObject* const* objects) {
    return objects[0] == Py_None || container.codec().encode_value(objects[0], buffer);
  }
  Bytes bytes() const { return buffer.bytes(); }
  Buffer buffer;
};

// A parallel edge that is to be stored: its key and its attributes.
struct ParallelEdge {
  static constexpr Py_ssize_t kObjects = 2;
  bool take(GraphContainer& container, PyObject* const* objects) {
    return container.codec().encode_key(objects[0], key, &annex) && record.take(container, objects + 1);
  }
  emd::ParallelEdges::Edge edge() const { return {key.bytes(), annex.bytes(), record.bytes()}; }
  Buffer key, annex;
  Record record;
};

// Parallel edges of a sequence of (key, attributes).
struct ParallelList {
  bool take(GraphContainer& container, PyObject* const* objects);
  std::deque<ParallelEdge> edges;
};

// A number for an edge, the same from both ends of one that is not directed.
inline emd::u64 place_number(const emd::Graph& graph, emd::VertexId u, emd::VertexId v) {
  if (!graph.type().directed && v < u) std::swap(u, v);
  return static_cast<emd::u64>(u) << 32 | static_cast<emd::u64>(v);
}

// Reads what find(graph), optional bytes, gives, as an object, None for no bytes; nothing where find() gives nothing:
// OwnedRef without an object. Errors: PythonError; as Container::read.
template <class Find>
std::optional<OwnedRef> read_record(GraphContainer& container, Find&& find) {
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
  if (!found) return std::nullopt;
  if (copies.size() == 0) return OwnedRef::borrowed(Py_None);
  OwnedRef object(container.codec().decode_value(copies.bytes()));
  require(static_cast<bool>(object));
  return object;
}

// ---- Methods. Those of bulk.cpp, live.cpp, parallel.cpp, typed.cpp

u64 graph_add_edges(GraphContainer& container, const ReadBuffer& from, const ReadBuffer& to,
                    const ReadBuffer& records, const ReadBuffer& mask);

std::optional<i64> graph_vertex_place(GraphContainer& container, const SoughtKey& sought);
std::optional<u64> graph_edge_place(GraphContainer& container, SoughtEdge& edge);
std::optional<i64> graph_vertex_at(GraphContainer& container, const SoughtKey& sought);
std::optional<u64> graph_edge_at(GraphContainer& container, SoughtEdge& edge);
PyObject* graph_begin_showing(GraphContainer& container);
void graph_end_showing(GraphContainer& container, u64 state, u64 rollbacks);
emd::u32 graph_note_removal(GraphContainer& container);
u64 graph_seen(GraphContainer& container);

bool graph_set_parallel(GraphContainer& container, SoughtEdge& ends, const ParallelList& given);
std::optional<bool> graph_put_parallel(GraphContainer& container, SoughtEdge& ends,
                                       const ParallelEdge& given);
bool graph_remove_parallel(GraphContainer& container, SoughtEdge& ends, const SoughtKey& key);
PyObject* graph_parallel_value(GraphContainer& container, SoughtEdge& ends, const SoughtKey& key);
std::optional<emd::u32> graph_parallel_count(GraphContainer& container, SoughtEdge& ends);
PyObject* graph_parallel_items(GraphContainer& container, SoughtEdge& ends, Py_ssize_t place,
                               bool with_values);

PyObject* graph_edge_layout(GraphContainer& container);
bool graph_add_typed_edge(GraphContainer& container, const AddedKey& from, const AddedKey& to,
                          const ReadBuffer& record, const ReadBuffer& mask);
PyObject* graph_edge_record(GraphContainer& container, SoughtEdge& edge);
bool graph_set_edge_record(GraphContainer& container, SoughtEdge& edge, const ReadBuffer& record);

}  // namespace pyr
