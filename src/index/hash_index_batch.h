// HashIndex::Batch: many look-ups in steps, so that the lines of many keys are on their way at once.
//
//   const HashIndex::Batch batch(index);
//   for (i) probes[i] = batch.probe(hashes[i]);          // one directory line; asks for the bucket's
//   for (i) positions[i] = batch.candidate(probes[i]);   // one bucket line; then ask for the record's
//   for (i) if (positions[i] is kElsewhere) positions[i] = batch.candidate_elsewhere(hashes[i], slots[i]);
//   for (i) compare the record's key; only where it is another one is find() needed
//
// What a single look-up reads of the header is read and checked once, when a Batch is made, and kept in fields whose
// address nobody has, so that a compiler keeps them in registers; what the directory says of a key is carried on in its
// Probe. Both are good until layouts() changes.
//
// Threads: as the store's; beside a writer in another process, within one read.
#pragma once

#include "index/hash_index.h"

namespace emd {

class HashIndex::Batch {
 public:
  // The key may be in a bucket behind its first one, or in the overflow.
  static constexpr u64 kElsewhere = kNone - 1;

  struct Probe {
    const u64* bucket;  // the first one that find() looks at: 64 bytes
    u32 wanted;         // the tag
  };

  // Errors, as of probe(): DamagedError.
  explicit Batch(const HashIndex& index);

  // Cost: one directory line. Fetches the bucket.
  Probe probe(u64 hash) const;

  // The first position that find() would offer to match(), in all but one of some hundreds of cases the only one;
  // kNone: there is none; or kElsewhere, and the two buckets behind are fetched. Reads no record.
  u64 candidate(const Probe& probe) const {
    const unsigned found = matching_slots(probe.bucket, probe.wanted);
    if (found != 0) return probe.bucket[__builtin_ctz(found)] & kPositionMask;
    if (probe.bucket[kSlotsPerBucket - 1] == 0 && !has_overflow_) return kNone;
    __builtin_prefetch(probe.bucket + kSlotsPerBucket);
    __builtin_prefetch(probe.bucket + 2 * kSlotsPerBucket);
    return kElsewhere;
  }

  // The same of a key for which candidate() said kElsewhere: searches on. `slot` as of free_slot(); zero: none is free.
  u64 candidate_elsewhere(u64 hash, u64& slot) const;

  // Where a key goes for which candidate() said kNone: the offset of a slot in the region. While that is free, and
  // layouts() is what it was, no equal key has been inserted: it would be there.
  u64 free_slot(const Probe& probe) const {
    return static_cast<u64>(reinterpret_cast<const u8*>(probe.bucket) - window_) +
           bucket_fill(probe.bucket) * 8;
  }

 private:
  const HashIndex& index_;
  const u8* window_;
  u64 size_;
  const u64* directory_;
  unsigned directory_shift_;
  unsigned unit_;
  bool has_overflow_;
};

inline HashIndex::Batch::Batch(const HashIndex& index)
    : index_(index),
      window_(index.region_.data()),
      size_(index.region_.size()),
      directory_shift_(63 - index.global_depth()),
      unit_(index.unit()),
      has_overflow_(load_once<u64>(&index.header().overflow_count) != 0) {
  const u64 offset = load_once<u64>(&index.header().directory) << kPageShift;
  directory_ = reinterpret_cast<const u64*>(index.region_.at(offset, u64{8} << (63 - directory_shift_)));
}

inline HashIndex::Batch::Probe HashIndex::Batch::probe(u64 hash) const {
  const u64 entry = load_once<u64>(directory_ + (hash >> 1 >> directory_shift_));
  const u64 buckets = ((entry >> kSizeShift & 7) + 1) * unit_;
  const u64 offset = (entry & kPageMask) << kPageShift;
  // The header is nobody's segment. No sum here is above 2^53.
  if (__builtin_expect(offset == 0 || offset + buckets * 64 > size_, 0)) index_.damaged_segment(entry);
  const u64 bits = wanted(hash, static_cast<unsigned>(entry >> kDepthShift & 63));
  const u64 home = (bits >> (kTagBits - kHomeBits)) * buckets >> kHomeBits;
  const u64* const bucket = reinterpret_cast<const u64*>(window_ + offset) + home * kSlotsPerBucket;
  __builtin_prefetch(bucket);
  return {bucket, static_cast<u32>(bits)};
}

inline u64 HashIndex::Batch::candidate_elsewhere(u64 hash, u64& slot) const {
  InsertionPoint point;
  const u64 position = index_.find(
      hash, [](u64) { return true; }, &point);
  slot = point.offset;
  return position;
}

}  // namespace emd
