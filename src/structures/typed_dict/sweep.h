// TypedDict::Sweep: a large batch of look-ups in the order of the index, and then of the rows. See index/sweep.h.
//
// Threads: as the dict's. The dict does not change between the steps.
#pragma once

#include "index/sweep.h"
#include "structures/typed_dict/typed_dict.h"

namespace emd {

class TypedDict::Sweep {
 public:
  // For a batch of so many keys, with so much memory for it: how many of them are worth a sweep; zero: they are not, or
  // no pages are missing.
  static u64 keys_of(const TypedDict& dict, u64 count, u64 memory) {
    return dict.readahead_.asking() ? SweepOrder::keys_of(count, memory, dict.index_region_.size()) : 0;
  }

  // `keys` stay where they are. Errors: bad_alloc.
  Sweep(const TypedDict& dict, const u8* keys, u64 count);

  // First pass: names the rows of some thousand keys, from number `first` of the order on; returns the number behind
  // them. A step may be repeated, as by a read that was in vain. Errors: DamagedError.
  u64 name_rows(const TypedDict& dict, u64 first);
  // Between the passes.
  void turn() { order_.turn(); }
  // Second pass, in the same way. As find_many(), of which `out`, `found` and `missing` are the whole batch's; `hits`
  // is set to how many of this step were there.
  u64 take_values(const TypedDict& dict, u64 first, u8* out, u8* found, const u8* missing, u64& hits);

 private:
  const u8* key(const TypedDict& dict, const SweepOrder::Entry& entry) const {
    return keys_ + entry.key * dict.key_bytes_;
  }
  template <class Keys>
  u64 take_one(const TypedDict& dict, const Keys& keys, const SweepOrder::Entry& entry, u8* out, u8* found,
               const u8* missing) const;

  const u8* keys_;
  SweepOrder order_;
};

}  // namespace emd
