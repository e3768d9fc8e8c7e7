// BufferedIndex: a hash index for dicts of any size: the main index, and in front of it a small one, the delta.
//
// While the main index is small against the budget, entries go there, and the delta is empty. Beyond, a random entry
// would dirty a page of its own, so new entries gather in the delta, which stays in memory, and are merged in hash
// order, one of its segments at a time: each page of the main index is changed once for many entries. (Vitter: External
// memory algorithms, section on buffering. The figures: docs/decisions/0009-delta-index.md.)
//
//   main    region of the dict's index; its header is the dict's
//   delta   a region of its own, without bytes until it is needed: a HashIndex as the main one
//
// Invariant: an entry is in exactly one of the two. Merging never reads records, but for the few entries of which the
// delta knows too few bits of the hash.
//
// Threads: as the store's. Everything read from the regions is validated before use.
#pragma once

#include <vector>

#include "index/hash_index.h"
#include "store/store.h"

namespace emd {

class BufferedIndex {
 public:
  static constexpr u64 kNone = HashIndex::kNone;
  static constexpr u64 kEmptyBytes = HashIndex::kEmptyBytes;
  // Values of the header's delta_limit; others are the number of entries that the delta gathers, however small the dict
  // is (for tests).
  static constexpr u64 kNever = 0;
  static constexpr u64 kAutomatic = ~u64{0};

  BufferedIndex(Store& store, Region& main, Region& delta, const HashIndex::HashOf& hash_of)
      : store_(store),
        main_region_(main),
        delta_region_(delta),
        main_(main, hash_of),
        delta_(delta, hash_of) {}

  // Validates the headers. Errors: DamagedError, FormatError.
  void open(u64 seed);

  const IndexHeader& header() const { return main_.header(); }
  // Errors: DamagedError if there is no room for so many.
  u64 count() const { return main_.checked_count() + (delta_laid() ? delta_.checked_count() : 0); }
  u64 delta_count() const { return delta_laid() ? delta_.count() : 0; }
  u64 slot_count() const { return main_.slot_count() + (delta_laid() ? delta_.slot_count() : 0); }
  u64 free_bytes() const { return main_.free_bytes(); }
  u64 delta_free_bytes() const { return delta_laid() ? delta_.free_bytes() : 0; }

  // Where an entry will go. Good until the next change of the index.
  struct InsertionPoint {
    HashIndex::InsertionPoint at;
    bool in_delta = false;
    bool found() const { return at.offset != 0; }
  };

  // As HashIndex::find(). Cost: as there; with entries in the delta also a line of that.
  template <class Match>
  u64 find(u64 hash, Match&& match, InsertionPoint* point = nullptr) const {
    HashIndex::InsertionPoint* const in_main = point != nullptr ? &point->at : nullptr;
    if (__builtin_expect(delta_count() != 0, 0)) {
      const u64 found = delta_.find(hash, match);
      if (found != kNone) return found;
    }
    return main_.find(hash, match, in_main);
  }
  // Look-ups in steps, as HashIndex has them. The bucket's address is that of the main index, which may be on disk; the
  // delta's are in memory.
  const u8* bucket_address(u64 hash) const { return main_.bucket_address(hash); }
  u64 candidate(u64 hash) const {
    return find(hash, [](u64) { return true; });
  }
  // Fetches the buckets that find() will look at first.
  void prefetch(u64 hash) const {
    main_.prefetch(hash);
    prefetch_delta(hash);
  }
  void prefetch_delta(u64 hash) const {
    if (__builtin_expect(delta_count() != 0, 0)) delta_.prefetch(hash);
  }
  // The main index where it holds all entries, for a HashIndex::Batch; null: the delta has to be asked as well.
  const HashIndex* only_main() const { return delta_count() == 0 ? &main_ : nullptr; }
  // Of a Batch of that, unless buffering(): as HashIndex has them.
  u64 layouts() const { return main_.layouts(); }
  bool put_at(u64 slot, u32 wanted_tag, u64 position) { return main_.put_at(slot, wanted_tag, position); }
  void add_count(u64 entries) { main_.add_count(entries); }

  // Whether new entries go to the delta.
  bool buffering() {
    if (__builtin_expect(main_region_.size() != checked_size_, 0)) choose();
    return limit_ != kNever;
  }
  // Gives `point`, as find() has left it, room for one more entry of this hash. May merge a segment of the delta first.
  // Errors: SystemError, DamagedError; the index holds what it held.
  void make_room(u64 hash, InsertionPoint& point);
  // Adds an entry in the room just made. Does not fail.
  void insert(const InsertionPoint& point, u64 hash, u64 position) {
    (point.in_delta ? delta_ : main_).insert(point.at, hash, position);
  }
  // Takes an entry out; false if it was not there. Errors: DamagedError; nothing has changed.
  bool erase(u64 hash, u64 position) {
    return (delta_count() != 0 && delta_.erase(hash, position)) || main_.erase(hash, position);
  }

  // Every invariant of both; calls visit(position) for each entry.
  void check(Findings& findings, const std::function<void(u64 position)>& visit) const;

 private:
  bool delta_laid() const { return delta_region_.size() >= kEmptyBytes; }
  void choose();
  void lay_delta();
  bool merge_if_due();
  u64 merge(u64 hash);
  void ask_for(const HashIndex::Range& range) const;

  Store& store_;
  Region& main_region_;
  Region& delta_region_;
  HashIndex main_;
  HashIndex delta_;
  u64 checked_size_ = ~u64{0};                  // of the main region, when it was decided where entries go
  u64 limit_ = kNever;                          // entries that the delta gathers now
  u64 insertions_until_merge_ = 0;              // at least
  std::vector<HashIndex::KnownEntry> entries_;  // scratch of merge()
};

}  // namespace emd
