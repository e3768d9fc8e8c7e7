// Growing and splitting segments, doubling the directory.
//
// A segment is laid out anew in memory first, then gets its pages, is written, and takes its predecessor's place in
// the directory: whatever can fail happens before anything is changed, and every step leaves a whole index.
#include <algorithm>
#include <bit>
#include <cstring>
#include <span>

#include "index/hash_index.h"

namespace emd {

namespace {
// What a half is filled to after a split, in percent: with the first full window at about 84 %, the load
// then goes from 60 or 70 to 84.
constexpr u64 kSplitLoadPercent = 70;
// The sizes, less one, that follow each other: 1, 2, 3, 5, 6, 8 units. Each growth moves all entries, so page by page
// every entry would be moved nearly twice as often; without the 6 there is a fifth more of the index after it.
constexpr unsigned kNextSize[HashIndex::kSegmentSizes] = {1, 2, 4, 4, 5, 7, 7, 7};
// A full segment that holds less than this part of its slots has (nearly) equal hashes: a split would not help.
constexpr u64 kMinSplitLoadPercent = 25;
// The directory may always grow to a page, and then to this many entries a key.
constexpr u64 kFreeDirectoryEntries = kPageSize / 8;
constexpr u64 kDirectoryEntriesPerKey = 2;
}  // namespace

void HashIndex::Image::reset(unsigned bucket_count) {
  buckets = bucket_count;
  slots.assign(std::size_t{bucket_count} * kSlotsPerBucket, 0);
  fill.assign(bucket_count, 0);
}

// Puts these slots in, which come nearly in the order of their homes. False if one finds no room. The pointers are
// locals because a store of a byte might otherwise be one to them.
bool HashIndex::Image::fill_with(std::span<const u64> from) {
  u64* const to = slots.data();
  u8* const used = fill.data();
  const unsigned count = buckets;
  for (const u64 slot : from) {
    unsigned b = home_of_slot(slot, count);
    for (unsigned left = probes(count); used[b] == kSlotsPerBucket;) {
      if (--left == 0) return false;
      if (++b == count) b = 0;
    }
    to[b * kSlotsPerBucket + used[b]++] = slot;
  }
  return true;
}

bool HashIndex::Image::has_room(unsigned home) const {
  for (unsigned i = 0; i < probes(buckets); ++i) {
    if (fill[(home + i) % buckets] < kSlotsPerBucket) return true;
  }
  return false;
}

// Gives the segment of `hash` its next size at which there is room. False if it has its last.
bool HashIndex::grow(u64 hash) {
  const Segment segment = segment_of(hash);
  require_directory(segment);
  const unsigned last = size_classes() - 1;
  if (segment.size_class() == last) return false;
  const unsigned next = kNextSize[segment.size_class()];
  const std::span<const u64> entries =
      collect_slots(segment, left_entries_, [](u64 slot) { return slot != 0; });
  for (unsigned size = std::min(next, last); size <= last; ++size) {
    left_.reset((size + 1) * unit());
    const u64 top = wanted(hash, segment.depth) >> (kTagBits - kHomeBits);
    if (!left_.fill_with(entries) || !left_.has_room(home_of_bits(top, left_.buckets))) continue;
    const u64 page = pages_.allocate(pages_of(left_.buckets));
    set_directory(hash, segment.depth, write_image(left_, page, segment.depth));
    pages_.free(segment.page(), pages_of(segment.buckets));
    return true;
  }
  return false;
}

// The slots that are wanted, in their order. Without a branch, since which they are could not be foreseen.
template <class Wanted>
std::span<u64> HashIndex::collect_slots(const Segment& segment, std::vector<u64>& room,
                                        Wanted&& wanted_slot) {
  const unsigned slots = segment.buckets * kSlotsPerBucket;
  room.resize(slots);
  u64* const to = room.data();
  std::size_t count = 0;
  for (unsigned i = 0; i < slots; ++i) {
    const u64 slot = segment.slots[i];
    to[count] = slot;
    count += wanted_slot(slot);
  }
  return {to, count};
}

bool HashIndex::may_split(const Segment& segment) const {
  u64 entries = 0;
  for (unsigned i = 0; i < segment.buckets * kSlotsPerBucket; ++i) entries += segment.slots[i] != 0;
  if (entries * 100 < u64{segment.buckets} * kSlotsPerBucket * kMinSplitLoadPercent) return false;
  if (segment.depth >= kMaxDepth) return false;
  if (segment.depth < header().global_depth) return true;
  const u64 entries_then = u64{2} << header().global_depth;
  return entries_then <= std::max(kFreeDirectoryEntries, kDirectoryEntriesPerKey * count());
}

// Splits the segment of `hash` by its next bit. False if that would not help or is not allowed.
bool HashIndex::split(u64 hash) {
  const Segment segment = segment_of(hash);
  require_directory(segment);
  if (!may_split(segment) || !fill_halves(segment)) return false;
  const unsigned depth = segment.depth;
  if (depth == header().global_depth) double_directory();
  const u64 left_page = pages_.allocate(pages_of(left_.buckets));
  u64 right_page = 0;
  try {
    right_page = pages_.allocate(pages_of(right_.buckets));
  } catch (...) {
    pages_.free(left_page, pages_of(left_.buckets));
    throw;
  }
  const u64 side = u64{1} << (63 - depth);
  set_directory(hash & ~side, depth + 1, write_image(left_, left_page, depth + 1));
  set_directory(hash | side, depth + 1, write_image(right_, right_page, depth + 1));
  pages_.free(segment.page(), pages_of(segment.buckets));
  return true;
}

// Lays out both halves, at the smallest size that leaves them room to grow.
bool HashIndex::fill_halves(const Segment& segment) {
  const std::span<u64> left =
      collect_slots(segment, left_entries_, [](u64 slot) { return (slot != 0) & (slot >> 63 == 0); });
  const std::span<u64> right =
      collect_slots(segment, right_entries_, [](u64 slot) { return slot >> 63 != 0; });
  for (u64& slot : left) slot = halved(slot, segment.depth + 1);
  for (u64& slot : right) slot = halved(slot, segment.depth + 1);
  const u64 unit_slots = u64{unit()} * kSlotsPerBucket;
  const u64 units = std::max(left.size(), right.size()) * 100 / (unit_slots * kSplitLoadPercent) + 1;
  for (u64 size = std::min<u64>(units, size_classes()); size <= size_classes(); ++size) {
    left_.reset(static_cast<unsigned>(size) * unit());
    right_.reset(static_cast<unsigned>(size) * unit());
    if (left_.fill_with(left) && right_.fill_with(right)) return true;
  }
  return false;
}

// The slot after a split: one known bit less, or all of them again if the home bucket's would not be left.
u64 HashIndex::halved(u64 slot, unsigned new_depth) const {
  const u64 position = slot & kPositionMask;
  const unsigned unknown = static_cast<unsigned>(std::countr_zero(slot >> kPositionBits));
  if (kFreshBits - 1 < unknown + kHomeBits) {
    return fresh_tag(hash_of_(position), new_depth) << kPositionBits | position;
  }
  return (slot & ~kPositionMask) << 1 | position;
}

u64 HashIndex::write_image(const Image& image, u64 page, unsigned depth) {
  const u64 bytes = u64{image.buckets} * 64;
  std::memcpy(region_.writable(page << kPageShift, bytes), image.slots.data(), bytes);
  return page | u64{depth} << kDepthShift | u64{image.buckets / unit() - 1} << kSizeShift;
}

// What a change of the directory for this segment will rely on.
void HashIndex::require_directory(const Segment& segment) const {
  const IndexHeader& h = header();
  global_depth();
  if (h.directory == 0 || h.directory > kPageMask || h.directory_pages > kPageMask) {
    damaged("header", 0, "a directory's page", h.directory);
  }
  if (segment.depth > h.global_depth)
    damaged("directory", h.directory, "a depth within the directory's", segment.depth);
  region_.at(h.directory << kPageShift, u64{8} << h.global_depth);
  region_.at(h.directory << kPageShift, h.directory_pages << kPageShift);
}

// All entries whose first `depth` bits are the hash's.
void HashIndex::set_directory(u64 hash, unsigned depth, u64 entry) {
  ++layouts_;
  const unsigned global = header().global_depth;
  const u64 span = u64{1} << (global - depth);
  const u64 first = directory_index(hash, global) & ~(span - 1);
  u64* to =
      reinterpret_cast<u64*>(region_.writable((header().directory << kPageShift) + first * 8, span * 8));
  std::fill_n(to, span, entry);
}

void HashIndex::double_directory() {
  const u64 entries = u64{1} << header().global_depth;
  const u64 bytes = entries * 16;
  const u64 old_page = header().directory;
  const u64 old_pages = header().directory_pages;
  const bool in_place = bytes <= old_pages << kPageShift;
  const u64 page = in_place ? old_page : pages_.allocate(page_up(bytes) >> kPageShift);
  u64* to = reinterpret_cast<u64*>(region_.writable(page << kPageShift, bytes));
  const u64* from = reinterpret_cast<const u64*>(region_.data() + (old_page << kPageShift));
  for (u64 i = entries; i-- != 0;) to[2 * i] = to[2 * i + 1] = from[i];  // from the end: it may be in place
  IndexHeader& h = change_header();
  ++h.global_depth;
  if (in_place) return;
  h.directory = page;
  h.directory_pages = page_up(bytes) >> kPageShift;
  pages_.free(old_page, old_pages);
}

u64 HashIndex::slot_count() const {
  const unsigned global = global_depth();
  u64 slots = 0;
  for (u64 i = 0; i < u64{1} << global;) {
    const u64 entry = load<u64>(region_.at((header().directory << kPageShift) + i * 8, 8));
    const Segment segment = decode(entry);
    if (segment.depth > global) damaged("directory", i * 8, "a depth within the directory's", segment.depth);
    slots += u64{segment.buckets} * kSlotsPerBucket;
    i += u64{1} << (global - segment.depth);
  }
  return slots;
}

}  // namespace emd
