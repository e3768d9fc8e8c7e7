// Edges with a type: their records as bytes. What is in them is the business of pyrsistence/_graphs/edge_type.py.
#include <stdexcept>
#include <string>

#include "python/graph/arguments.h"

namespace pyr {
namespace {

using emd::Graph;

void require_bytes(const ReadBuffer& bytes, u64 expected) {
  if (bytes.size() == expected) return;
  throw std::invalid_argument("expected " + std::to_string(expected) + " bytes of an edge, found " +
                              std::to_string(bytes.size()));
}

}  // namespace

// _edge_layout(): the bytes of an edge's record, and the name of their type; 0 and "" where edges have none.
PyObject* graph_edge_layout(GraphContainer& container) {
  const Graph::Type type = container.read([&] { return container.graph().type(); });
  const OwnedRef name(
      PyUnicode_DecodeUTF8(type.edge_type.data(), static_cast<Py_ssize_t>(type.edge_type.size()), "replace"));
  return name ? Py_BuildValue("IO", type.edge_bytes, name.get()) : nullptr;
}

// _add_typed_edge(u, v, record, mask): whether it was not there.
bool graph_add_typed_edge(GraphContainer& container, const AddedKey& from, const AddedKey& to,
                          const ReadBuffer& record, const ReadBuffer& mask) {
  const Container::EntryGuard entered(container);
  Graph& graph = container.graph();
  const u64 bytes = graph.type().edge_bytes;
  require_bytes(record, bytes);
  require_bytes(mask, bytes);
  return container.change([&] {
    const emd::VertexId u = from.into(graph).first, v = to.into(graph).first;
    const bool added = graph.add_edge(u, v);
    if (bytes != 0) graph.change_edge_record(u, v, {record.bytes(), mask.bytes()});
    return added;
  });
}

// _edge_record(u, v): bytes. Errors: KeyError(v).
PyObject* graph_edge_record(GraphContainer& container, SoughtEdge& edge) {
  std::string record;
  const bool found = container.read([&] {
    const Graph& graph = container.graph();
    const auto bytes = edge.find(graph) ? graph.edge_attributes(*edge.u, *edge.v) : std::optional<Bytes>();
    if (bytes) record = emd::as_text(*bytes);
    return bytes.has_value();
  });
  if (found) return PyBytes_FromStringAndSize(record.data(), static_cast<Py_ssize_t>(record.size()));
  set_key_error(edge.to.object);
  return nullptr;
}

// _set_edge_record(u, v, record): False if there is no such edge.
bool graph_set_edge_record(GraphContainer& container, SoughtEdge& edge, const ReadBuffer& record) {
  const Container::EntryGuard entered(container);
  Graph& graph = container.graph();
  require_bytes(record, graph.type().edge_bytes);
  return edge.find(graph) &&
         container.change([&] { return graph.set_edge_attributes(*edge.u, *edge.v, record.bytes()); });
}

}  // namespace pyr
