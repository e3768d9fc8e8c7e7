// Edges with a type: their records as bytes. What is in them is the business of pyrsistence/_graphs/edge_type.py.
#include <string>

#include "python/array/object.h"
#include "python/core/taken.h"
#include "python/graph/arguments.h"

namespace pyr {
namespace {

using emd::Graph;

bool require_bytes(const BytesArgument& bytes, u64 expected) {
  if (bytes.size() == expected) return true;
  PyErr_Format(PyExc_ValueError, "expected %llu bytes of an edge, found %llu",
               static_cast<unsigned long long>(expected), static_cast<unsigned long long>(bytes.size()));
  return false;
}

}  // namespace

// _edge_layout(): the bytes of an edge's record, and the name of their type; 0 and "" where edges have none.
PyObject* graph_edge_layout(PyObject* self, PyObject*) {
  return guarded_object([&]() -> PyObject* {
    GraphContainer* const container = usable(self);
    if (!container) return nullptr;
    const Graph::Type type = container->read([&] { return container->graph().type(); });
    const Ref name(PyUnicode_DecodeUTF8(type.edge_type.data(), static_cast<Py_ssize_t>(type.edge_type.size()),
                                        "replace"));
    return name ? Py_BuildValue("IO", type.edge_bytes, name.get()) : nullptr;
  });
}

// _add_typed_edge(u, v, record, mask): whether it was not there.
PyObject* graph_add_typed_edge(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  return guarded_object([&]() -> PyObject* {
    GraphContainer* const container = usable(self);
    AddedKey from, to;
    BytesArgument record, mask;
    if (!check_count(count, 4) || !container || !from.take(*container, args[0]) ||
        !to.take(*container, args[1]) || !record.take(args[2]) || !mask.take(args[3])) {
      return nullptr;
    }
    const Container::Entered entered(*container);
    const u64 bytes = container->graph().type().edge_bytes;
    if (!require_bytes(record, bytes) || !require_bytes(mask, bytes)) return nullptr;
    return PyBool_FromLong(container->change([&](Graph& graph) {
      const emd::VertexId u = from.into(graph).first, v = to.into(graph).first;
      const bool added = graph.add_edge(u, v);
      if (bytes != 0) graph.change_edge_record(u, v, {record.bytes(), mask.bytes()});
      return added;
    }));
  });
}

// _edge_record(u, v): bytes. Errors: KeyError(v).
PyObject* graph_edge_record(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  return guarded_object([&]() -> PyObject* {
    GraphContainer* const container = usable(self);
    SoughtEdge edge;
    if (!check_count(count, 2) || !container || !edge.take(*container, args)) return nullptr;
    std::string record;
    const bool found = container->read([&] {
      const Graph& graph = container->graph();
      const auto bytes = edge.find(graph) ? graph.edge_attributes(*edge.u, *edge.v) : std::optional<Bytes>();
      if (bytes) record = emd::as_text(*bytes);
      return bytes.has_value();
    });
    if (found) return PyBytes_FromStringAndSize(record.data(), static_cast<Py_ssize_t>(record.size()));
    set_key_error(args[1]);
    return nullptr;
  });
}

// _set_edge_record(u, v, record): False if there is no such edge.
PyObject* graph_set_edge_record(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  return guarded_object([&]() -> PyObject* {
    GraphContainer* const container = usable(self);
    SoughtEdge edge;
    BytesArgument record;
    if (!check_count(count, 3) || !container || !edge.take(*container, args) || !record.take(args[2]))
      return nullptr;
    const Container::Entered entered(*container);
    if (!require_bytes(record, container->graph().type().edge_bytes)) return nullptr;
    if (!edge.find(container->graph())) Py_RETURN_FALSE;
    return PyBool_FromLong(container->change(
        [&](Graph& graph) { return graph.set_edge_attributes(*edge.u, *edge.v, record.bytes()); }));
  });
}

}  // namespace pyr
