// The edges of a graph: lists of neighbours, and what refers to attribute records.
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/errors.h"
#include "structures/graph.h"

namespace emd {

// ---- Lists

Graph::List Graph::list(VertexId id, Side side) const {
  const NeighbourRow& row = live_row(id).lists[static_cast<unsigned>(actual(side))];
  const u64 word = load_once<u64>(&row.block);
  List list;
  list.used = load_once<u32>(&row.used);
  list.degree = load_once<u32>(&row.degree);
  list.attributed = (word & kAttributedList) != 0;
  list.block = HeapRef{word & ~kAttributedList};
  if (word != 0) {
    const Bytes bytes = heap_.read(list.block);
    list.bytes = bytes.data();
    list.capacity = capacity_of(bytes.size(), list.attributed);
  }
  if (list.used > list.capacity || list.degree > list.used) {
    damaged("expected at most " + std::to_string(list.capacity) + " neighbours of vertex " +
            std::to_string(static_cast<u64>(id)) + ", found " + std::to_string(list.used));
  }
  return list;
}

// Blocks of sixteen are compared without a branch between them, which the compiler makes a few vector instructions.
u32 Graph::place_of(const List& list, VertexId id) {
  constexpr u32 kBlock = 16;
  const u32 wanted = static_cast<u32>(id);
  const u32* const ids = list.ids();
  u32 place = 0;
  for (; place + kBlock <= list.used; place += kBlock) {
    u32 found = 0;
    for (u32 i = 0; i < kBlock; ++i) found |= static_cast<u32>(ids[place + i] == wanted);
    if (found != 0) break;
  }
  for (; place < list.used; ++place) {
    if (load_once<u32>(ids + place) == wanted) return place;
  }
  return kNone;
}

u32 Graph::place_in(VertexId id, Side side, VertexId neighbour) const {
  return place_of(list(id, side), neighbour);
}

// Gives a list another block, with room for `count` neighbours; those marked as removed are left out.
void Graph::move_list(VertexId id, Side side, const List& old, u64 count, bool attributed) {
  if (count >= kDeadNeighbour)
    throw SystemError(EFBIG, "a vertex has too many neighbours", heap_region_.path());
  const HeapRef block = heap_.allocate_room(bytes_for(count, attributed));
  const List from = list(id, side);  // what it points to may have moved
  const u64 capacity = capacity_of(heap_.read(block).size(), attributed);
  // Nothing fails from here on.
  u8* const to = heap_.change(block, 0, bytes_for(count, attributed));
  u32 used = 0;
  if (attributed) std::memset(to + 4 * capacity, 0, 8 * static_cast<u64>(old.degree));
  for (u32 place = 0; place < from.used; ++place) {
    if (from.ids()[place] == kDeadNeighbour) continue;
    store(to + 4 * u64{used}, from.ids()[place]);
    if (attributed) store(to + 4 * capacity + 8 * u64{used}, from.record(place));
    ++used;
  }
  NeighbourRow& row = change_list(id, side);
  row.block = static_cast<u64>(block) | (attributed ? kAttributedList : 0);
  row.used = row.degree = used;
  if (old.bytes != nullptr) heap_.free(old.block);
}

void Graph::make_room(VertexId id, Side side, u64 more) {
  const List old = list(id, side);
  if (more <= old.capacity - old.used) return;
  const bool wasteful = old.used - old.degree > old.used / 4;
  if (wasteful && more <= old.capacity - old.degree) return squeeze(id, side);
  move_list(id, side, old, old.degree + more, old.attributed);
}

// Precondition: make_room().
void Graph::push(VertexId id, Side side, VertexId neighbour) {
  const List old = list(id, side);
  store(heap_.change(old.block, 4 * u64{old.used}, 4), static_cast<u32>(neighbour));
  if (old.attributed) store<u64>(heap_.change(old.block, 4 * old.capacity + 8 * u64{old.used}, 8), 0);
  NeighbourRow& row = change_list(id, side);
  ++row.used;
  ++row.degree;
}

// Takes out, in place, what is marked as removed.
void Graph::squeeze(VertexId id, Side side) {
  const List old = list(id, side);
  u8* const ids = heap_.change(old.block, 0, 4 * u64{old.used});
  u8* const records = old.attributed ? heap_.change(old.block, 4 * old.capacity, 8 * u64{old.used}) : nullptr;
  u32 used = 0;
  for (u32 place = 0; place < old.used; ++place) {
    const u32 neighbour = load<u32>(ids + 4 * u64{place});
    if (neighbour == kDeadNeighbour) continue;
    store(ids + 4 * u64{used}, neighbour);
    if (records != nullptr) store(records + 8 * u64{used}, load<u64>(records + 8 * u64{place}));
    ++used;
  }
  NeighbourRow& row = change_list(id, side);
  row.used = row.degree = used;
}

// Removes a neighbour, and its record if the list has it. Precondition: it is there, and the record is sound.
void Graph::take_out(VertexId id, Side side, VertexId neighbour) {
  side = actual(side);
  const List old = list(id, side);
  const u32 place = place_of(old, neighbour);
  if (place == kNone) damaged("expected each neighbour of a vertex once");
  if (old.degree == 1) return drop_list(id, side);
  if (const u64 record = old.record(place)) heap_.free(HeapRef{record});
  const u32 behind = old.used - place - 1;
  if (behind <= kMostMoved) {
    u8* const ids = heap_.change(old.block, 4 * u64{place}, 4 * (u64{behind} + 1));
    std::memmove(ids, ids + 4, 4 * u64{behind});
    if (old.attributed) {
      u8* const records = heap_.change(old.block, 4 * old.capacity + 8 * u64{place}, 8 * (u64{behind} + 1));
      std::memmove(records, records + 8, 8 * u64{behind});
    }
    --change_list(id, side).used;
  } else {
    store(heap_.change(old.block, 4 * u64{place}, 4), kDeadNeighbour);
    if (old.attributed) store<u64>(heap_.change(old.block, 4 * old.capacity + 8 * u64{place}, 8), 0);
  }
  const u32 degree = --change_list(id, side).degree;
  if (list(id, side).used - degree > degree + kMostMoved) squeeze(id, side);
}

// Frees the block and the records that it refers to, which are sound, and gives the row an empty list.
void Graph::drop_list(VertexId id, Side side) {
  const List old = list(id, side);
  for (u32 place = 0; old.attributed && place < old.used; ++place) {
    if (const u64 record = old.record(place)) heap_.free(HeapRef{record});
  }
  if (old.bytes != nullptr) heap_.free(old.block);
  change_list(id, actual(side)) = {};
}

// All that removing the edges of a list will follow. Errors: DamagedError.
void Graph::require_edges(VertexId id, Side side) const {
  const Side other_side = side == Side::predecessors ? Side::successors : back();
  const List own = list(id, side);
  for (u32 place = 0; place < own.used; ++place) {
    const u32 number = load_once<u32>(own.ids() + place);
    if (number == kDeadNeighbour) continue;
    const List other = list(VertexId{number}, other_side);
    const u32 back_place = place_of(other, id);
    if (back_place == kNone) {
      damaged("expected vertex " + std::to_string(static_cast<u64>(id)) + " in the list of vertex " +
              std::to_string(number));
    }
    record(own.record(place));
    record(other.record(back_place));
  }
}

// ---- Edges

bool Graph::has_edge(VertexId from, VertexId to) const {
  const List successors = list(from, Side::successors);
  const List predecessors = list(to, back());
  return successors.used <= predecessors.used ? place_of(successors, to) != kNone
                                              : place_of(predecessors, from) != kNone;
}

bool Graph::add_edge(VertexId from, VertexId to) {
  if (has_edge(from, to)) return false;
  make_room(from, Side::successors);
  if (twice(from, to)) make_room(to, back());
  // Nothing fails from here on.
  push(from, Side::successors, to);
  if (twice(from, to)) push(to, back(), from);
  ++change_header().edges;
  return true;
}

bool Graph::remove_edge(VertexId from, VertexId to) {
  const List own = list(from, Side::successors);
  const u32 place = place_of(own, to);
  if (place == kNone) return false;
  record(own.record(place));
  if (twice(from, to)) {
    const List other = list(to, back());
    const u32 back_place = place_of(other, from);
    if (back_place == kNone) {
      damaged("expected vertex " + std::to_string(static_cast<u64>(from)) + " in the list of vertex " +
              std::to_string(static_cast<u64>(to)));
    }
    record(other.record(back_place));
  }
  // Nothing fails from here on.
  take_out(from, Side::successors, to);
  if (twice(from, to)) take_out(to, back(), from);
  --change_header().edges;
  return true;
}

// In one pass that reads all it will follow, and a second one that cannot fail.
void Graph::clear_edges() {
  const auto each = [&](auto&& visit) {
    for (auto id = next(0); id; id = next(static_cast<u64>(*id) + 1)) {
      visit(*id, Side::successors);
      if (type_.directed) visit(*id, Side::predecessors);
    }
  };
  each([&](VertexId id, Side side) {
    const List own = list(id, side);
    for (u32 place = 0; place < own.used; ++place) record(own.record(place));
  });
  // Nothing fails from here on.
  each([&](VertexId id, Side side) {
    if (degree(id, side) != 0) drop_list(id, side);
  });
  change_header().edges = 0;
}

// ---- Attributes

std::optional<Bytes> Graph::edge_attributes(VertexId from, VertexId to) const {
  const auto [owner, other] = owner_first(from, to);
  const List own = list(owner, Side::successors);
  if (!own.attributed) return has_edge(from, to) ? std::optional(Bytes{}) : std::nullopt;
  const u32 place = place_of(own, other);
  if (place == kNone) return std::nullopt;
  return record(own.record(place));
}

bool Graph::set_edge_attributes(VertexId from, VertexId to, Bytes bytes) {
  const auto [owner, other] = owner_first(from, to);
  List own = list(owner, Side::successors);
  u32 place = place_of(own, other);
  if (place == kNone) return false;
  if (!own.attributed) {
    if (bytes.empty()) return true;
    move_list(owner, Side::successors, own, own.degree, true);
    own = list(owner, Side::successors);
    place = place_of(own, other);
  }
  const u64 old = own.record(place);
  const u64 fresh = replace_record(old, bytes);
  if (fresh == old) return true;
  store(heap_.change(own.block, 4 * own.capacity + 8 * u64{place}, 8), fresh);
  if (old != 0) heap_.free(HeapRef{old});
  return true;
}

// ---- Lists that are written whole

bool Graph::owns(VertexId id, Side side, VertexId neighbour) const {
  return type_.directed ? side == Side::successors : id <= neighbour;
}

void Graph::set_list(VertexId id, Side side, std::span<const VertexId> neighbours,
                     std::span<const Bytes> records) {
  EMD_CHECK(records.empty() || records.size() == neighbours.size());
  if (neighbours.empty()) return;
  const List old = list(id, side);
  EMD_CHECK(old.degree == 0);
  const bool attributed = std::any_of(records.begin(), records.end(), [](Bytes b) { return !b.empty(); });
  std::vector<u64> references(attributed ? records.size() : 0);
  for (std::size_t i = 0; i < references.size(); ++i) references[i] = replace_record(0, records[i]);
  move_list(id, side, old, neighbours.size(), attributed);
  const List own = list(id, side);
  std::memcpy(heap_.change(own.block, 0, 4 * neighbours.size()), neighbours.data(), 4 * neighbours.size());
  if (attributed) {
    std::memcpy(heap_.change(own.block, 4 * own.capacity, 8 * references.size()), references.data(),
                8 * references.size());
  }
  NeighbourRow& row = change_list(id, actual(side));
  row.used = row.degree = static_cast<u32>(neighbours.size());
}

void Graph::note_edges(u64 count) { change_header().edges += count; }

}  // namespace emd
