// ParallelEdges: the block of one pair of vertices: slots by hash, records in insertion order, and holes squeezed
// out.
#include "structures/graph/parallel_edges.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/errors.h"
#include "base/hash.h"

namespace emd {
namespace {

constexpr u64 kLeastRoom = 16;
// Removed edges are squeezed out when they are more than the others, and this many.
constexpr u32 kMostRemoved = 64;
constexpr u64 kMostEdges = ~u32{0} - 1;

bool equal(Bytes a, Bytes b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

std::vector<u8> block_of(const ParallelEdges::Edge& edge) {
  std::vector<u8> block(8);
  store(block.data(), static_cast<u32>(edge.key.size()));
  store(block.data() + 4, static_cast<u32>(edge.annex.size()));
  for (const Bytes part : {edge.key, edge.annex, edge.record})
    block.insert(block.end(), part.begin(), part.end());
  return block;
}

}  // namespace

void ParallelEdges::damaged(const std::string& what) const {
  throw DamagedError("graph: parallel edges: " + what + "; run verify(), and restore the store from a backup",
                     region_.path());
}

// ---- Reading

ParallelEdges::Opened ParallelEdges::open(HeapRef head) const {
  const Bytes block = heap_.read(head);
  if (block.size() < sizeof(Head)) damaged("expected a head, found a shorter block");
  Opened opened;
  static_cast<Head&>(opened) = load<Head>(block.data());
  if (opened.places != 0) {
    const Bytes places = heap_.read(HeapRef{opened.places}), slots = heap_.read(HeapRef{opened.slots});
    opened.place_bytes = places.data();
    opened.room = places.size() / sizeof(u64);
    opened.slot_bytes = slots.data();
    opened.slot_count = slots.size() / sizeof(u64);
  }
  // The low halves of slots are places, and one slot is empty.
  const bool fits = opened.used <= opened.room && opened.count <= opened.used &&
                    (opened.used == 0 || opened.count < opened.slot_count) && opened.slot_count <= kMostEdges;
  if (!fits) {
    damaged("expected at most " + std::to_string(opened.room) + ", found " + std::to_string(opened.used) +
            ", and " + std::to_string(opened.slot_count) + " slots");
  }
  return opened;
}

ParallelEdges::Edge ParallelEdges::edge(HeapRef reference) const {
  const Bytes block = heap_.read(reference);
  const u64 size = block.size();
  const u64 key = size < 8 ? ~u64{0} : load_once<u32>(reinterpret_cast<const u32*>(block.data()));
  const u64 annex = size < 8 ? 0 : load_once<u32>(reinterpret_cast<const u32*>(block.data() + 4));
  if (key > size - 8 || annex > size - 8 - key)
    damaged("expected an edge, found a key of " + std::to_string(key) + " bytes in " + std::to_string(size));
  return {block.subspan(8, key), block.subspan(8 + key, annex), block.subspan(8 + key + annex)};
}

u64 ParallelEdges::slot_of(const Opened& opened, Bytes key) const {
  const u64 print = hash64(key, seed_) >> 32;
  u64 slot = opened.slot_count == 0 ? 0 : opened.home(print << 32);
  for (u64 steps = 0; steps < opened.slot_count; ++steps, slot = opened.next(slot)) {
    const u64 word = opened.slot(slot);
    if (word == 0) break;
    const u64 place = (word & ~u32{0}) - 1;
    if (word >> 32 != print || place >= opened.used) continue;
    const u64 reference = opened.edge_at(place);
    if (reference != 0 && equal(edge(HeapRef{reference}).key, key)) return slot;
  }
  return kNone;
}

std::optional<ParallelEdges::Edge> ParallelEdges::find(HeapRef head, Bytes key) const {
  const Opened opened = open(head);
  const u64 slot = slot_of(opened, key);
  if (slot == kNone) return std::nullopt;
  return edge(HeapRef{opened.edge_at((opened.slot(slot) & ~u32{0}) - 1)});
}

u32 ParallelEdges::last_place(HeapRef head) const {
  const Opened opened = open(head);
  u32 place = opened.used;
  while (place > 0 && opened.edge_at(place - 1) == 0) --place;
  return place == 0 ? 0 : place - 1;
}

// ---- Changing

HeapRef ParallelEdges::create() {
  const Head head;
  return heap_.allocate({reinterpret_cast<const u8*>(&head), sizeof head});
}

void ParallelEdges::set_place(const Opened& opened, u64 place, u64 reference) {
  store(heap_.change(HeapRef{opened.places}, sizeof(u64) * place, sizeof(u64)), reference);
}

void ParallelEdges::set_slot(const Opened& opened, u64 slot, u64 word) {
  store(heap_.change(HeapRef{opened.slots}, sizeof(u64) * slot, sizeof(u64)), word);
}

// Precondition: a slot is empty.
void ParallelEdges::enter(const Opened& opened, u64 word) {
  u64 slot = opened.home(word);
  for (u64 steps = 0; steps < opened.slot_count && opened.slot(slot) != 0; ++steps) slot = opened.next(slot);
  set_slot(opened, slot, word);
}

// Gives a head new blocks, with room for twice its edges; those that were removed are left out.
void ParallelEdges::rebuild(HeapRef head) {
  Opened old = open(head);
  if (old.count >= kMostEdges / 4)
    throw SystemError(EFBIG, "two vertices have too many parallel edges", region_.path());
  const u64 room = std::max(kLeastRoom, 2 * (u64{old.count} + 1));
  const HeapRef places = heap_.allocate_room(sizeof(u64) * room);
  HeapRef slots;
  try {
    slots = heap_.allocate_room(sizeof(u64) * (room + room / 2));
  } catch (...) {
    heap_.free(places);
    throw;
  }
  old = open(head);  // what it points to may have moved
  std::vector<u32> prints(old.used);
  for (u64 i = 0; i < old.slot_count; ++i) {
    const u64 word = old.slot(i), place = (word & ~u32{0}) - 1;
    if (word != 0 && place < old.used) prints[place] = static_cast<u32>(word >> 32);
  }
  // Nothing fails from here on.
  Opened now;
  now.places = static_cast<u64>(places);
  now.slots = static_cast<u64>(slots);
  const Bytes place_bytes = heap_.read(places), slot_bytes = heap_.read(slots);
  now.place_bytes = place_bytes.data();
  now.room = place_bytes.size() / sizeof(u64);
  now.slot_bytes = slot_bytes.data();
  now.slot_count = slot_bytes.size() / sizeof(u64);
  std::memset(heap_.change(places, 0, sizeof(u64) * now.room), 0, sizeof(u64) * now.room);
  std::memset(heap_.change(slots, 0, sizeof(u64) * now.slot_count), 0, sizeof(u64) * now.slot_count);
  for (u64 place = 0; place < old.used; ++place) {
    const u64 reference = old.edge_at(place);
    if (reference == 0) continue;
    set_place(now, now.used, reference);
    enter(now, u64{prints[place]} << 32 | ++now.used);
  }
  now.count = now.used;
  store(heap_.change(head, 0, sizeof(Head)), static_cast<const Head&>(now));
  if (old.places != 0) {
    heap_.free(HeapRef{old.places});
    heap_.free(HeapRef{old.slots});
  }
}

bool ParallelEdges::put(HeapRef head, const Edge& given) {
  Opened opened = open(head);
  if (const u64 slot = slot_of(opened, given.key); slot != kNone) {
    const u64 place = (opened.slot(slot) & ~u32{0}) - 1;
    const HeapRef old{opened.edge_at(place)};
    const Edge known = edge(old);
    const std::vector<u8> block = block_of({known.key, known.annex, given.record});
    if (heap_.replace(old, block)) return false;
    const HeapRef fresh = heap_.allocate(block);
    set_place(opened, place, static_cast<u64>(fresh));
    heap_.free(old);
    return false;
  }
  if (opened.used == opened.room || 3 * (u64{opened.count} + 1) > 2 * opened.slot_count) rebuild(head);
  const HeapRef fresh = heap_.allocate(block_of(given));
  opened = open(head);
  // Nothing fails from here on.
  set_place(opened, opened.used, static_cast<u64>(fresh));
  enter(opened, hash64(given.key, seed_) >> 32 << 32 | (u64{opened.used} + 1));
  ++opened.used;
  ++opened.count;
  store(heap_.change(head, 0, sizeof(Head)), static_cast<const Head&>(opened));
  return true;
}

bool ParallelEdges::remove(HeapRef head, Bytes key) {
  Opened opened = open(head);
  u64 hole = slot_of(opened, key);
  if (hole == kNone) return false;
  const u64 place = (opened.slot(hole) & ~u32{0}) - 1;
  heap_.free(HeapRef{opened.edge_at(place)});
  // Nothing fails from here on.
  set_place(opened, place, 0);
  // What was displaced moves up, so that no marks are left (Knuth 6.4, algorithm R).
  u64 slot = hole;
  for (u64 steps = 1; steps < opened.slot_count; ++steps) {
    slot = opened.next(slot);
    const u64 word = opened.slot(slot);
    if (word == 0) break;
    const u64 home = opened.home(word);
    const bool stays = hole < slot ? hole < home && home <= slot : hole < home || home <= slot;
    if (stays) continue;
    set_slot(opened, hole, word);
    hole = slot;
  }
  set_slot(opened, hole, 0);
  --opened.count;
  while (opened.used != 0 && opened.edge_at(opened.used - 1) == 0) --opened.used;
  store(heap_.change(head, 0, sizeof(Head)), static_cast<const Head&>(opened));
  if (opened.used - opened.count > opened.count + kMostRemoved) squeeze(head);
  return true;
}

// Closes the gaps that removed edges have left, in place.
void ParallelEdges::squeeze(HeapRef head) {
  Opened opened = open(head);
  std::vector<u32> now(opened.used);
  u32 used = 0;
  for (u32 place = 0; place < opened.used; ++place) {
    const u64 reference = opened.edge_at(place);
    if (reference == 0) continue;
    now[place] = used;
    set_place(opened, used++, reference);
  }
  for (u64 place = used; place < opened.used; ++place) set_place(opened, place, 0);
  for (u64 i = 0; i < opened.slot_count; ++i) {
    const u64 word = opened.slot(i), place = (word & ~u32{0}) - 1;
    if (word != 0 && place < now.size()) set_slot(opened, i, word >> 32 << 32 | (u64{now[place]} + 1));
  }
  opened.used = used;
  store(heap_.change(head, 0, sizeof(Head)), static_cast<const Head&>(opened));
}

// ---- As a whole

void ParallelEdges::require(HeapRef head) const {
  const Opened opened = open(head);
  for (u64 place = 0; place < opened.used; ++place) {
    if (const u64 reference = opened.edge_at(place)) edge(HeapRef{reference});
  }
}

void ParallelEdges::free(HeapRef head) {
  const Opened opened = open(head);
  for (u64 place = 0; place < opened.used; ++place) {
    if (const u64 reference = opened.edge_at(place)) heap_.free(HeapRef{reference});
  }
  if (opened.places != 0) {
    heap_.free(HeapRef{opened.places});
    heap_.free(HeapRef{opened.slots});
  }
  heap_.free(head);
}

void ParallelEdges::check(HeapRef head, const std::string& where, Findings& findings,
                          std::vector<HeapRef>& blocks) const {
  const Opened opened = open(head);
  if (opened.places != 0) {
    blocks.push_back(HeapRef{opened.places});
    blocks.push_back(HeapRef{opened.slots});
  }
  // Each edge is found by its key; there are as many as the head says, and as many slots that are not empty.
  u64 count = 0, entries = 0;
  for (u64 i = 0; i < opened.slot_count; ++i) {
    findings.step();
    entries += opened.slot(i) != 0;
  }
  for (u64 place = 0; place < opened.used; ++place) {
    findings.step();
    const u64 reference = opened.edge_at(place);
    if (reference == 0) continue;
    ++count;
    blocks.push_back(HeapRef{reference});
    const u64 slot = slot_of(opened, edge(HeapRef{reference}).key);
    if (slot == kNone || (opened.slot(slot) & ~u32{0}) != place + 1)
      findings.push_back({where, "expected to find a parallel edge by its key"});
  }
  if (count != opened.count || entries != count) {
    findings.push_back({where, "expected " + std::to_string(opened.count) + " parallel edges, found " +
                                   std::to_string(count) + ", and " + std::to_string(entries) +
                                   " slots that name some"});
  }
}

}  // namespace emd
