// Looking up, inserting and erasing; growth is in hash_index_growth.cpp, check() in hash_index_check.cpp.
#include "index/hash_index.h"

#include <algorithm>
#include <bit>

#include "index/hash_index_overflow.h"

namespace emd {

void HashIndex::damaged(const char* what, u64 offset, const char* expected, u64 found) const {
  throw DamagedError(region_.path() + ": " + what + " at " + std::to_string(offset) + ": expected " +
                         expected + ", found " + std::to_string(found),
                     region_.path());
}

void HashIndex::damaged_count(u64 entries) const {
  damaged("header", 0, "a count of no more entries than there are slots", entries);
}

// A directory entry that Batch cannot follow. Says of it what decode() says.
void HashIndex::damaged_segment(u64 entry) const {
  decode(entry);
  damaged("directory entry", entry, "a segment within the region", entry & kPageMask);
}

void HashIndex::format(u8* to, u32 max_segment_buckets, u32 hash_bits, u64 seed, u64 delta_limit) {
  EMD_CHECK(std::has_single_bit(max_segment_buckets) && max_segment_buckets <= kMaxSegmentBuckets);
  EMD_CHECK(hash_bits >= 1 && hash_bits <= 64);
  IndexHeader header{};
  header.magic = kMagic;
  header.version = kVersion;
  header.max_segment_buckets = max_segment_buckets;
  header.hash_bits = hash_bits;
  header.seed = seed;
  header.directory = 1;
  header.directory_pages = 1;
  header.delta_limit = delta_limit;
  store(to, header);
  PageMap::format(to, offsetof(IndexHeader, pages), kEmptyBytes >> kPageShift);
  store<u64>(to + kPageSize, 2);  // the only segment: page 2, depth 0, one unit
}

void HashIndex::open(u64 seed) {
  const IndexHeader& h = *reinterpret_cast<const IndexHeader*>(region_.at(0, kEmptyBytes));
  if (h.magic != kMagic) damaged("header", 0, "a dict's magic number", h.magic);
  if (h.version != kVersion) {
    throw FormatError(region_.path() + ": expected dict format " + std::to_string(kVersion) + ", found " +
                      std::to_string(h.version));
  }
  if (h.seed != seed) damaged("header", 0, "the store's hash seed", h.seed);
  if (h.hash_bits < 1 || h.hash_bits > 64) damaged("header", 0, "1 to 64 hash bits", h.hash_bits);
  if (!std::has_single_bit(h.max_segment_buckets) || h.max_segment_buckets > kMaxSegmentBuckets) {
    damaged("header", 0, "a power of two up to 512 buckets", h.max_segment_buckets);
  }
  if (h.global_depth > kMaxDepth) damaged("header", 0, "a depth of at most 22", h.global_depth);
  set_layout(h.max_segment_buckets);
  if (region_.size() % kPageSize != 0) damaged("header", 0, "whole pages", region_.size());
  if (h.directory == 0 || h.directory > kPageMask) damaged("header", 0, "a directory's page", h.directory);
  region_.at(h.directory << kPageShift, u64{8} << h.global_depth);
  checked_count();
}

void HashIndex::set_layout(u32 max_segment_buckets) {
  unit_ = max_segment_buckets < kSegmentSizes ? 1 : max_segment_buckets / kSegmentSizes;
  size_classes_ = max_segment_buckets / unit_;
}

std::optional<HashIndex::InsertionPoint> HashIndex::free_slot(u64 hash) const {
  const Segment segment = segment_of(hash);
  unsigned b = home_of_bits(wanted(hash, segment.depth) >> (kTagBits - kHomeBits), segment.buckets);
  for (unsigned left = probes(segment.buckets); left != 0; --left) {
    const u64* bucket = segment.slots + b * kSlotsPerBucket;
    if (bucket[kSlotsPerBucket - 1] == 0) return point_in(bucket, hash, segment.depth);
    if (++b == segment.buckets) b = 0;
  }
  return std::nullopt;
}

HashIndex::InsertionPoint HashIndex::make_room(u64 hash) {
  for (;;) {
    if (const auto point = free_slot(hash)) return *point;
    if (grow(hash)) continue;
    if (!split(hash)) return overflow_room();
  }
}

void HashIndex::insert(const InsertionPoint& point, u64 hash, u64 position) {
  IndexHeader& h = change_header();
  ++h.count;
  if (point.overflow) {
    OverflowPage& page = *region_.writable_as<OverflowPage>(point.offset);
    page.pairs[page.used++] = {hash, position};
    ++h.overflow_count;
  } else {
    *region_.writable_as<u64>(point.offset) = point.tag << kPositionBits | position;
  }
}

bool HashIndex::erase(u64 hash, u64 position) {
  const Segment segment = segment_of(hash);
  const u64 bits = wanted(hash, segment.depth);
  const u64 base = segment.page() << kPageShift;
  unsigned b = home_of_bits(bits >> (kTagBits - kHomeBits), segment.buckets);
  for (unsigned left = probes(segment.buckets); left != 0; --left) {
    const u64* bucket = segment.slots + b * kSlotsPerBucket;
    for (unsigned found = matching_slots(bucket, bits); found != 0; found &= found - 1) {
      const unsigned slot = static_cast<unsigned>(__builtin_ctz(found));
      if ((bucket[slot] & kPositionMask) != position) continue;
      if (remove_slot(base, b, slot)) fill_hole(base, segment.buckets, b);
      --change_header().count;
      return true;
    }
    if (bucket[kSlotsPerBucket - 1] == 0) break;
    if (++b == segment.buckets) b = 0;
  }
  return header().overflow_count != 0 && overflow_erase(hash, position);
}

// Takes a slot out of a bucket and closes the gap with the bucket's last. Returns whether it was full.
bool HashIndex::remove_slot(u64 segment_offset, unsigned b, unsigned slot) {
  u64* bucket = reinterpret_cast<u64*>(region_.writable(segment_offset + u64{b} * 64, 64));
  unsigned last = kSlotsPerBucket - 1;
  while (last > slot && bucket[last] == 0) --last;
  bucket[slot] = bucket[last];
  bucket[last] = 0;
  return last == kSlotsPerBucket - 1;
}

// Bucket b was full and has lost an entry: entries that had passed it on their way from home come back.
// Each move brings an entry nearer to its home, so this ends.
void HashIndex::fill_hole(u64 segment_offset, unsigned buckets, unsigned b) {
  const unsigned reach = probes(buckets);
  for (unsigned distance = 1; distance < reach;) {
    const unsigned x = (b + distance) % buckets;
    const u64* bucket = reinterpret_cast<const u64*>(region_.data() + segment_offset) + x * kSlotsPerBucket;
    unsigned slot = 0;
    while (slot < kSlotsPerBucket && (bucket[slot] == 0 || displacement(bucket[slot], x, buckets) < distance))
      ++slot;
    if (slot == kSlotsPerBucket) {
      if (bucket[kSlotsPerBucket - 1] == 0) return;  // nothing has passed this bucket
      ++distance;
      continue;
    }
    u64* hole = reinterpret_cast<u64*>(region_.writable(segment_offset + u64{b} * 64, 64));
    const unsigned fill = bucket_fill(hole);
    if (fill == kSlotsPerBucket) return;
    hole[fill] = bucket[slot];
    if (!remove_slot(segment_offset, x, slot)) return;
    b = x;
    distance = 1;
  }
}

// ---- overflow

HashIndex::InsertionPoint HashIndex::overflow_room() {
  ++layouts_;
  const u64 head = header().overflow_head;
  if (head != 0 && overflow_page(head).used < OverflowPage::kPairs) return {head << kPageShift, 0, true};
  const u64 page = pages_.allocate(1);
  OverflowPage& fresh = *region_.writable_as<OverflowPage>(page << kPageShift);
  fresh.next = head;
  fresh.used = 0;
  change_header().overflow_head = page;
  return {page << kPageShift, 0, true};
}

const OverflowPage& HashIndex::overflow_page(u64 page) const {
  if (page == 0 || page > kPageMask) damaged("overflow chain", page, "a page of the region", page);
  const u64 offset = page << kPageShift;
  const OverflowPage& here = *reinterpret_cast<const OverflowPage*>(region_.at(offset, kPageSize));
  const u64 used = load_once<u64>(&here.used);
  if (used > OverflowPage::kPairs) damaged("overflow page", offset, "at most 255 pairs", used);
  return here;
}

u64 HashIndex::overflow_scan(u64 hash, const std::function<bool(u64)>& match) const {
  u64 page = header().overflow_head;
  for (u64 left = pages_.page_count(); page != 0; --left) {
    if (left == 0) damaged("overflow page", page, "a chain without a cycle", page);
    const OverflowPage& here = overflow_page(page);
    const u64 used = std::min<u64>(load_once<u64>(&here.used), OverflowPage::kPairs);
    for (u64 i = 0; i < used; ++i) {
      if (here.pairs[i].hash == hash && match(here.pairs[i].position)) return here.pairs[i].position;
    }
    page = here.next;
  }
  return kNone;
}

// The pair's place is taken by the last pair of the first page; an empty first page leaves the chain.
bool HashIndex::overflow_erase(u64 hash, u64 position) {
  u64 found = 0;
  if (overflow_scan(hash, [&](u64 p) { return p == position; }) == kNone) return false;
  for (u64 page = header().overflow_head; found == 0; page = overflow_page(page).next) {
    const OverflowPage& here = overflow_page(page);
    for (u64 i = 0; i < here.used && found == 0; ++i) {
      if (here.pairs[i].hash == hash && here.pairs[i].position == position) {
        found = (page << kPageShift) + offsetof(OverflowPage, pairs) + i * sizeof(OverflowPage::Pair);
      }
    }
  }
  while (overflow_page(header().overflow_head).used == 0) drop_overflow_head();  // made, and not used then
  OverflowPage& head = *region_.writable_as<OverflowPage>(header().overflow_head << kPageShift);
  *region_.writable_as<OverflowPage::Pair>(found) = head.pairs[--head.used];
  IndexHeader& h = change_header();
  --h.overflow_count;
  --h.count;
  if (head.used == 0) drop_overflow_head();
  return true;
}

void HashIndex::drop_overflow_head() {
  IndexHeader& h = change_header();
  const u64 page = h.overflow_head;
  h.overflow_head = overflow_page(page).next;
  pages_.free(page, 1);
}

}  // namespace emd
