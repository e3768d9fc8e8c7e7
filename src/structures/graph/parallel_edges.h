// ParallelEdges: the edges between two vertices where they are many: each has a key and a record, in the order of
// insertion, and is found, added, changed and removed in constant time. docs/format.md,
// docs/decisions/0014-parallel-edges.md
//
// All of it lies in blocks of a graph's heap, each of which one other refers to:
//   head    used (u32) count (u32) places (u64) slots (u64)
//   places  a u64 for each edge ever added since the block was made: a reference to the edge; zero: it was removed
//   slots   of a hash table with linear probing, u64: zero, or one more than the edge's place (low half) and the upper
//           half of its key's hash
//   edge    key bytes (u32) annex bytes (u32), key, annex, record
//
// Errors, of all calls: DamagedError for bytes that contradict that; of changing ones SystemError. The edges are as
// before then.
//
// Threads: as the store's. Mutating calls run inside an Operation of the caller.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "alloc/heap.h"
#include "base/bytes.h"
#include "store/store.h"

namespace emd {

class ParallelEdges {
 public:
  // Bytes that mean nothing here but that equal keys are equal bytes. Valid until the next change of the heap.
  struct Edge {
    Bytes key, annex, record;
  };

  // `region` is the heap's.
  ParallelEdges(Heap& heap, const Region& region, u64 seed) : heap_(heap), region_(region), seed_(seed) {}

  // A head without edges.
  HeapRef create();
  u32 count(HeapRef head) const { return open(head).count; }
  std::optional<Edge> find(HeapRef head, Bytes key) const;
  // Adds it, or gives it another record if it is there (its key stays what it was). Whether it was added.
  // Precondition: the bytes do not lie in the heap.
  bool put(HeapRef head, const Edge& edge);
  // False if there is none.
  bool remove(HeapRef head, Bytes key);
  // Calls visit(Edge) for each from a place on, in the order of insertion, until it gives false; returns the place
  // behind. Zero is the first. `used`: those behind all.
  template <class Visit>
  u32 visit_from(HeapRef head, u32 place, Visit&& visit) const {
    const Opened opened = open(head);
    while (place < opened.used) {
      const u64 reference = opened.edge_at(place++);
      if (reference != 0 && !visit(edge(HeapRef{reference}))) break;
    }
    return place;
  }
  // Where the last edge is; zero if there is none.
  u32 last_place(HeapRef head) const;

  // Reads all that free() will follow; free() then cannot fail.
  void require(HeapRef head) const;
  void free(HeapRef head);
  // Every invariant; appends all blocks but the head to `blocks`.
  void check(HeapRef head, const std::string& where, Findings& findings, std::vector<HeapRef>& blocks) const;

 private:
  struct Head {
    u32 used = 0;   // places
    u32 count = 0;  // of these, edges
    u64 places = 0;
    u64 slots = 0;
  };
  static_assert(sizeof(Head) == 24);
  // A head, validated, and what it refers to.
  struct Opened : Head {
    const u8* place_bytes = nullptr;
    const u8* slot_bytes = nullptr;
    u64 room = 0;  // places that there are
    u64 slot_count = 0;
    u64 edge_at(u64 place) const { return load_once<u64>(reinterpret_cast<const u64*>(place_bytes) + place); }
    u64 slot(u64 i) const { return load_once<u64>(reinterpret_cast<const u64*>(slot_bytes) + i); }
    u64 home(u64 word) const { return (word >> 32) * slot_count >> 32; }
    u64 next(u64 i) const { return i + 1 == slot_count ? 0 : i + 1; }
  };
  static constexpr u64 kNone = ~u64{0};

  Opened open(HeapRef head) const;
  Edge edge(HeapRef reference) const;
  u64 slot_of(const Opened& opened, Bytes key) const;
  void enter(const Opened& opened, u64 word);
  void set_place(const Opened& opened, u64 place, u64 reference);
  void set_slot(const Opened& opened, u64 slot, u64 word);
  void rebuild(HeapRef head);
  void squeeze(HeapRef head);
  [[noreturn]] void damaged(const std::string& what) const;

  Heap& heap_;
  const Region& region_;
  u64 seed_;
};

}  // namespace emd
