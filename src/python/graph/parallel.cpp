// Calls on the parallel edges of a pair where a table has them: each by its key. See type.cpp.
#include <vector>

#include "python/graph/arguments.h"

namespace pyr {
namespace {

using emd::Graph;
using emd::ParallelEdges;

// Taken out of the graph at a time.
constexpr std::size_t kEdgesAtOnce = 256;
constexpr std::size_t kBytesAtOnce = std::size_t{1} << 20;

// Whether the ends are there, and their parallel edges are in a table.
bool find_table(const Graph& graph, SoughtEdge& ends) {
  if (!ends.find(graph)) return false;
  const auto found = graph.edge_record(*ends.u, *ends.v);
  return found && found->parallel;
}

// Keys and records, one behind the other.
struct ExtractedParallel {
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
PyObject* item_object(Codec& codec, const ExtractedParallel& extracted, const ExtractedParallel::Item& item) {
  const Bytes all = Bytes(extracted.bytes).subspan(item.at, item.key + item.annex + item.record);
  const OwnedRef key(codec.decode_key(all.first(item.key), all.subspan(item.key, item.annex)));
  if (!key) return nullptr;
  const Bytes record = all.subspan(item.key + item.annex);
  const OwnedRef value(record.empty() ? Py_NewRef(Py_None) : codec.decode_value(record));
  return value ? PyTuple_Pack(2, key.get(), value.get()) : nullptr;
}

}  // namespace

bool ParallelList::take(GraphContainer& container, PyObject* const* objects) {
  const OwnedRef sequence(PySequence_Fast(objects[0], "expected pairs of a key and a value"));
  if (!sequence) return false;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(sequence.get()); ++i) {
    const OwnedRef pair = OwnedRef::borrowed(PySequence_Fast_GET_ITEM(sequence.get(), i));
    if (!PyTuple_Check(pair.get()) || PyTuple_GET_SIZE(pair.get()) != 2) {
      PyErr_SetString(PyExc_TypeError, "expected pairs of a key and a value");
      return false;
    }
    if (!edges.emplace_back().take(container, PySequence_Fast_ITEMS(pair.get()))) return false;
  }
  return true;
}

// _set_parallel(u, v, items): the edges of this pair are these, in a table. False if there is none.
bool graph_set_parallel(GraphContainer& container, SoughtEdge& ends, const ParallelList& given) {
  std::vector<ParallelEdges::Edge> edges;
  for (const ParallelEdge& one : given.edges) edges.push_back(one.edge());
  const Container::EntryGuard entered(container);
  Graph& graph = container.graph();
  return ends.find(graph) && container.change([&] { return graph.set_parallel(*ends.u, *ends.v, edges); });
}

// _put_parallel(u, v, key, value): whether it was added; None if there is no table.
std::optional<bool> graph_put_parallel(GraphContainer& container, SoughtEdge& ends,
                                       const ParallelEdge& given) {
  const Container::EntryGuard entered(container);
  Graph& graph = container.graph();
  if (!find_table(graph, ends)) return std::nullopt;
  const auto old = graph.find_parallel(*ends.u, *ends.v, given.key.bytes());
  if (old && same_bytes(old->record, given.record.bytes())) return false;
  return container.change([&] { return graph.put_parallel(*ends.u, *ends.v, given.edge()); });
}

// _remove_parallel(u, v, key): False if there is no such edge.
bool graph_remove_parallel(GraphContainer& container, SoughtEdge& ends, const SoughtKey& key) {
  const Container::EntryGuard entered(container);
  Graph& graph = container.graph();
  return find_table(graph, ends) &&
         container.change([&] { return graph.remove_parallel(*ends.u, *ends.v, key.bytes()); });
}

// _parallel_value(u, v, key): the value, None for none; False if there is no such edge in a table.
PyObject* graph_parallel_value(GraphContainer& container, SoughtEdge& ends, const SoughtKey& key) {
  std::optional<OwnedRef> record = read_record(container, [&](const Graph& graph) -> std::optional<Bytes> {
    const auto edge =
        find_table(graph, ends) ? graph.find_parallel(*ends.u, *ends.v, key.bytes()) : std::nullopt;
    return edge ? std::optional(edge->record) : std::nullopt;
  });
  return record ? record->release() : Py_NewRef(Py_False);
}

// _parallel_count(u, v): how many; None where no table has them.
std::optional<emd::u32> graph_parallel_count(GraphContainer& container, SoughtEdge& ends) {
  return container.read([&]() -> std::optional<emd::u32> {
    const Graph& graph = container.graph();
    const auto record = ends.find(graph) ? graph.edge_record(*ends.u, *ends.v) : std::nullopt;
    return record ? record->parallel : std::nullopt;
  });
}

// _parallel_items(u, v, place, with_values): a list of pairs of key and value (None for none), those from this place
// on, or with -1 the last; and the place behind them. Nothing more where the list is empty.
PyObject* graph_parallel_items(GraphContainer& container, SoughtEdge& ends, Py_ssize_t place,
                               bool with_values) {
  ExtractedParallel extracted;
  const emd::u32 behind = container.read([&]() -> emd::u32 {
    extracted.clear();
    const Graph& graph = container.graph();
    if (!find_table(graph, ends)) return 0;
    const emd::u32 from = place < 0 ? graph.last_parallel(*ends.u, *ends.v) : static_cast<emd::u32>(place);
    return graph.parallel_from(*ends.u, *ends.v, from, [&](const ParallelEdges::Edge& edge) {
      extracted.add(edge, with_values);
      return !extracted.full();
    });
  });
  OwnedRef list(PyList_New(static_cast<Py_ssize_t>(extracted.items.size())));
  for (std::size_t i = 0; list && i < extracted.items.size(); ++i) {
    PyObject* const item = item_object(container.codec(), extracted, extracted.items[i]);
    if (!item) return nullptr;
    PyList_SET_ITEM(list.get(), static_cast<Py_ssize_t>(i), item);
  }
  return list ? Py_BuildValue("NI", list.release(), behind) : nullptr;
}

}  // namespace pyr
