// KeyFilter: tells, without reading the index, that a key is not in a log of records.
//
// Beyond RAM, to find that a new key is absent would read a page of the index from the disk for each. This keeps some
// ten bits a record in anonymous memory: a Bloom filter in blocks of a cache line, six bits a key, which says "absent"
// of 98 in 100 absent keys. (Putze, Sanders, Singler: Cache-, hash- and space-efficient Bloom filters, 2009.) It is not
// kept on disk: its owner fills it by walking the log a few records at each insertion, and until then nothing is
// excluded.
//
// It grows by parts, since the hashes are not kept. Keys are never taken out: of an erased
// one it says "perhaps".
//
// Threads: as the store's.
#pragma once

#include <cstdlib>
#include <memory>
#include <vector>

#include "base/bytes.h"

namespace emd {

class KeyFilter {
 public:
  // Forgets everything.
  void reset() { *this = KeyFilter(); }

  // Whether it can exclude nothing, and is not being filled.
  bool empty() const { return parts_.empty(); }
  // Whether no record of a log that ends at `end` has a key of this hash.
  bool excludes(u64 hash, u64 end) const { return covered_ == end && !may_hold(hash); }
  // All live records before this offset, the boundary of a record, are in the filter.
  u64 covered() const { return covered_; }
  // Records in [start, end) have died and became one, or were cut off.
  void note_dead(u64 start, u64 end, u64 log_end) {
    if (covered_ > start && covered_ < end) covered_ = end;
    if (covered_ > log_end) covered_ = log_end;
  }

  // Makes cover() able to add keys: gets a further part when the last is full, while all together take less than half
  // of `budget_bytes`; then, or without memory, the last gets fuller, and says "perhaps" more often. False if there is
  // no memory for even the first.
  bool make_room(u64 budget_bytes);
  // The live record in [covered(), end) has a key of this hash. Does not fail. Cost: a cache line.
  // Precondition: make_room() has said true.
  void cover(u64 hash, u64 end);
  // Nothing lives in [covered(), end).
  void skip(u64 end) { covered_ = end; }
  // As cover(), for a record that was appended at `start`, if all before it is covered.
  void note_appended(u64 hash, u64 start, u64 end) {
    if (covered_ == start && !parts_.empty()) cover(hash, end);
  }
  void prefetch(u64 hash) const {
    for (const Part& part : parts_) __builtin_prefetch(part.block(hash));
  }
  u64 bytes() const;

 private:
  static constexpr u64 kBlockBytes = 64;
  static constexpr u64 kBitsPerKey = 10;
  static constexpr unsigned kProbes = 6;
  static constexpr u64 kLeastBytes = u64{64} << 10;

  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  struct Part {
    std::unique_ptr<void, Free> memory;
    u64* words = nullptr;  // aligned to a block
    u64 blocks = 0;        // less than 2^32
    u64 keys = 0;
    u64* block(u64 hash) const { return words + ((hash >> 32) * blocks >> 32) * (kBlockBytes / 8); }
    bool full() const { return keys * kBitsPerKey >= blocks * kBlockBytes * 8; }
  };

  // Bits within a block: nine of these for each probe. The block is chosen by the hash's first bits.
  static u64 probe_bits(u64 hash) {
    const u64 mixed = hash * 0x9e3779b97f4a7c15;
    return mixed ^ mixed >> 32;
  }
  static bool may_hold(const u64* block, u64 bits) {
    for (unsigned i = 0; i < kProbes; ++i, bits >>= 9) {
      if (!(block[bits >> 6 & 7] >> (bits & 63) & 1)) return false;
    }
    return true;
  }
  bool may_hold(u64 hash) const {
    const u64 bits = probe_bits(hash);
    for (const Part& part : parts_) {
      if (may_hold(part.block(hash), bits)) return true;
    }
    return false;
  }
  std::vector<Part> parts_;
  u64 covered_ = 0;
};

}  // namespace emd
