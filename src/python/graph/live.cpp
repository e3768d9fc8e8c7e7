// The numbers by which the Python class keeps dicts of live attributes, and when they have become others: a compaction
// gives vertices other numbers, a rollback may give the numbers of new ones to others. Whoever looks for a number finds
// that out here, in the same read, so that nothing depends on anybody having been told.
#include "python/graph/arguments.h"

namespace pyr {

GraphContainer::Noted GraphContainer::note_removal() {
  const auto& outcome = handle().outcome();
  const bool same = removed_in_ == outcome;
  removed_in_ = outcome;
  if (!outcome) return Noted::no_transaction;
  return same ? Noted::same : Noted::another;
}

namespace {

// A number for a vertex: negative, those of edges are not.
std::optional<i64> vertex_number(std::optional<emd::VertexId> id) {
  return id ? std::optional(-1 - static_cast<i64>(*id)) : std::nullopt;
}

std::optional<u64> edge_number(const emd::Graph& graph, SoughtEdge& edge) {
  if (!edge.find(graph) || !graph.has_edge(*edge.u, *edge.v)) return std::nullopt;
  return place_number(graph, *edge.u, *edge.v);
}

}  // namespace

// _vertex_place(node), _edge_place(u, v): the number by which live attributes are kept now; None if there is none.
std::optional<i64> graph_vertex_place(GraphContainer& container, const SoughtKey& sought) {
  std::optional<emd::VertexId> id;
  read_as_shown(container, [&] { id = sought.in(container.graph()); });
  return vertex_number(id);
}

std::optional<u64> graph_edge_place(GraphContainer& container, SoughtEdge& edge) {
  std::optional<u64> number;
  read_as_shown(container, [&] { number = edge_number(container.graph(), edge); });
  return number;
}

// _vertex_at(node), _edge_at(u, v): the same for _show_anew(), while what is shown is of another state.
std::optional<i64> graph_vertex_at(GraphContainer& container, const SoughtKey& sought) {
  return vertex_number(container.read([&] { return sought.in(container.graph()); }));
}

std::optional<u64> graph_edge_at(GraphContainer& container, SoughtEdge& edge) {
  return container.read([&] { return edge_number(container.graph(), edge); });
}

// _begin_showing(): the present state as two numbers; whether a transaction was rolled back since the last
// _end_showing(); and what has become of the one in which something was last removed: 0 it is over (or there is none),
// 1 it is on, 2 it was rolled back.
PyObject* graph_begin_showing(GraphContainer& container) {
  GraphContainer::Seen seen;
  int removal = 0;
  bool rolled_back = false;
  container.read([&] {
    seen = container.seen();
    removal = container.removal_state();
    const auto& last = container.last_shown();
    rolled_back = last && last->rollbacks != seen.rollbacks;
  });
  return Py_BuildValue("KKNi", static_cast<unsigned long long>(seen.state),
                       static_cast<unsigned long long>(seen.rollbacks), PyBool_FromLong(rolled_back),
                       removal);
}

// _end_showing(state, rollbacks): live attributes are of that state.
void graph_end_showing(GraphContainer& container, u64 state, u64 rollbacks) {
  const Container::EntryGuard entered(container);
  container.set_shown({state, rollbacks});
}

// _note_removal(): 0 outside of a transaction, 1 in another one than at the last call, 2 in the same.
emd::u32 graph_note_removal(GraphContainer& container) {
  const Container::EntryGuard entered(container);
  return static_cast<emd::u32>(container.note_removal());
}

// _seen(): a number that changes when the graph has changed without a call: a transaction was rolled back, or a writer
// in another process has committed. What was derived from the graph before may then be wrong.
u64 graph_seen(GraphContainer& container) {
  return container.read([&] {
    return container.store().read_only() ? container.store().changes() : container.handle().rollbacks();
  });
}

}  // namespace pyr
