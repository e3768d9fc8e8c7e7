// The mappings of a graph as NetworkX's classes hold them. What changes them is the business of the Python classes that
// derive from the types here.
//
// Threads: any; see container.h.
#pragma once

#include <Python.h>

#include <span>
#include <vector>

#include "python/graph/object.h"

namespace pyr {

// Keys that are taken out of a graph at a time.
inline constexpr std::size_t kKeysAtOnce = 256;

// Within a read: the keys of vertices; false if one has gone. Errors: PythonError.
bool take_keys(const emd::Graph& graph, std::span<const emd::VertexId> ids, ExtractedKeys& keys);
// An iterator over the keys of these vertices, numbered as in this generation of the graph; null with an error set.
PyObject* iterate_listed(PyObject* graph, u64 generation, std::vector<emd::VertexId> ids);

// A vertex, one side of it, and how it was found.
struct VertexAt {
  PyObject* key;
  emd::Side side;
  emd::VertexId id;
  u64 generation;  // of the graph
  Bytes canonical;
};

// The neighbours of a vertex, as a `type` for which is_neighbours_type(); null with an error set.
PyObject* new_neighbours(PyObject* type, PyObject* graph, const VertexAt& vertex);
bool is_neighbours_type(PyObject* type);
bool add_neighbours_type(PyObject* module);

}  // namespace pyr
