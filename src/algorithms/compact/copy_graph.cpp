// Compaction of a graph: its vertices get new numbers in a first pass; a second one follows the lists of neighbours,
// and translates the numbers in them.
#include "algorithms/compact/copy.h"

#include <optional>
#include <utility>
#include <vector>

#include "base/errors.h"

namespace emd {
namespace {

constexpr std::size_t kVerticesAtOnce = 512;
constexpr VertexId kNoVertex{~u32{0}};

// Vertices taken out of a graph in one read: keys, annexes, attributes.
struct Vertices {
  std::vector<std::vector<u8>> keys, annexes, attributes;
  std::vector<VertexId> ids;
};

std::vector<u8> copied(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

Vertices vertices_from(const Graph& graph, u64 from) {
  Vertices batch;
  for (auto id = graph.next(from); id && batch.ids.size() < kVerticesAtOnce;
       id = graph.next(static_cast<u64>(*id) + 1)) {
    const Graph::Key key = graph.key_of(*id);
    batch.ids.push_back(*id);
    batch.keys.push_back(copied(key.key));
    batch.annexes.push_back(copied(key.annex));
    batch.attributes.push_back(copied(graph.vertex_attributes(*id)));
  }
  return batch;
}

// The neighbours of a vertex on one side, and the records of the edges that this list owns.
struct ParallelEdge {
  std::vector<u8> key, annex, record;
};
struct Neighbours {
  std::vector<VertexId> ids;
  std::vector<std::vector<u8>> records;
  std::vector<std::vector<ParallelEdge>> parallel;  // those of a table; of most none
};

Neighbours neighbours_of(const Graph& graph, VertexId id, Side side) {
  Neighbours found;
  graph.owned_edges(id, side, [&](VertexId other, const Graph::EdgeRecord& record) {
    found.ids.push_back(other);
    found.records.push_back(copied(record.bytes));
    found.parallel.emplace_back();
    if (!record.parallel) return;
    graph.parallel_from(id, other, 0, [&](const ParallelEdges::Edge& edge) {
      found.parallel.back().push_back({copied(edge.key), copied(edge.annex), copied(edge.record)});
      return true;
    });
  });
  return found;
}

// In `copy`, whose ids are those of `now` by the old ones.
void put_neighbours(Graph& copy, const std::vector<VertexId>& now, VertexId id, Side side, Neighbours found) {
  for (VertexId& other : found.ids) {
    const u64 old = static_cast<u64>(other);
    if (old >= now.size() || now[old] == kNoVertex)
      throw DamagedError("graph: expected a vertex, found the number " + std::to_string(old));
    other = now[old];
  }
  const std::vector<Bytes> records(found.records.begin(), found.records.end());
  const VertexId own = now[static_cast<u64>(id)];
  copy.set_list(own, side, found.ids, records);
  for (std::size_t i = 0; i < found.ids.size(); ++i) {
    std::vector<ParallelEdges::Edge> edges;
    for (const ParallelEdge& edge : found.parallel[i]) edges.push_back({edge.key, edge.annex, edge.record});
    if (!edges.empty()) copy.set_parallel(own, found.ids[i], edges);
  }
}

// The vertices, with the ids that they get, by those that they have.
std::vector<VertexId> copy_vertices(Store& from_store, Member& from, const Graph& source, Store& to_store,
                                    Graph& copy) {
  std::vector<VertexId> now;
  for (u64 next = 0;;) {
    const Vertices batch = from_store.read_consistent(from, [&] { return vertices_from(source, next); });
    if (batch.ids.empty()) return now;
    const Operation operation(to_store);
    for (std::size_t i = 0; i < batch.ids.size(); ++i) {
      next = static_cast<u64>(batch.ids[i]) + 1;
      now.resize(next, kNoVertex);
      const auto [id, is_new] = copy.add_vertex(batch.keys[i], batch.annexes[i]);
      if (!is_new) {
        throw DamagedError(
            from_store.path() + ": row " + std::to_string(next - 1) +
                " is a second vertex of one key; run verify(), and restore the store from a backup",
            from_store.path());
      }
      now.back() = id;
      if (!batch.attributes[i].empty()) copy.set_vertex_attributes(now.back(), batch.attributes[i]);
    }
  }
}

}  // namespace

void copy_content(Of<Graph>, const Copying& copying) {
  auto& [from_store, from, to_store, to, count] = copying;
  std::optional<Graph> source;
  from_store.read_consistent(from, [&] { source.emplace(from_store, from); });
  Graph copy(to_store, to);
  const std::vector<u8> attributes =
      from_store.read_consistent(from, [&] { return copied(source->attributes()); });
  {
    const Operation operation(to_store);
    copy.lay_out(source->type());
    copy.set_attributes(attributes);
  }
  const std::vector<VertexId> now = copy_vertices(from_store, from, *source, to_store, copy);
  for (std::optional<VertexId> id;; count.add(1)) {
    id = from_store.read_consistent(from, [&] { return source->next(id ? static_cast<u64>(*id) + 1 : 0); });
    if (!id) break;
    for (const Side side : {Side::successors, Side::predecessors}) {
      if (side == Side::predecessors && !source->type().directed) continue;
      Neighbours found = from_store.read_consistent(from, [&] { return neighbours_of(*source, *id, side); });
      const Operation operation(to_store);
      put_neighbours(copy, now, *id, side, std::move(found));
    }
  }
  const Operation operation(to_store);
  copy.note_edges(from_store.read_consistent(from, [&] { return source->edge_count(); }));
}

}  // namespace emd
