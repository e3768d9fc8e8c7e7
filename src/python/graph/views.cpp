// The mappings of a graph from vertices to attributes or neighbours (VerticesBase), and iterators over vertices.
//
// Threads: any; see container.h.
#include <algorithm>
#include <optional>

#include "python/graph/arguments.h"
#include "python/graph/views.h"
#include "python/kit/cursor.h"

namespace pyr {
namespace {

using emd::Graph;
using emd::Side;
using emd::VertexId;

// ---- An iterator over vertices: all of a graph, or those named by a list of ids

struct VertexWalk {
  using Owner = GraphContainer;
  static constexpr const char* kTypeName = "pyrsistence._core.VertexIterator";
  struct Item {
    Item(GraphContainer& container, const VertexWalk&) : codec(container.codec()) {}
    PyObject* object() { return ExtractedKeys::made(key, codec); }
    static bool grow() { return false; }
    Codec& codec;
    ExtractedKeys::One key{};
  };

  bool all = true;
  bool reversed = false;
  u64 next = 0;   // the next id, or place in `ids`
  u64 state = 0;  // of all: the graph's version; else its generation
  std::vector<VertexId> ids = {};
  ExtractedKeys keys = {};
  std::size_t at = 0;  // in `keys`

  Step advance(GraphContainer& container, Item& item) {
    bool same = true;
    if (at == keys.size()) {
      same = refill(container);
    } else if (all) {
      same = container.read_consistent([&] { return is_current(container.graph()); });
    }
    if (!same) return Step::changed;
    if (at == keys.size()) return Step::exhausted;
    item.key = keys.take(at++, container.codec());
    return Step::given;
  }
  static PyObject* refuse(Step) {
    PyErr_SetString(PyExc_RuntimeError, "dictionary changed size during iteration");
    return nullptr;
  }

 private:
  bool is_current(const Graph& graph) const { return (all ? graph.version() : graph.generation()) == state; }

  // Takes the next keys; false if the graph has changed so that they cannot be told.
  bool refill(GraphContainer& container) {
    at = 0;
    u64 then = next;
    const bool same = container.read_consistent([&] {
      keys.clear();
      const Graph& graph = container.graph();
      if (!is_current(graph)) return false;
      if (!all) return take_listed(graph);
      then = take_all(graph);
      return true;
    });
    next = all ? then : next + keys.size();
    return same;
  }
  // The next ids of all; where the walk stands then.
  u64 take_all(const Graph& graph) {
    u64 then = next;
    while (keys.size() < kKeysAtOnce) {
      const auto id = reversed ? graph.previous(then) : graph.next(then);
      if (!id) break;
      keys.add(graph.key_of(*id));
      then = static_cast<u64>(*id) + (reversed ? 0 : 1);
    }
    return then;
  }
  bool take_listed(const Graph& graph) {
    const std::size_t count = std::min<std::size_t>(ids.size() - next, kKeysAtOnce);
    return take_keys(graph, std::span(ids).subspan(next, count), keys);
  }
};
using VertexCursor = Cursor<VertexWalk>;

}  // namespace

bool take_keys(const Graph& graph, std::span<const VertexId> ids, ExtractedKeys& keys) {
  // Their rows are anywhere: the waits for them are shared.
  for (const VertexId id : ids) graph.fetch_key(id);
  for (const VertexId id : ids) {
    if (!graph.alive(id)) return false;
    keys.add(graph.key_of(id));
  }
  return true;
}

PyObject* iterate_listed(PyObject* graph, u64 generation, std::vector<VertexId> ids) {
  return VertexCursor::make(graph, {.all = false, .state = generation, .ids = std::move(ids)});
}

namespace {

// ---- The vertices

enum class Shows : int { attributes = 0, successors = 1, predecessors = 2 };

struct Vertices {
  static constexpr const char* kTypeName = "pyrsistence._core.VerticesBase";
  static constexpr unsigned long kFlags = Py_TPFLAGS_BASETYPE;

  Vertices(OwnedRef of_graph, OwnedRef of_neighbours, Shows what) noexcept
      : graph(std::move(of_graph)), inner(std::move(of_neighbours)), shows(what) {}
  int traverse(visitproc visit, void* arg) const {
    const int stopped = pyr::traverse(graph, visit, arg);
    return stopped != 0 ? stopped : pyr::traverse(inner, visit, arg);
  }
  // For a call: it is made, if it is a temporary one that was not used yet.
  GraphContainer& container() const {
    GraphContainer& container = unboxed<GraphContainer>(graph.get());
    container.open_late();
    return container;
  }

  const OwnedRef graph;
  const OwnedRef inner;  // the type of what it maps to, derived from NeighboursBase; None for attributes
  const Shows shows;
};

// Vertices(graph, shows, inner)
PyObject* vertices_new(PyTypeObject* type, PyObject* args, PyObject*) {
  PyObject *graph = nullptr, *inner = nullptr;
  int shows = 0;
  if (!PyArg_ParseTuple(args, "OiO", &graph, &shows, &inner)) return nullptr;
  if (!TypeOf<GraphContainer>::is(graph) || shows < 0 || shows > 2 ||
      (shows != 0 && !is_neighbours_type(inner))) {
    PyErr_SetString(PyExc_TypeError, "expected a graph's storage, what to show, and a type of neighbours");
    return nullptr;
  }
  return TypeOf<Vertices>::make(type, OwnedRef::borrowed(graph), OwnedRef::borrowed(inner), Shows{shows});
}

Py_ssize_t length(Vertices& table) {
  GraphContainer& container = table.container();
  return container.read([&] { return static_cast<Py_ssize_t>(container.graph().vertex_count()); });
}

int contains(Vertices& table, PyObject* key) {
  GraphContainer& container = table.container();
  SoughtKey sought;
  if (!sought.take(container, &key)) return -1;
  return container.read([&] { return sought.in(container.graph()).has_value() ? 1 : 0; });
}

PyObject* subscript(Vertices& table, PyObject* key) {
  static PyObject* const name = PyUnicode_InternFromString("_node_attributes");
  if (table.shows == Shows::attributes) return PyObject_CallMethodOneArg(table.graph.get(), name, key);
  GraphContainer& container = table.container();
  SoughtKey sought;
  if (!sought.take(container, &key)) return nullptr;
  u64 generation = 0;
  const auto id = container.read([&] {
    generation = container.graph().generation();
    return sought.in(container.graph());
  });
  if (id) {
    const Side side = table.shows == Shows::predecessors ? Side::predecessors : Side::successors;
    return new_neighbours(table.inner.get(), table.graph.get(), {key, side, *id, generation, sought.bytes()});
  }
  set_key_error(key);
  return nullptr;
}

PyObject* iterate(Vertices& table, bool reversed) {
  GraphContainer& container = table.container();
  const u64 version = container.read([&] { return container.graph().version(); });
  return VertexCursor::make(table.graph.get(),
                            {.reversed = reversed, .next = reversed ? ~u64{0} : 0, .state = version});
}
PyObject* forwards(Vertices& table) { return iterate(table, false); }
PyObject* backwards(Vertices& table) { return iterate(table, true); }

PyObject* get_graph(PyObject* self, void*) { return Py_NewRef(unboxed<Vertices>(self).graph.get()); }
PyObject* get_forward(PyObject* self, void*) {
  return PyBool_FromLong(unboxed<Vertices>(self).shows != Shows::predecessors);
}

PyGetSetDef getset[] = {{"_graph", get_graph, nullptr, nullptr, nullptr},
                        {"_forward", get_forward, nullptr, nullptr, nullptr},
                        {nullptr, nullptr, nullptr, nullptr, nullptr}};
PyMethodDef methods[] = {method<"__reversed__", &backwards>(), kEndOfMethods};

}  // namespace

bool add_graph_view_types(PyObject* module) {
  return add_neighbours_type(module) && VertexCursor::add_type(module) &&
         TypeOf<Vertices>::add(module, {{Py_tp_new, reinterpret_cast<void*>(vertices_new)},
                                        {Py_tp_getset, getset},
                                        {Py_tp_methods, methods},
                                        slot<&forwards>(Py_tp_iter),
                                        slot<&length>(Py_mp_length),
                                        slot<&subscript>(Py_mp_subscript),
                                        slot<&contains>(Py_sq_contains)});
}

}  // namespace pyr
