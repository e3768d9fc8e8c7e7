// The edges of a graph: lists of neighbours, and what refers to attribute records.
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/errors.h"
#include "structures/graph/graph.h"

namespace emd {

// ---- Lists

Graph::List Graph::list(VertexId id, Side side) const {
  const NeighbourRow& row = live_row(id).lists[static_cast<unsigned>(actual(side))];
  const u64 word = load_once<u64>(&row.block);
  List list;
  list.used = load_once<u32>(&row.used);
  list.degree = load_once<u32>(&row.degree);
  list.width = width_of((word & kAttributedList) != 0);
  list.refers = list.width != 0 && !typed();
  list.block = HeapRef{word & ~(kAttributedList | kIndexedList)};
  if (word != 0) {
    const Bytes bytes = heap_.read(list.block);
    const bool indexed = (word & kIndexedList) != 0;
    if (bytes.size() < reference_bytes(indexed))
      damaged("expected a list with a table, found a shorter block");
    list.bytes = bytes.data();
    list.capacity = capacity_of(bytes.size() - reference_bytes(indexed), list.width);
    if (indexed) open_table(list, bytes);
  }
  if (list.used > list.capacity || list.degree > list.used) {
    damaged("expected at most " + std::to_string(list.capacity) + " neighbours of vertex " +
            std::to_string(static_cast<u64>(id)) + ", found " + std::to_string(list.used));
  }
  return list;
}

void Graph::open_table(List& list, Bytes block) const {
  list.table_block = HeapRef{load_once<u64>(block.data() + block.size() - sizeof(u64))};
  list.table = NeighbourTable(heap_.read(list.table_block), seed_);
  if (list.table.slot_count() <= list.capacity) {
    damaged("expected a table of more than " + std::to_string(list.capacity) + " slots, found " +
            std::to_string(list.table.slot_count()));
  }
}

// Blocks of sixteen are compared without a branch between them, which the compiler makes a few vector instructions.
u32 Graph::place_of(const List& list, VertexId id) {
  constexpr u32 kBlock = 16;
  const u32 wanted = static_cast<u32>(id);
  const u32* const ids = list.ids();
  if (list.table) return list.table.find(ids, list.used, wanted);
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

// For a list of this capacity; if there is no space for it, its block is freed again.
HeapRef Graph::allocate_table(HeapRef block, u64 capacity) {
  try {
    return heap_.allocate_room(NeighbourTable::bytes_for(capacity));
  } catch (...) {
    heap_.free(block);
    throw;
  }
}

// Gives a list another block, with room for `count` neighbours; those marked as removed are left out.
void Graph::move_list(VertexId id, Side side, const List& old, u64 count, bool attributed) {
  if (count >= kDeadNeighbour)
    throw SystemError(EFBIG, "a vertex has too many neighbours", heap_region_.path());
  const auto dead = std::count(old.ids(), old.ids() + old.used, kDeadNeighbour);
  if (old.used - static_cast<u64>(dead) != old.degree)
    damaged("expected " + std::to_string(old.degree) + " neighbours in a list, found another number");
  const u32 width = width_of(attributed);
  const bool indexed = count >= hub_degree_;
  const HeapRef block = heap_.allocate_room(bytes_for(count, width) + reference_bytes(indexed));
  const u64 room = heap_.read(block).size() - reference_bytes(indexed);
  const u64 capacity = capacity_of(room, width);
  const HeapRef table = indexed ? allocate_table(block, capacity) : HeapRef{};
  const List from = list(id, side);  // what it points to may have moved
  // Nothing fails from here on.
  u8* const to = heap_.change(block, 0, room + reference_bytes(indexed));
  u8* const records = to + 4 * capacity;
  u32 used = 0;
  for (u32 place = 0; place < from.used; ++place) {
    if (from.ids()[place] == kDeadNeighbour) continue;
    store(to + 4 * u64{used}, from.ids()[place]);
    if (from.width != 0) std::memcpy(records + u64{width} * used, from.inside(place).data(), width);
    ++used;
  }
  if (from.width == 0) std::memset(records, 0, u64{width} * used);
  if (indexed) store(to + room, static_cast<u64>(table));
  NeighbourRow& row = change_list(id, side);
  row.block = static_cast<u64>(block) | (attributed ? kAttributedList : 0) | (indexed ? kIndexedList : 0);
  row.used = row.degree = used;
  if (old.bytes != nullptr) heap_.free(old.block);
  if (old.table) heap_.free(old.table_block);
  note_places(list(id, side));
}

// Enters a neighbour into the list's table, if it has one.
void Graph::note_place(const List& list, u32 place, u32 neighbour) {
  if (!list.table) return;
  store(heap_.change(list.table_block, 4 * list.table.slot_for(neighbour), 4), place + 1);
}

// Enters all neighbours, and only them.
void Graph::note_places(const List& list) {
  if (!list.table) return;
  const u64 bytes = 4 * list.table.slot_count();
  std::memset(heap_.change(list.table_block, 0, bytes), 0, bytes);
  for (u32 place = 0; place < list.used; ++place) {
    if (list.ids()[place] != kDeadNeighbour) note_place(list, place, list.ids()[place]);
  }
}

void Graph::make_room(VertexId id, Side side, u64 more, bool attributed) {
  const List old = list(id, side);
  const bool widens = attributed && old.width == 0;
  if (!widens && more <= old.capacity - old.used) return;
  const bool wasteful = old.used - old.degree > old.used / 4;
  if (!widens && wasteful && more <= old.capacity - old.degree) return squeeze(id, side);
  move_list(id, side, old, old.degree + more, attributed || old.width != 0);
}

// Precondition: make_room().
void Graph::push(VertexId id, Side side, VertexId neighbour) {
  const List old = list(id, side);
  store(heap_.change(old.block, 4 * u64{old.used}, 4), static_cast<u32>(neighbour));
  note_place(old, old.used, static_cast<u32>(neighbour));
  clear_records(old, old.used, 1);
  NeighbourRow& row = change_list(id, side);
  ++row.used;
  ++row.degree;
}

// Gives places of an attributed list empty records.
void Graph::clear_records(const List& list, u32 place, u64 count) {
  if (list.width == 0) return;
  const u64 bytes = list.width * count;
  std::memset(heap_.change(list.block, list.record_at(place), bytes), 0, bytes);
}

// Takes out, in place, what is marked as removed.
void Graph::squeeze(VertexId id, Side side) {
  const List old = list(id, side);
  u8* const ids = heap_.change(old.block, 0, 4 * u64{old.used});
  const u64 width = old.width;
  u8* const records = width != 0 ? heap_.change(old.block, old.record_at(0), width * old.used) : nullptr;
  u32 used = 0;
  for (u32 place = 0; place < old.used; ++place) {
    const u32 neighbour = load<u32>(ids + 4 * u64{place});
    if (neighbour == kDeadNeighbour) continue;
    store(ids + 4 * u64{used}, neighbour);
    if (records != nullptr) std::memmove(records + width * used, records + width * place, width);
    ++used;
  }
  NeighbourRow& row = change_list(id, side);
  row.used = row.degree = used;
  note_places(list(id, side));
}

// Removes a neighbour, and its record if the list has it. Precondition: it is there, and the record is sound.
void Graph::take_out(VertexId id, Side side, VertexId neighbour) {
  side = actual(side);
  const List old = list(id, side);
  const u32 place = place_of(old, neighbour);
  if (place == kNone) damaged("expected each neighbour of a vertex once");
  if (old.degree == 1) return drop_list(id, side);
  free_record(old.record(place));
  const auto write = [&](u64 slot, u32 entry) { store(heap_.change(old.table_block, 4 * slot, 4), entry); };
  if (old.table && !old.table.erase(old.ids(), old.used, static_cast<u32>(neighbour), write))
    damaged("expected each neighbour of a vertex in its table");
  const u32 behind = old.used - place - 1;
  if (behind <= (old.table ? 0 : kMostMoved)) {
    u8* const ids = heap_.change(old.block, 4 * u64{place}, 4 * (u64{behind} + 1));
    std::memmove(ids, ids + 4, 4 * u64{behind});
    if (const u64 width = old.width; width != 0) {
      u8* const records = heap_.change(old.block, old.record_at(place), width * (u64{behind} + 1));
      std::memmove(records, records + width, width * behind);
    }
    --change_list(id, side).used;
  } else {
    store(heap_.change(old.block, 4 * u64{place}, 4), kDeadNeighbour);
    clear_records(old, place, 1);
  }
  const u32 degree = --change_list(id, side).degree;
  if (list(id, side).used - degree > degree + kMostMoved) squeeze(id, side);
}

// Frees the block and the records that it refers to, which are sound, and gives the row an empty list.
void Graph::drop_list(VertexId id, Side side) {
  const List old = list(id, side);
  for (u32 place = 0; old.refers && place < old.used; ++place) {
    free_record(old.record(place));
  }
  if (old.bytes != nullptr) heap_.free(old.block);
  if (old.table) heap_.free(old.table_block);
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
    require_record(own.record(place));
    require_record(other.record(back_place));
  }
}

// ---- Edges

bool Graph::has_edge(VertexId from, VertexId to) const {
  const List successors = list(from, Side::successors);
  const List predecessors = list(to, back());
  return effort_of(successors) <= effort_of(predecessors) ? place_of(successors, to) != kNone
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
  require_record(own.record(place));
  if (twice(from, to)) {
    const List other = list(to, back());
    const u32 back_place = place_of(other, from);
    if (back_place == kNone) {
      damaged("expected vertex " + std::to_string(static_cast<u64>(from)) + " in the list of vertex " +
              std::to_string(static_cast<u64>(to)));
    }
    require_record(other.record(back_place));
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
    for (u32 place = 0; place < own.used; ++place) require_record(own.record(place));
  });
  // Nothing fails from here on.
  each([&](VertexId id, Side side) {
    if (degree(id, side) != 0) drop_list(id, side);
  });
  change_header().edges = 0;
}

// ---- Attributes

bool Graph::is_nothing(Bytes record) const {
  if (!typed()) return record.empty();
  return std::all_of(record.begin(), record.end(), [](u8 byte) { return byte == 0; });
}

// Of the edge that is there in its owner's list.
Graph::EdgeRecord Graph::attributes_at(const List& list, u32 place) const {
  static constexpr u8 kNothing[kMaxEdgeBytes] = {};
  if (list.width == 0) return {{kNothing, type_.edge_bytes}};
  if (!list.refers) return {list.inside(place)};
  const u64 word = list.record(place);
  if (__builtin_expect((word & kParallelRecord) != 0, 0))
    return {{}, parallel().count(HeapRef{word & ~kParallelRecord})};
  return {record(word)};
}

std::optional<Graph::EdgeRecord> Graph::edge_record(VertexId from, VertexId to) const {
  const auto [owner, other] = owner_first(from, to);
  const List own = list(owner, Side::successors);
  if (own.width == 0) return has_edge(from, to) ? std::optional(attributes_at(own, 0)) : std::nullopt;
  const u32 place = place_of(own, other);
  if (place == kNone) return std::nullopt;
  return attributes_at(own, place);
}

// The owner's list, which has room for attributes then.
Graph::List Graph::attributed_list(VertexId owner) {
  make_room(owner, Side::successors, 0, true);
  return list(owner, Side::successors);
}

void Graph::mix_record(const List& list, u32 place, Bytes bytes, Bytes mask) {
  u8* const to = heap_.change(list.block, list.record_at(place), list.width);
  for (u32 i = 0; i < list.width; ++i) to[i] = static_cast<u8>((to[i] & ~mask[i]) | (bytes[i] & mask[i]));
}

Graph::EdgeRecord Graph::record_of_owner(VertexId owner, VertexId other) const {
  if (const auto record = edge_record(owner, other)) return *record;
  damaged("vertex " + std::to_string(static_cast<u64>(other)) + " has an edge with vertex " +
          std::to_string(static_cast<u64>(owner)) + " that this one does not have");
}

bool Graph::change_edge_record(VertexId from, VertexId to, const EdgeRecords& record) {
  EMD_CHECK(typed() && record.records.size() == type_.edge_bytes && record.mask.size() == type_.edge_bytes);
  const auto [owner, other] = owner_first(from, to);
  if (place_of(list(owner, Side::successors), other) == kNone) return false;
  const List own = attributed_list(owner);
  mix_record(own, place_of(own, other), record.records, record.mask);
  return true;
}

bool Graph::set_edge_attributes(VertexId from, VertexId to, Bytes bytes) {
  EMD_CHECK(!typed() || bytes.size() == type_.edge_bytes);
  const auto [owner, other] = owner_first(from, to);
  List own = list(owner, Side::successors);
  if (place_of(own, other) == kNone) return false;
  if (own.width == 0 && is_nothing(bytes)) return true;
  own = attributed_list(owner);
  const u32 place = place_of(own, other);
  if (typed()) {
    std::memcpy(heap_.change(own.block, own.record_at(place), own.width), bytes.data(), own.width);
    return true;
  }
  const u64 old = own.record(place);
  if ((old & kParallelRecord) != 0) {
    require_record(old);
    replace_word(owner, place, replace_record(0, bytes));
    return true;
  }
  const u64 fresh = replace_record(old, bytes);
  if (fresh == old) return true;
  store(heap_.change(own.block, own.record_at(place), 8), fresh);
  if (old != 0) heap_.free(HeapRef{old});
  return true;
}

// Of an edge in its owner's list, which has room for attributes; frees what the word was. Does not fail.
void Graph::replace_word(VertexId owner, u32 place, u64 word) {
  const List own = list(owner, Side::successors);
  const u64 old = own.record(place);
  store(heap_.change(own.block, own.record_at(place), 8), word);
  free_record(old);
}

// ---- Parallel edges in a table

void Graph::require_record(u64 word) const {
  if ((word & kParallelRecord) != 0) {
    parallel().require(HeapRef{word & ~kParallelRecord});
  } else {
    record(word);
  }
}

void Graph::free_record(u64 word) {
  if ((word & kParallelRecord) != 0) {
    parallel().free(HeapRef{word & ~kParallelRecord});
  } else if (word != 0) {
    heap_.free(HeapRef{word});
  }
}

HeapRef Graph::table_of(VertexId from, VertexId to) const {
  const auto [owner, other] = owner_first(from, to);
  const List own = list(owner, Side::successors);
  const u32 place = own.refers ? place_of(own, other) : kNone;
  const u64 word = place == kNone ? 0 : own.record(place);
  if ((word & kParallelRecord) == 0) damaged("expected a table of parallel edges, found none");
  return HeapRef{word & ~kParallelRecord};
}

bool Graph::set_parallel(VertexId from, VertexId to, std::span<const ParallelEdges::Edge> edges) {
  EMD_CHECK(!typed());
  const auto [owner, other] = owner_first(from, to);
  if (place_of(list(owner, Side::successors), other) == kNone) return false;
  const List own = attributed_list(owner);
  const u32 place = place_of(own, other);
  require_record(own.record(place));
  const HeapRef table = parallel().create();
  try {
    for (const ParallelEdges::Edge& edge : edges) parallel().put(table, edge);
  } catch (...) {
    parallel().free(table);
    throw;
  }
  // Nothing fails from here on.
  replace_word(owner, place, static_cast<u64>(table) | kParallelRecord);
  GraphHeader& changed = change_header();
  changed.format = kGraphFormat;
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
  const bool attributed =
      std::any_of(records.begin(), records.end(), [&](Bytes b) { return !is_nothing(b); });
  std::vector<u64> references(attributed && !typed() ? records.size() : 0);
  for (std::size_t i = 0; i < references.size(); ++i) references[i] = replace_record(0, records[i]);
  move_list(id, side, old, neighbours.size(), attributed);
  const List own = list(id, side);
  std::memcpy(heap_.change(own.block, 0, 4 * neighbours.size()), neighbours.data(), 4 * neighbours.size());
  clear_records(own, 0, neighbours.size());
  for (std::size_t i = 0; attributed && i < records.size(); ++i) {
    const Bytes bytes =
        typed() ? records[i] : Bytes{reinterpret_cast<const u8*>(&references[i]), sizeof(u64)};
    EMD_CHECK(bytes.empty() || bytes.size() == own.width);
    std::copy(bytes.begin(), bytes.end(),
              heap_.change(own.block, own.record_at(static_cast<u32>(i)), own.width));
  }
  NeighbourRow& row = change_list(id, actual(side));
  row.used = row.degree = static_cast<u32>(neighbours.size());
  note_places(list(id, side));
}

void Graph::note_edges(u64 count) { change_header().edges += count; }

}  // namespace emd
