// PageMap: which pages of a region are in use; runs of pages are handed out and taken back.
//
// One bit a page. Pages come in groups of 16384 (64 MiB); the first page of each group is never handed out
// and holds the group's bits in its second half. The first half of page 0 belongs to the structure
// that uses the map (its header, with the PageMapState somewhere in it).
//
//   page 0                      1                    16384
//   | header | bits of 0..16383 | pages of group 0 ... | unused | bits of 16384..32767 | ...
//
// Why bits and not lists of free runs: neighbours that become free join by themselves, so that segments
// which all grow at the same time can reuse what the others left (docs/decisions/0001-index.md), and nothing
// in a free page has to be believed.
//
// Threads: as the store's.
#pragma once

#include "base/bytes.h"
#include "store/region.h"
#include "store/store.h"

namespace emd {

// Kept in page 0 of the region, at an offset that the user of the map chooses.
struct PageMapState {
  u64 free_pages;
  u64 rover;  // where the next search begins
};

class PageMap {
 public:
  static constexpr u64 kGroupPages = 16384;
  static constexpr u64 kBitsOffset = kPageSize / 2;
  // The longest run that can be handed out.
  static constexpr u64 kMaxRun = kGroupPages - 1;

  PageMap(Region& region, u64 state_offset) : region_(region), state_offset_(state_offset) {}

  // Lays the map into a fresh first page, with pages 0 to used - 1 in use.
  static void format(u8* page0, u64 state_offset, u64 used);

  // The first page of a run of `count` pages; their bytes are unspecified. Cost: amortized O(1).
  // Errors: SystemError, DamagedError; nothing has changed. Invalidates pointers into the region.
  u64 allocate(u64 count);
  // Gives a run back. Does not fail; pages outside the region are ignored (they came from damaged bytes).
  void free(u64 page, u64 count);

  bool used(u64 page) const;
  u64 page_count() const { return region_.size() >> kPageShift; }
  u64 free_pages() const;
  // Bits, counters and the group pages agree.
  void check(Findings& findings) const;

 private:
  static u64 bits_offset(u64 page) {
    return (page / kGroupPages) * (kGroupPages << kPageShift) + kBitsOffset;
  }
  u64 word(u64 page) const;
  void assign(u64 page, u64 count, bool used);
  u64 next(u64 page, u64 limit, bool used) const;
  u64 find_run(u64 from, u64 limit, u64 count) const;
  u64 find_short_run(u64 from, u64 limit, u64 count) const;
  u64 allocate_at_end(u64 count);
  const PageMapState& state() const {
    return *reinterpret_cast<const PageMapState*>(region_.data() + state_offset_);
  }
  PageMapState& change_state() { return *region_.writable_as<PageMapState>(state_offset_); }

  Region& region_;
  u64 state_offset_;
};

}  // namespace emd
