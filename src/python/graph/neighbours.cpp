// The mapping from the neighbours of a vertex to the attributes of the edges (NeighboursBase).
//
// Threads: any; see container.h.
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

struct Neighbours {
  static constexpr const char* kTypeName = "pyrsistence._core.NeighboursBase";
  static constexpr unsigned long kFlags = Py_TPFLAGS_BASETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION;

  Neighbours(OwnedRef of_graph, OwnedRef of_key, const VertexAt& vertex, std::string bytes) noexcept
      : graph(std::move(of_graph)),
        key(std::move(of_key)),
        side(vertex.side),
        id(vertex.id),
        generation(vertex.generation),
        canonical(std::move(bytes)) {}
  // Methods need the graph, and the cycles that it may be part of are broken elsewhere: there is no clear().
  int traverse(visitproc visit, void* arg) const {
    const int stopped = pyr::traverse(graph, visit, arg);
    return stopped != 0 ? stopped : pyr::traverse(key, visit, arg);
  }
  GraphContainer& container() const { return unboxed<GraphContainer>(graph.get()); }

  const OwnedRef graph;
  const OwnedRef key;
  const Side side;
  VertexId id;
  u64 generation;  // of the graph, when `id` was found
  const std::string canonical;
};

// The vertex, as it is numbered now; nothing if it has gone. Precondition: entered.
std::optional<VertexId> vertex_of(const Graph& graph, Neighbours& view) {
  if (__builtin_expect(view.generation == graph.generation() && graph.alive(view.id), 1)) return view.id;
  const auto id = graph.find(emd::as_bytes(view.canonical));
  if (id) view.id = *id;
  view.generation = graph.generation();
  return id;
}

Py_ssize_t length(Neighbours& view) {
  GraphContainer& container = view.container();
  return container.read([&] {
    const auto id = vertex_of(container.graph(), view);
    return id ? static_cast<Py_ssize_t>(container.graph().degree(*id, view.side)) : 0;
  });
}

int contains(Neighbours& view, PyObject* key) {
  GraphContainer& container = view.container();
  SoughtKey sought;
  if (!sought.take(container, &key)) return -1;
  return container.read([&] {
    const Graph& graph = container.graph();
    const auto own = vertex_of(graph, view);
    const auto other = own ? sought.in(graph) : std::nullopt;
    if (!other) return 0;
    const bool found =
        view.side == Side::successors ? graph.has_edge(*own, *other) : graph.has_edge(*other, *own);
    return found ? 1 : 0;
  });
}

PyObject* subscript(Neighbours& view, PyObject* key) {
  static PyObject* const name = PyUnicode_InternFromString("_edge_attributes");
  const bool forward = view.side == Side::successors;
  PyObject* const own = view.key.get();
  OwnedRef found(
      PyObject_CallMethodObjArgs(view.graph.get(), name, forward ? own : key, forward ? key : own, nullptr));
  if (found.get() != Py_None) return found.release();
  set_key_error(key);
  return nullptr;
}

// An iterator over many neighbours, whose keys are taken some at a time.
PyObject* iterate_many(Neighbours& view) {
  GraphContainer& container = view.container();
  std::vector<VertexId> ids;
  u64 generation = 0;
  container.read([&] {
    ids.clear();
    const Graph& graph = container.graph();
    generation = graph.generation();
    const auto id = vertex_of(graph, view);
    if (id) graph.neighbours(*id, view.side, [&](VertexId other) { ids.push_back(other); });
  });
  return iterate_listed(view.graph.get(), generation, std::move(ids));
}

// The keys as a list.
PyObject* list_of(ExtractedKeys& keys, Codec& codec) {
  OwnedRef list(PyList_New(static_cast<Py_ssize_t>(keys.size())));
  for (std::size_t i = 0; list && i < keys.size(); ++i) {
    PyObject* const key = keys.object(i, codec);
    if (!key) return nullptr;
    PyList_SET_ITEM(list.get(), static_cast<Py_ssize_t>(i), key);
  }
  return list.release();
}

// Few neighbours are taken at once, and walked as a list is.
PyObject* iterate(Neighbours& view) {
  GraphContainer& container = view.container();
  ExtractedKeys keys;
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
  const OwnedRef list(list_of(keys, container.codec()));
  return list ? PyObject_GetIter(list.get()) : nullptr;
}

// ---- Edges of a vertex with their attributes

// Taken out of the graph: of each edge its other end, its number, and where its attributes are in `bytes`.
struct ExtractedEdges {
  struct Edge {
    u64 number;
    std::size_t at, size;
    std::optional<emd::u32> parallel;
  };
  ExtractedKeys keys;
  std::vector<Edge> edges;
  std::vector<u8> bytes;
};

// False if they are too many for that.
bool take_edges(const Graph& graph, Neighbours& view, ExtractedEdges& extracted) {
  extracted.keys.clear();
  extracted.edges.clear();
  extracted.bytes.clear();
  const auto id = vertex_of(graph, view);
  if (!id) return true;
  if (graph.degree(*id, view.side) > kKeysAtOnce) return false;
  const bool turned = graph.type().directed && view.side == Side::predecessors;
  graph.neighbours(*id, view.side, [&](VertexId other) { graph.fetch_key(other); });
  graph.edges(*id, view.side, [&](VertexId other, const Graph::EdgeRecord& found) {
    const Bytes record = found.bytes;
    extracted.keys.add(graph.key_of(other));
    extracted.edges.push_back({turned ? place_number(graph, other, *id) : place_number(graph, *id, other),
                               extracted.bytes.size(), record.size(), found.parallel});
    extracted.bytes.insert(extracted.bytes.end(), record.begin(), record.end());
  });
  return true;
}

// Attributes as an object: bytes where edges have a type, else what the codec stored; None for none; the number of
// parallel edges where a table has them.
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
PyObject* edges(Neighbours& view) {
  GraphContainer& container = view.container();
  ExtractedEdges extracted;
  bool typed = false, few = false;
  read_as_shown(container, [&] {
    typed = container.graph().type().edge_bytes != 0;
    few = take_edges(container.graph(), view, extracted);
  });
  if (!few) Py_RETURN_NONE;
  OwnedRef list(PyList_New(static_cast<Py_ssize_t>(extracted.edges.size())));
  for (std::size_t i = 0; list && i < extracted.edges.size(); ++i) {
    const ExtractedEdges::Edge& edge = extracted.edges[i];
    const OwnedRef key(extracted.keys.object(i, container.codec()));
    if (!key) return nullptr;
    const OwnedRef attributes(attributes_object(container, typed, edge.parallel,
                                                Bytes(extracted.bytes).subspan(edge.at, edge.size)));
    if (!attributes) return nullptr;
    PyObject* const entry =
        Py_BuildValue("OKO", key.get(), static_cast<unsigned long long>(edge.number), attributes.get());
    if (!entry) return nullptr;
    PyList_SET_ITEM(list.get(), static_cast<Py_ssize_t>(i), entry);
  }
  return list.release();
}

PyObject* get_key(PyObject* self, void*) { return Py_NewRef(unboxed<Neighbours>(self).key.get()); }
PyObject* get_graph(PyObject* self, void*) { return Py_NewRef(unboxed<Neighbours>(self).graph.get()); }
PyObject* get_forward(PyObject* self, void*) {
  return PyBool_FromLong(unboxed<Neighbours>(self).side == Side::successors);
}

PyGetSetDef getset[] = {{"_vertex", get_key, nullptr, nullptr, nullptr},
                        {"_graph", get_graph, nullptr, nullptr, nullptr},
                        {"_forward", get_forward, nullptr, nullptr, nullptr},
                        {nullptr, nullptr, nullptr, nullptr, nullptr}};
PyMethodDef methods[] = {method<"_edges", &edges>(), kEndOfMethods};

}  // namespace

bool is_neighbours_type(PyObject* type) {
  return PyType_Check(type) &&
         PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(type), TypeOf<Neighbours>::get());
}

PyObject* new_neighbours(PyObject* type, PyObject* graph, const VertexAt& vertex) {
  return TypeOf<Neighbours>::make(reinterpret_cast<PyTypeObject*>(type), OwnedRef::borrowed(graph),
                                  OwnedRef::borrowed(vertex.key), vertex,
                                  std::string(emd::as_text(vertex.canonical)));
}

bool add_neighbours_type(PyObject* module) {
  return TypeOf<Neighbours>::add(module, {{Py_tp_methods, methods},
                                          {Py_tp_getset, getset},
                                          slot<&iterate>(Py_tp_iter),
                                          slot<&length>(Py_mp_length),
                                          slot<&subscript>(Py_mp_subscript),
                                          slot<&contains>(Py_sq_contains)});
}

}  // namespace pyr
