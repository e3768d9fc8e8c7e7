// Many edges at once: sorted by the lists that they go to, so that each list is grown once.
#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "base/check.h"
#include "structures/graph/graph.h"

namespace emd {

namespace {

constexpr unsigned kDigitBits = 11;
constexpr std::size_t kDigits = std::size_t{1} << kDigitBits;
// Fewer are sorted by comparing.
constexpr std::size_t kFewEntries = 2 * kDigits;
// Comparisons up to which neighbours of a list are looked for one by one.
constexpr u64 kFewComparisons = 1 << 12;

// By the vertex; those of one stay in their order. Least significant digit first, so that each pass is a stream.
template <class Entry>
void sort_by_vertex(std::vector<Entry>& entries, u64 bound) {
  if (entries.size() < kFewEntries) {
    const auto less = [](const Entry& a, const Entry& b) { return a.vertex < b.vertex; };
    std::stable_sort(entries.begin(), entries.end(), less);
    return;
  }
  const unsigned bits = static_cast<unsigned>(std::bit_width(bound));
  std::vector<Entry> other(entries.size());
  for (unsigned shift = 0; shift < bits; shift += kDigitBits) {
    const auto digit = [&](const Entry& entry) {
      return (static_cast<u64>(entry.vertex) >> shift) % kDigits;
    };
    std::array<u32, kDigits> place{};
    for (const Entry& entry : entries) ++place[digit(entry)];
    u32 before = 0;
    for (u32& count : place) before += std::exchange(count, before);
    for (const Entry& entry : entries) other[place[digit(entry)]++] = entry;
    entries.swap(other);
  }
}

// Calls f(vertex, its entries) for each vertex of sorted entries.
template <class Entry, class F>
void for_each_vertex(const std::vector<Entry>& entries, F&& f) {
  for (std::size_t begin = 0; begin < entries.size();) {
    std::size_t end = begin + 1;
    while (end < entries.size() && entries[end].vertex == entries[begin].vertex) ++end;
    f(entries[begin].vertex, std::span(entries).subspan(begin, end - begin));
    begin = end;
  }
}

}  // namespace

// Where neighbours are in a list, of which so many will be asked for.
class Graph::NeighbourFinder {
 public:
  NeighbourFinder(const List& list, u64 wanted) : list_(list) {
    if (list.table || wanted * list.used <= kFewComparisons) return;
    sorted_.reserve(list.used);
    for (u32 place = 0; place < list.used; ++place) sorted_.emplace_back(list.ids()[place], place);
    std::sort(sorted_.begin(), sorted_.end());
  }
  u32 operator[](VertexId neighbour) const {
    if (sorted_.empty()) return place_of(list_, neighbour);
    const auto at =
        std::lower_bound(sorted_.begin(), sorted_.end(), std::pair(static_cast<u32>(neighbour), 0u));
    return at != sorted_.end() && at->first == static_cast<u32>(neighbour) ? at->second : kNone;
  }

 private:
  const List& list_;
  std::vector<std::pair<u32, u32>> sorted_;
};

// Marks those edges, all of the list of `id`, whose neighbour is not in it and in none before them.
void Graph::mark_new(VertexId id, std::span<const NewNeighbour> entries, std::vector<bool>& is_new) const {
  const List own = list(id, Side::successors);
  const NeighbourFinder finder(own, entries.size());
  const auto known = [&](VertexId neighbour) { return own.used != 0 && finder[neighbour] != kNone; };
  if (entries.size() * entries.size() <= kFewComparisons) {
    for (std::size_t i = 0; i < entries.size(); ++i) {
      bool before = false;
      for (std::size_t j = 0; j < i; ++j) before |= entries[j].neighbour == entries[i].neighbour;
      is_new[entries[i].edge] = !before && !known(entries[i].neighbour);
    }
    return;
  }
  std::vector<std::pair<VertexId, u32>> sorted;
  sorted.reserve(entries.size());
  for (const NewNeighbour& entry : entries) sorted.emplace_back(entry.neighbour, entry.edge);
  std::sort(sorted.begin(), sorted.end());
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const auto [neighbour, edge] = sorted[i];
    is_new[edge] = (i == 0 || sorted[i - 1].first != neighbour) && !known(neighbour);
  }
}

// Precondition: make_room().
void Graph::push_all(VertexId id, Side side, std::span<const NewNeighbour> entries) {
  const List old = list(id, side);
  u8* const to = heap_.change(old.block, 4 * u64{old.used}, 4 * entries.size());
  for (u32 i = 0; i < entries.size(); ++i) {
    store(to + 4 * u64{i}, static_cast<u32>(entries[i].neighbour));
    note_place(old, old.used + i, static_cast<u32>(entries[i].neighbour));
  }
  clear_records(old, old.used, entries.size());
  NeighbourRow& row = change_list(id, side);
  row.used += static_cast<u32>(entries.size());
  row.degree += static_cast<u32>(entries.size());
}

// Changes the records of edges that are all in the list of `id`, which is attributed.
void Graph::mix_all(VertexId id, std::span<const NewNeighbour> entries, const EdgeRecords& records) {
  const List own = list(id, Side::successors);
  const NeighbourFinder finder(own, entries.size());
  for (const NewNeighbour& entry : entries) {
    const Bytes record = records.records.subspan(u64{own.width} * entry.edge, own.width);
    mix_record(own, finder[entry.neighbour], record, records.mask);
  }
}

// Edges that were given: by their owners, if that is wanted, and the new ones of them by both lists that they go to.
struct Graph::NewEdges {
  std::vector<NewNeighbour> owned;
  std::vector<NewNeighbour> lists[2];
  u64 count = 0;  // of the new ones
};

Graph::NewEdges Graph::sort_edges(std::span<const VertexId> from, std::span<const VertexId> to,
                                  bool keep_owned) const {
  NewEdges edges;
  edges.owned.resize(from.size());
  for (u32 i = 0; i < from.size(); ++i) {
    const auto [owner, other] = owner_first(from[i], to[i]);
    edges.owned[i] = {owner, other, i};
  }
  sort_by_vertex(edges.owned, id_bound());
  std::vector<bool> is_new(from.size());
  for_each_vertex(edges.owned, [&](VertexId id, auto entries) { mark_new(id, entries, is_new); });
  edges.count = static_cast<u64>(std::count(is_new.begin(), is_new.end(), true));
  auto& [forward, backward] = edges.lists;
  if (type_.directed) {
    forward = keep_owned ? edges.owned : std::exchange(edges.owned, {});
    std::erase_if(forward, [&](const NewNeighbour& entry) { return !is_new[entry.edge]; });
  } else if (!keep_owned) {
    edges.owned = {};
  }
  auto& other_ends = type_.directed ? backward : forward;
  other_ends.reserve(type_.directed ? edges.count : 2 * edges.count);
  for (u32 i = 0; i < from.size(); ++i) {
    if (!is_new[i]) continue;
    if (!type_.directed) other_ends.push_back({from[i], to[i], i});
    if (twice(from[i], to[i])) other_ends.push_back({to[i], from[i], i});
  }
  sort_by_vertex(other_ends, id_bound());
  return edges;
}

u64 Graph::add_edges(std::span<const VertexId> from, std::span<const VertexId> to,
                     const EdgeRecords& records) {
  const bool recorded = !records.mask.empty();
  EMD_CHECK(from.size() == to.size() && from.size() < kDeadNeighbour / 2);
  EMD_CHECK(!recorded || (typed() && records.mask.size() == type_.edge_bytes &&
                          records.records.size() == records.mask.size() * from.size()));
  const NewEdges edges = sort_edges(from, to, recorded);
  const auto each = [&](auto&& visit) {
    for (const Side side : {Side::successors, Side::predecessors}) {
      for_each_vertex(edges.lists[static_cast<unsigned>(side)],
                      [&](VertexId id, auto entries) { visit(id, side, entries); });
    }
  };
  // All that can fail, the room, comes before all that changes the graph.
  each([&](VertexId id, Side side, auto entries) {
    make_room(id, side, entries.size(), recorded && side == Side::successors);
  });
  for_each_vertex(edges.owned, [&](VertexId id, auto) { attributed_list(id); });
  each([&](VertexId id, Side side, auto entries) { push_all(id, side, entries); });
  for_each_vertex(edges.owned, [&](VertexId id, auto entries) { mix_all(id, entries, records); });
  change_header().edges += edges.count;
  return edges.count;
}

}  // namespace emd
