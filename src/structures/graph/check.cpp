// The invariants of a graph.
#include <algorithm>

#include "base/errors.h"
#include "store/findings.h"
#include "structures/graph/graph.h"

namespace emd {

struct Graph::CheckState {
  explicit CheckState(Findings& found) : findings(found) {}
  Findings& findings;
  std::vector<HeapRef> references;  // of the heap's blocks, by rows, lists and the header
  std::vector<u32> neighbours;      // scratch
  u64 vertices = 0;
  u64 ends[2] = {};  // of edges, a loop of an undirected graph being two
  // Sums of a hash of each edge, as the lists of sources and those of targets name it: they are equal if the lists
  // agree.
  u64 named[2] = {};
};

namespace {
u64 print_of(u64 from, u64 to) {
  const u64 pair[2] = {from, to};
  return hash64({reinterpret_cast<const u8*>(pair), sizeof pair}, 0);
}
}  // namespace

void Graph::check(Findings& findings) const {
  if (!laid_out()) return;
  CheckState state(findings);
  try {
    // The header is a graph's, of the kind that this object knows, and the rows lie in the region.
    if (read_type() != type_)
      findings.push_back({"graph at 0", "the type is not what it was when it was opened"});
    if (id_bound() > (rows_region_.size() - kRowsAt) / sizeof(VertexRow)) {
      damaged("expected at most " + std::to_string((rows_region_.size() - kRowsAt) / sizeof(VertexRow)) +
              " rows, the header says " + std::to_string(id_bound()));
    }
    if (header().attributes != 0) state.references.push_back(HeapRef{header().attributes});
    Scan scan;
    for (auto id = next(0); id; id = next(static_cast<u64>(*id) + 1)) {
      reached(*id, scan);
      check_row(*id, state);
      if (is_full(findings)) {
        findings.push_back(list_ends("vertices"));
        return;
      }
    }
    check_totals(state);
  } catch (const Error& error) {
    findings.push_back({rows_region_.path(), error.what()});
  }
}

// A vertex is found by its key; its lists and attributes are sound.
void Graph::check_row(VertexId id, CheckState& state) const {
  state.findings.step();
  ++state.vertices;
  const VertexRow& row = live_row(id);
  const std::string where = "vertex " + std::to_string(static_cast<u64>(id));
  try {
    if (row.key_size == kKeyInHeap) state.references.push_back(HeapRef{load<u64>(row.key)});
    if (find(key_of(id).key) != id) state.findings.push_back({where, "expected to find it by its key"});
    if (row.attributes != 0) {
      heap_.read(HeapRef{row.attributes});
      state.references.push_back(HeapRef{row.attributes});
    }
    check_list(id, Side::successors, state);
    if (type_.directed) check_list(id, Side::predecessors, state);
    // The other list of an undirected graph's row is not used.
    const NeighbourRow& unused = row.lists[1];
    if (!type_.directed && (unused.block != 0 || unused.used != 0 || unused.degree != 0))
      state.findings.push_back({where, "expected no predecessors in a graph that is not directed"});
  } catch (const DamagedError& error) {
    state.findings.push_back({where, error.what()});
  }
}

// A list names living vertices, each once; as many as it says; a record only where it owns the edge (bytes of a typed
// one that are not zero).
void Graph::check_list(VertexId id, Side side, CheckState& state) const {
  const std::string where = "vertex " + std::to_string(static_cast<u64>(id));
  const List own = list(id, side);
  if (own.bytes != nullptr) state.references.push_back(own.block);
  if (own.table) state.references.push_back(own.table_block);
  state.neighbours.clear();
  for (u32 place = 0; place < own.used; ++place) {
    state.findings.step();
    const u32 number = own.ids()[place];
    const u64 record = own.record(place);
    if (record != 0) state.references.push_back(HeapRef{record & ~kParallelRecord});
    if ((record & kParallelRecord) != 0)
      parallel().check(HeapRef{record & ~kParallelRecord}, where, state.findings, state.references);
    const Bytes inside = own.inside(place);
    const bool recorded = std::any_of(inside.begin(), inside.end(), [](u8 byte) { return byte != 0; });
    if (number == kDeadNeighbour) {
      if (recorded) state.findings.push_back({where, "expected no record of a neighbour that was removed"});
      continue;
    }
    if (!alive(VertexId{number})) {
      state.findings.push_back({where, "expected living neighbours, found " + std::to_string(number)});
    }
    if (recorded && !owns(id, side, VertexId{number}))
      state.findings.push_back({where, "expected the record of an edge in the list of its owner only"});
    state.neighbours.push_back(number);
    const bool first = type_.directed ? side == Side::successors : static_cast<u32>(id) <= number;
    const u64 from = first ? static_cast<u64>(id) : number, to = first ? number : static_cast<u64>(id);
    const bool both = !type_.directed && from == to;
    for (unsigned end = 0; end < 2; ++end) {
      if (!both && end != (first ? 0u : 1u)) continue;
      ++state.ends[end];
      state.named[end] += print_of(from, to);
    }
  }
  if (state.neighbours.size() != own.degree) {
    state.findings.push_back({where, "expected " + std::to_string(own.degree) + " neighbours, found " +
                                         std::to_string(state.neighbours.size())});
  }
  if (own.table) check_table(where, own, state);
  std::sort(state.neighbours.begin(), state.neighbours.end());
  if (std::adjacent_find(state.neighbours.begin(), state.neighbours.end()) != state.neighbours.end())
    state.findings.push_back({where, "expected each neighbour once"});
}

// A hub's table holds each neighbour's place, where a search finds it, and nothing else.
void Graph::check_table(const std::string& where, const List& list, CheckState& state) const {
  u64 entries = 0;
  for (u64 slot = 0; slot < list.table.slot_count(); ++slot) {
    state.findings.step();
    entries += list.table.entry(slot) != 0;
  }
  if (entries != list.degree) {
    state.findings.push_back({where, "expected " + std::to_string(list.degree) +
                                         " places in the table, found " + std::to_string(entries)});
  }
  for (u32 place = 0; place < list.used; ++place) {
    state.findings.step();
    const u32 number = list.ids()[place];
    if (number == kDeadNeighbour || list.table.find(list.ids(), list.used, number) == place) continue;
    state.findings.push_back(
        {where, "expected to find neighbour " + std::to_string(number) + " by the table"});
    return;
  }
}

void Graph::check_totals(CheckState& state) const {
  // As many vertices live as the header says, and the index holds just as many entries.
  u64 entries = 0;
  index_.check(state.findings, [&](u64) { ++entries; });
  if (state.vertices != vertex_count() || entries != vertex_count()) {
    state.findings.push_back({"vertices", "expected " + std::to_string(vertex_count()) + ", found " +
                                              std::to_string(state.vertices) + " rows and " +
                                              std::to_string(entries) + " entries of the index"});
  }
  // Each edge lies in the lists of both its ends, and is counted.
  if (state.ends[0] != edge_count() || state.ends[1] != edge_count() || state.named[0] != state.named[1]) {
    state.findings.push_back({"edges", "expected " + std::to_string(edge_count()) +
                                           ", each in the lists of both ends, found " +
                                           std::to_string(state.ends[0]) + " and " +
                                           std::to_string(state.ends[1]) + ", or others"});
  }
  // Each live block of the heap belongs to one vertex, list or record, and each reference names a live block.
  std::vector<HeapRef> blocks;
  heap_.check(state.findings, &blocks);
  std::sort(state.references.begin(), state.references.end());
  if (state.references != blocks) {
    state.findings.push_back({"heap", "expected " + std::to_string(state.references.size()) +
                                          " blocks, each named once, found " + std::to_string(blocks.size()) +
                                          " in use, or others"});
  }
}

}  // namespace emd
