// What the methods of a graph's storage take: vertices by their keys, encoded before the graph is entered.
#pragma once

#include <Python.h>

#include <optional>
#include <utility>

#include "python/graph/object.h"

namespace pyr {

inline bool check_count(Py_ssize_t given, Py_ssize_t expected) {
  if (given == expected) return true;
  PyErr_Format(PyExc_TypeError, "expected %zd arguments, found %zd", expected, given);
  return false;
}

// A vertex to be looked for.
struct SoughtKey {
  bool take(GraphContainer& container, PyObject* key) {
    return container.codec().encode_key(key, bytes, nullptr);
  }
  std::optional<emd::VertexId> in(const emd::Graph& graph) const { return graph.find(bytes.bytes()); }
  Buffer bytes;
};

// A vertex that may have to be added.
struct AddedKey {
  bool take(GraphContainer& container, PyObject* key) {
    if (__builtin_expect(key == Py_None, 0)) {
      PyErr_SetString(PyExc_ValueError, "None cannot be a node");
      return false;
    }
    return container.codec().encode_key(key, bytes, &annex);
  }
  std::pair<emd::VertexId, bool> into(emd::Graph& graph) const {
    return graph.add_vertex(bytes.bytes(), annex.bytes());
  }
  Buffer bytes, annex;
};

// Both ends of an edge that is looked for.
struct SoughtEdge {
  bool take(GraphContainer& container, PyObject* const* args) {
    return from.take(container, args[0]) && to.take(container, args[1]);
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

// A number for an edge, the same from both ends of one that is not directed.
inline unsigned long long place_number(const emd::Graph& graph, emd::VertexId u, emd::VertexId v) {
  if (!graph.type().directed && v < u) std::swap(u, v);
  return static_cast<unsigned long long>(u) << 32 | static_cast<unsigned long long>(v);
}

template <class Function>
PyCFunction as_method(Function* function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

}  // namespace pyr
