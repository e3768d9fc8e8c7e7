// Moving entries from one index to another: what a delta index needs to be merged (index/buffered_index.h).
//
// A slot knows the hash's bits in front of it (its segment's prefix) and behind (its tag's). That is all that a slot of
// another index needs, if 13 bits are left there behind the prefix; so records are read for few entries only.
#include <algorithm>
#include <bit>

#include "index/hash_index.h"
#include "index/hash_index_overflow.h"

namespace emd {

HashIndex::Range HashIndex::range_of(u64 hash) const {
  const Segment segment = segment_of(hash);
  require_directory(segment);
  return {hash & ~(~u64{0} >> segment.depth), segment.depth};
}

void HashIndex::collect(u64 hash, std::vector<KnownEntry>& entries) const {
  const Range range = range_of(hash);
  const Segment segment = segment_of(hash);
  for (unsigned i = 0; i < segment.buckets * kSlotsPerBucket; ++i) {
    const u64 slot = load_once<u64>(segment.slots + i);
    if (slot == 0) continue;
    const u64 tag = slot >> kPositionBits;
    if (tag == 0) damaged("slot", i, "a tag", slot);
    const unsigned known = kFreshBits - static_cast<unsigned>(std::countr_zero(tag));
    const u64 behind = (tag & (tag - 1)) << kPositionBits >> range.depth;
    entries.push_back({range.first | behind, range.depth + known, slot & kPositionMask});
  }
}

void HashIndex::collect_overflow(std::vector<KnownEntry>& entries) const {
  const u64 head = header().overflow_head;
  if (head == 0) return;
  const OverflowPage& page = overflow_page(head);
  for (u64 i = 0; i < page.used; ++i) entries.push_back({page.pairs[i].hash, 64, page.pairs[i].position});
}

void HashIndex::add_known(KnownEntry entry) {
  for (;;) {
    const Segment segment = segment_of(entry.bits);
    require_directory(segment);
    if (entry.known < segment.depth + kHomeBits) {
      entry.bits = hash_of_(entry.position);
      entry.known = 64;
      continue;
    }
    if (auto point = free_slot(entry.bits)) {
      point->tag =
          known_tag(entry.bits, segment.depth, std::min(entry.known - segment.depth, unsigned{kFreshBits}));
      return insert(*point, entry.bits, entry.position);
    }
    if (grow(entry.bits) || split(entry.bits)) continue;
    if (entry.known != 64) entry.bits = hash_of_(entry.position);
    return insert(overflow_room(), entry.bits, entry.position);
  }
}

void HashIndex::empty_segment(u64 hash) {
  const Segment segment = segment_of(hash);
  const u64 bytes = u64{segment.buckets} * 64;
  u64 entries = 0;
  for (unsigned i = 0; i < segment.buckets * kSlotsPerBucket; ++i) entries += segment.slots[i] != 0;
  if (entries == 0) return;
  std::fill_n(region_.writable(segment.page() << kPageShift, bytes), bytes, u8{0});
  change_header().count -= entries;
}

}  // namespace emd
