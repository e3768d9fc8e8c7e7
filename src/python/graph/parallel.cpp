// Calls on the parallel edges of a pair where a table has them: each by its key. See type.cpp.
#include <Python.h>

#include <deque>
#include <string>
#include <vector>

#include "base/errors.h"
#include "python/graph/arguments.h"
#include "python/graph/object.h"

namespace pyr {
namespace {

using emd::Graph;
using emd::ParallelEdges;

// Taken out of the graph at a time.
constexpr std::size_t kEdgesAtOnce = 256;
constexpr std::size_t kBytesAtOnce = std::size_t{1} << 20;

// An edge that is to be stored, or looked for: u, v, key.
struct GivenEdge {
  bool take_key(GraphContainer& container, PyObject* object) {
    return container.codec().encode_key(object, key, &annex);
  }
  bool take_record(GraphContainer& container, PyObject* value) {
    return value == Py_None || container.codec().encode_value(value, record);
  }
  ParallelEdges::Edge edge() const { return {key.bytes(), annex.bytes(), record.bytes()}; }
  Buffer key, annex, record;
};

// Whether the ends are there, and their parallel edges are in a table.
bool find_table(const Graph& graph, SoughtEdge& ends) {
  if (!ends.find(graph)) return false;
  const auto found = graph.edge_record(*ends.u, *ends.v);
  return found && found->parallel;
}

// Items as pairs of a key and a value, encoded.
bool take_items(GraphContainer& container, PyObject* items, std::deque<GivenEdge>& edges) {
  const Ref sequence(PySequence_Fast(items, "expected pairs of a key and a value"));
  if (!sequence) return false;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(sequence.get()); ++i) {
    const Ref pair = Ref::borrowed(PySequence_Fast_GET_ITEM(sequence.get(), i));
    if (!PyTuple_Check(pair.get()) || PyTuple_GET_SIZE(pair.get()) != 2) {
      PyErr_SetString(PyExc_TypeError, "expected pairs of a key and a value");
      return false;
    }
    GivenEdge& edge = edges.emplace_back();
    if (!edge.take_key(container, PyTuple_GET_ITEM(pair.get(), 0)) ||
        !edge.take_record(container, PyTuple_GET_ITEM(pair.get(), 1)))
      return false;
  }
  return true;
}

}  // namespace

// _set_parallel(u, v, items): the edges of this pair are these, in a table. False if there is none.
PyObject* graph_set_parallel(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  return guarded_object([&]() -> PyObject* {
    GraphContainer* const container = usable(self);
    SoughtEdge ends;
    std::deque<GivenEdge> given;
    if (!check_count(count, 3) || !container || !ends.take(*container, args) ||
        !take_items(*container, args[2], given))
      return nullptr;
    std::vector<ParallelEdges::Edge> edges;
    for (const GivenEdge& one : given) edges.push_back(one.edge());
    const Container::Entered entered(*container);
    if (!ends.find(container->graph())) Py_RETURN_FALSE;
    return PyBool_FromLong(
        container->change([&](Graph& graph) { return graph.set_parallel(*ends.u, *ends.v, edges); }));
  });
}

// _put_parallel(u, v, key, value): whether it was added; None if there is no table.
PyObject* graph_put_parallel(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  return guarded_object([&]() -> PyObject* {
    GraphContainer* const container = usable(self);
    SoughtEdge ends;
    GivenEdge given;
    if (!check_count(count, 4) || !container || !ends.take(*container, args) ||
        !given.take_key(*container, args[2]) || !given.take_record(*container, args[3]))
      return nullptr;
    const Container::Entered entered(*container);
    if (!find_table(container->graph(), ends)) Py_RETURN_NONE;
    const auto old = container->graph().find_parallel(*ends.u, *ends.v, given.key.bytes());
    if (old && same_bytes(old->record, given.record.bytes())) Py_RETURN_FALSE;
    return PyBool_FromLong(
        container->change([&](Graph& graph) { return graph.put_parallel(*ends.u, *ends.v, given.edge()); }));
  });
}

// _remove_parallel(u, v, key): False if there is no such edge.
PyObject* graph_remove_parallel(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  return guarded_object([&]() -> PyObject* {
    GraphContainer* const container = usable(self);
    SoughtEdge ends;
    SoughtKey key;
    if (!check_count(count, 3) || !container || !ends.take(*container, args) ||
        !key.take(*container, args[2]))
      return nullptr;
    const Container::Entered entered(*container);
    if (!find_table(container->graph(), ends)) Py_RETURN_FALSE;
    return PyBool_FromLong(container->change(
        [&](Graph& graph) { return graph.remove_parallel(*ends.u, *ends.v, key.bytes.bytes()); }));
  });
}

// _key_bytes(key): equal ones of equal keys. By them the Python class keeps what it knows of parallel edges.
PyObject* graph_key_bytes(PyObject* self, PyObject* key) {
  return guarded_object([&]() -> PyObject* {
    GraphContainer* const container = usable(self);
    SoughtKey sought;
    if (!container || !sought.take(*container, key)) return nullptr;
    const Bytes bytes = sought.bytes.bytes();
    return PyBytes_FromStringAndSize(reinterpret_cast<const char*>(bytes.data()),
                                     static_cast<Py_ssize_t>(bytes.size()));
  });
}

// _parallel_value(u, v, key): the value, None for none; False if there is no such edge in a table.
PyObject* graph_parallel_value(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  return guarded_object([&]() -> PyObject* {
    GraphContainer* const container = usable(self);
    SoughtEdge ends;
    SoughtKey key;
    if (!check_count(count, 3) || !container || !ends.take(*container, args) ||
        !key.take(*container, args[2]))
      return nullptr;
    Copies copies;
    bool found = false;
    do {
      container->read([&] {
        copies.clear();
        const Graph& graph = container->graph();
        const auto edge =
            find_table(graph, ends) ? graph.find_parallel(*ends.u, *ends.v, key.bytes.bytes()) : std::nullopt;
        found = edge.has_value();
        if (found) copies.add(edge->record, container->live());
      });
    } while (copies.grow());
    if (!found) Py_RETURN_FALSE;
    if (copies.size() == 0) Py_RETURN_NONE;
    return container->codec().decode_value(copies.bytes());
  });
}

// _parallel_count(u, v): how many; None where no table has them.
PyObject* graph_parallel_count(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  return guarded_object([&]() -> PyObject* {
    GraphContainer* const container = usable(self);
    SoughtEdge ends;
    if (!check_count(count, 2) || !container || !ends.take(*container, args)) return nullptr;
    const auto found = container->read([&]() -> std::optional<emd::u32> {
      const Graph& graph = container->graph();
      const auto record = ends.find(graph) ? graph.edge_record(*ends.u, *ends.v) : std::nullopt;
      return record ? record->parallel : std::nullopt;
    });
    if (!found) Py_RETURN_NONE;
    return PyLong_FromUnsignedLong(*found);
  });
}

namespace {

// Keys and records, one behind the other.
struct TakenParallel {
  struct Item {
    std::size_t at, key, annex, record;
  };
  std::vector<u8> bytes;
  std::vector<Item> items;
  void clear() {
    bytes.clear();
    items.clear();
  }
  void add(const ParallelEdges::Edge& edge, bool with_record) {
    items.push_back({bytes.size(), edge.key.size(), edge.annex.size(), with_record ? edge.record.size() : 0});
    bytes.insert(bytes.end(), edge.key.begin(), edge.key.end());
    bytes.insert(bytes.end(), edge.annex.begin(), edge.annex.end());
    if (with_record) bytes.insert(bytes.end(), edge.record.begin(), edge.record.end());
  }
  bool full() const { return items.size() >= kEdgesAtOnce || bytes.size() >= kBytesAtOnce; }
};

// A new tuple of key and value; null with an error set.
PyObject* item_object(Codec& codec, const TakenParallel& taken, const TakenParallel::Item& item) {
  const Bytes all = Bytes(taken.bytes).subspan(item.at, item.key + item.annex + item.record);
  const Ref key(codec.decode_key(all.first(item.key), all.subspan(item.key, item.annex)));
  if (!key) return nullptr;
  const Bytes record = all.subspan(item.key + item.annex);
  const Ref value(record.empty() ? Py_NewRef(Py_None) : codec.decode_value(record));
  return value ? PyTuple_Pack(2, key.get(), value.get()) : nullptr;
}

}  // namespace

// _parallel_items(u, v, place, with_values): a list of pairs of key and value (None for none), those from this place on, or
// with -1 the last; and the place behind them. Nothing more where the list is empty.
PyObject* graph_parallel_items(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  return guarded_object([&]() -> PyObject* {
    GraphContainer* const container = usable(self);
    SoughtEdge ends;
    if (!check_count(count, 4) || !container || !ends.take(*container, args)) return nullptr;
    const long long place = PyLong_AsLongLong(args[2]);
    const int with_values = PyObject_IsTrue(args[3]);
    if ((place == -1 && PyErr_Occurred()) || with_values < 0) return nullptr;
    TakenParallel taken;
    const emd::u32 behind = container->read([&]() -> emd::u32 {
      taken.clear();
      const Graph& graph = container->graph();
      if (!find_table(graph, ends)) return 0;
      const emd::u32 from = place < 0 ? graph.last_parallel(*ends.u, *ends.v) : static_cast<emd::u32>(place);
      return graph.parallel_from(*ends.u, *ends.v, from, [&](const ParallelEdges::Edge& edge) {
        taken.add(edge, with_values != 0);
        return !taken.full();
      });
    });
    Ref list(PyList_New(static_cast<Py_ssize_t>(taken.items.size())));
    for (std::size_t i = 0; list && i < taken.items.size(); ++i) {
      PyObject* const item = item_object(container->codec(), taken, taken.items[i]);
      if (!item) return nullptr;
      PyList_SET_ITEM(list.get(), static_cast<Py_ssize_t>(i), item);
    }
    return list ? Py_BuildValue("NI", list.release(), behind) : nullptr;
  });
}

}  // namespace pyr
