// Dict::Sweep: a large batch of look-ups in the order of the index, and then of the records. See index/sweep.h.
//
//   Dict::Sweep sweep(dict, count, hash_of);
//   for (u64 at = 0; at < count;) at = sweep.name_records(dict, at, hash_of);
//   sweep.turn();
//   for (u64 at = 0; at < count; at += step.size()) {
//     step = sweep.fetch_step(dict, at);
//     for (const auto& entry : step) ... sweep.find(dict, entry, key) ...
//   }
//
// Threads: as the dict's. Where the dict has changed since the records were named, find() of the dict is the call.
#pragma once

#include "index/sweep.h"
#include "structures/dict/dict.h"

namespace emd {

class Dict::Sweep {
 public:
  using Entry = SweepOrder::Entry;

  // As TypedDict::Sweep::keys_of().
  static u64 keys_of(const Dict& dict, u64 count, u64 memory) {
    return dict.readahead_.asking() ? SweepOrder::keys_of(count, memory, dict.index_region_.size()) : 0;
  }

  // `hash_of(i)`, of the i-th key: wanted(key).hash. Errors: bad_alloc.
  template <class HashOf>
  Sweep(u64 count, HashOf&& hash_of) : order_(count, hash_of) {}

  // First pass: names the records of some thousand keys, from number `first` of the order on; returns the number behind
  // them. A step may be repeated, as by a read that was in vain. Errors: DamagedError.
  template <class HashOf>
  u64 name_records(const Dict& dict, u64 first, HashOf&& hash_of) {
    order_.ask_ahead(first, kSlotsPerBucket * sizeof(u64),
                     [&](const Entry& entry) { return bucket_of(dict, hash_of(entry.key)); });
    const std::span<Entry> step = order_.step(first);
    for (Entry& entry : step) entry.sort_key = candidate(dict, hash_of(entry.key));
    return first + step.size();
  }
  // Between the passes.
  void turn() { order_.turn(); }
  // Second pass: the entries from number `first` on, with what they read on its way. May be repeated.
  std::span<const Entry> fetch_step(const Dict& dict, u64 first);
  // The record of the entry's key. Precondition: the dict is as it was in the first pass.
  static std::optional<Record> find(const Dict& dict, const Entry& entry, const Wanted& wanted);

 private:
  static const u8* bucket_of(const Dict& dict, u64 hash) {
    return dict.known_new(hash) ? nullptr : dict.index_.bucket_address(hash);
  }
  static u64 candidate(const Dict& dict, u64 hash) {
    return dict.known_new(hash) ? BufferedIndex::kNone : dict.index_.candidate(hash);
  }

  SweepOrder order_;
};

}  // namespace emd
