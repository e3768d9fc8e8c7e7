// Many edges at once: sorted by the lists that they go to, so that each list is grown once.
#include <algorithm>
#include <numeric>
#include <utility>

#include "base/check.h"
#include "structures/graph.h"

namespace emd {

namespace {

// Counting places of ids costs memory for each id, so for few edges of many vertices they are compared.
constexpr u64 kIdsAnEdge = 8;
// Comparisons up to which new neighbours are looked for one by one.
constexpr u64 kFewComparisons = 1 << 12;

// The places of `ids`, in the order of the ids, and of equal ids in their own.
std::vector<u32> grouped(std::span<const VertexId> ids, u64 bound) {
  std::vector<u32> places(ids.size());
  if (bound > kIdsAnEdge * ids.size()) {
    std::iota(places.begin(), places.end(), 0);
    std::stable_sort(places.begin(), places.end(), [&](u32 a, u32 b) { return ids[a] < ids[b]; });
    return places;
  }
  std::vector<u32> begin(bound + 1);
  for (const VertexId id : ids) ++begin[static_cast<u64>(id) + 1];
  std::partial_sum(begin.begin(), begin.end(), begin.begin());
  for (u32 place = 0; place < ids.size(); ++place) places[begin[static_cast<u64>(ids[place])]++] = place;
  return places;
}

// Calls f(id, places) for each group of equal ids.
template <class F>
void for_each_group(std::span<const VertexId> ids, std::span<const u32> places, F&& f) {
  for (std::size_t begin = 0; begin < places.size();) {
    std::size_t end = begin + 1;
    while (end < places.size() && ids[places[end]] == ids[places[begin]]) ++end;
    f(ids[places[begin]], places.subspan(begin, end - begin));
    begin = end;
  }
}

// Ends of edges as lists take them: neighbour[i] goes to the list of vertex[i].
struct Entries {
  std::vector<VertexId> vertex, neighbour;
  void add(VertexId to, VertexId what) {
    vertex.push_back(to);
    neighbour.push_back(what);
  }
};

}  // namespace

// Marks of the edges `places`, all of the list of `id`, those whose neighbour is not in it and in none before them.
void Graph::mark_new(VertexId id, std::span<const u32> places, std::span<const VertexId> neighbours,
                     std::vector<bool>& is_new) const {
  const List own = list(id, Side::successors);
  if (places.size() * (own.used + places.size()) <= kFewComparisons) {
    for (std::size_t i = 0; i < places.size(); ++i) {
      const VertexId other = neighbours[places[i]];
      const auto same = [&](u32 place) { return neighbours[place] == other; };
      const auto here = places.begin() + static_cast<std::ptrdiff_t>(i);
      is_new[places[i]] = place_of(own, other) == kNone && std::none_of(places.begin(), here, same);
    }
    return;
  }
  std::vector<u32> known(own.ids(), own.ids() + own.used);
  std::sort(known.begin(), known.end());
  std::vector<std::pair<VertexId, u32>> wanted;
  for (const u32 place : places) wanted.emplace_back(neighbours[place], place);
  std::sort(wanted.begin(), wanted.end());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const bool first = i == 0 || wanted[i].first != wanted[i - 1].first;
    is_new[wanted[i].second] =
        first && !std::binary_search(known.begin(), known.end(), static_cast<u32>(wanted[i].first));
  }
}

void Graph::push_all(VertexId id, Side side, std::span<const u32> places,
                     std::span<const VertexId> neighbours) {
  const List old = list(id, side);
  u8* to = heap_.change(old.block, 4 * u64{old.used}, 4 * places.size());
  for (const u32 place : places) {
    store(to, static_cast<u32>(neighbours[place]));
    to += 4;
  }
  if (old.attributed) {
    u8* const records = heap_.change(old.block, 4 * old.capacity + 8 * u64{old.used}, 8 * places.size());
    std::fill_n(records, 8 * places.size(), u8{0});
  }
  NeighbourRow& row = change_list(id, side);
  row.used += static_cast<u32>(places.size());
  row.degree += static_cast<u32>(places.size());
}

u64 Graph::add_edges(std::span<const VertexId> from, std::span<const VertexId> to) {
  EMD_CHECK(from.size() == to.size() && from.size() < kDeadNeighbour / 2);
  Entries owned;
  for (std::size_t i = 0; i < from.size(); ++i) {
    const auto [owner, other] = owner_first(from[i], to[i]);
    owned.add(owner, other);
  }
  std::vector<bool> is_new(from.size());
  for_each_group(
      owned.vertex, grouped(owned.vertex, id_bound()),
      [&](VertexId id, std::span<const u32> places) { mark_new(id, places, owned.neighbour, is_new); });
  owned = {};
  Entries entries[2];
  const unsigned second = static_cast<unsigned>(back());
  u64 added = 0;
  for (std::size_t i = 0; i < from.size(); ++i) {
    if (!is_new[i]) continue;
    ++added;
    entries[0].add(from[i], to[i]);
    if (twice(from[i], to[i])) entries[second].add(to[i], from[i]);
  }
  // All that can fail, the room, comes before all that changes the graph.
  std::vector<u32> places[2];
  for (const Side side : {Side::successors, Side::predecessors}) {
    const unsigned s = static_cast<unsigned>(side);
    places[s] = grouped(entries[s].vertex, entries[s].vertex.empty() ? 0 : id_bound());
    for_each_group(entries[s].vertex, places[s],
                   [&](VertexId id, std::span<const u32> group) { make_room(id, side, group.size()); });
  }
  for (const Side side : {Side::successors, Side::predecessors}) {
    const unsigned s = static_cast<unsigned>(side);
    for_each_group(entries[s].vertex, places[s], [&](VertexId id, std::span<const u32> group) {
      push_all(id, side, group, entries[s].neighbour);
    });
  }
  change_header().edges += added;
  return added;
}

}  // namespace emd
