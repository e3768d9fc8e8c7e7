// HashIndex: hashes to positions of records, by extendible hashing in one region.
//
// (Fagin, Nievergelt, Pippenger, Strong: Extendible hashing, TODS 1979. The figures and the alternatives:
// docs/decisions/0001-index.md.)
//
//   page 0       header; the page map's bits (alloc/page_map.h)
//   directory    2^global_depth entries, by the top bits of the hash; an entry names a segment
//   segment      1 to 8 pages of 64-byte buckets of eight slots, no header
//   overflow     pages of (hash, position) pairs, for more equal hashes than a segment can hold
//
//   directory entry   bits 0-39 page, 40-45 local depth, 46-48 segment size in units, less one
//   slot              bits 0-41 position, bits 42-63 r: the hash's bits behind the segment's prefix, then a
//                     1, then zeros. Zero: empty.
//
// r knows 21 bits when it is made. A split takes its top bit, so it never reads records; below 13
// bits, which the home bucket is computed from, it is made anew from the record's key: one in 256 a split.
//
// Probing goes from the home bucket on, round the segment. Invariant: an entry in bucket b with home a implies
// that the buckets a to b - 1 are full; the slots of a bucket are filled from the first. So a search
// ends at the first bucket that is not full.
//
// Threads: as the store's. Everything read from the region is validated before use.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "alloc/page_map.h"
#include "alloc/record_log.h"
#include "base/bytes.h"
#include "base/errors.h"
#include "index/bucket.h"
#include "store/region.h"

namespace emd {

// The first bytes of the index region, at most half a page.
struct IndexHeader {
  u64 magic;
  u32 version;
  u32 max_segment_buckets;
  u32 hash_bits;
  u32 global_depth;
  u64 seed;
  u64 count;      // entries, in segments and overflow
  u64 directory;  // page
  u64 directory_pages;
  u64 overflow_head;  // page; zero: none
  u64 overflow_count;
  PageMapState pages;
  RecordLogState log;  // of the main index only
  u64 delta_limit;     // of the main index only: index/buffered_index.h
  u64 merge_hand;      // of a delta index only: the first hash of the range that is merged next
};
static_assert(sizeof(IndexHeader) == 120 && sizeof(IndexHeader) <= PageMap::kBitsOffset);
static_assert(offsetof(IndexHeader, pages) == 72 && offsetof(IndexHeader, log) == 88);
static_assert(offsetof(IndexHeader, delta_limit) == 104);

struct OverflowPage;

class HashIndex {
 public:
  static constexpr u64 kMagic = 0x3154434944444d45;  // "EMDDICT1"
  static constexpr u32 kVersion = 1;
  static constexpr unsigned kHomeBits = 13;
  static constexpr unsigned kMaxProbes = 16;    // buckets
  static constexpr unsigned kSegmentSizes = 8;  // a segment is 1 to 8 units
  static constexpr unsigned kMaxSegmentBuckets = 512;
  // 4 million segments, 12 billion entries: the directory is one run of the page map.
  static constexpr unsigned kMaxDepth = 22;
  static constexpr u64 kNone = ~u64{0};

  // Gives the hash of the key of the record at a position. May throw DamagedError.
  using HashOf = std::function<u64(u64 position)>;

  HashIndex(Region& region, HashOf hash_of)
      : region_(region), pages_(region, offsetof(IndexHeader, pages)), hash_of_(std::move(hash_of)) {}

  // How many bytes format() lays.
  static constexpr u64 kEmptyBytes = 3 * kPageSize;
  // Lays an empty index into zero bytes.
  static void format(u8* to, u32 max_segment_buckets, u32 hash_bits, u64 seed, u64 delta_limit = 0);
  // Validates the header. Errors: DamagedError, FormatError.
  void open(u64 seed);
  // What open() takes from the header, for an index that may be laid later.
  void set_layout(u32 max_segment_buckets);

  const IndexHeader& header() const { return *reinterpret_cast<const IndexHeader*>(region_.data()); }
  u64 count() const { return header().count; }
  // Errors: DamagedError if the region has no slots for so many.
  u64 checked_count() const {
    const u64 entries = load_once<u64>(&header().count);
    if (__builtin_expect(entries > region_.size() / sizeof(u64), 0)) damaged_count(entries);
    return entries;
  }

  // Where an entry will go. Good until the next change of the index.
  struct InsertionPoint {
    u64 offset = 0;  // of the slot, or of the overflow page; zero: none yet
    u64 tag = 0;
    bool overflow = false;
  };

  // The position for which match(position) holds, among those whose known bits are the hash's; kNone if none. Then, if
  // `point` is given, it gets the free slot where the search ended, if there was one.
  // Cost: one directory line, one bucket line (1.2 at worst on average), and what match() costs.
  template <class Match>
  u64 find(u64 hash, Match&& match, InsertionPoint* point = nullptr) const;

  // A batch looks up in steps, so that the lines of many keys are on their way at once: all hashes; prefetch() of each;
  // candidate() of each, and a prefetch of its record; the records. Only where a candidate's key is another one is
  // find() needed. Where pages may be on disk, the pages of bucket_address() and of the records are asked for likewise.
  // Large batches do it with less work a key by Batch (index/hash_index_batch.h).
  class Batch;

  // The bucket that find() looks at first: 64 bytes. Errors, as of all three: DamagedError.
  const u8* bucket_address(u64 hash) const {
    const Segment segment = segment_of(hash);
    const u64 top = wanted(hash, segment.depth) >> (kTagBits - kHomeBits);
    return reinterpret_cast<const u8*>(segment.slots +
                                       u64{home_of_bits(top, segment.buckets)} * kSlotsPerBucket);
  }
  // Fetches that bucket. Cost: one directory line.
  void prefetch(u64 hash) const { __builtin_prefetch(bucket_address(hash)); }
  // The first position that find() would offer to match(), in all but one of some hundreds of cases the only one;
  // kNone: there is none. Reads no record.
  u64 candidate(u64 hash) const {
    return find(hash, [](u64) { return true; });
  }

  // Makes room for one more entry of this hash, growing or splitting what is full. Errors: SystemError,
  // DamagedError; the index holds what it held.
  InsertionPoint make_room(u64 hash);
  // Another number when segments may lie elsewhere, or an entry outside of them: insert() and erase() leave it.
  u64 layouts() const { return layouts_; }
  // Adds an entry in the room just made. Does not fail.
  void insert(const InsertionPoint& point, u64 hash, u64 position);
  // The same at a slot that Batch has found free, a block of them at a time: each is put, and then all are counted. Do
  // not fail. put_at() gives false, and does nothing, if the slot has been taken since.
  bool put_at(u64 slot, u32 wanted_tag, u64 position);
  void add_count(u64 entries) { change_header().count += entries; }
  // Takes an entry out; false if it was not there. Errors: DamagedError; nothing has changed.
  bool erase(u64 hash, u64 position);

  // ---- Moving entries from one index to another, a segment at a time; hash_index_merge.cpp

  // The hashes that one segment holds: those whose first `depth` bits are those of `first`, whose others are zero.
  struct Range {
    u64 first = 0;
    unsigned depth = 0;
    u64 last() const { return first | ~u64{0} >> depth; }
  };
  // An entry as its slot knows it: the first `known` bits of its hash; the others are zero.
  struct KnownEntry {
    u64 bits;
    unsigned known;
    u64 position;
  };
  // Errors of these: DamagedError.
  Range range_of(u64 hash) const;
  // Appends the entries of the segment of `hash`, nearly in the order of their hashes.
  void collect(u64 hash, std::vector<KnownEntry>& entries) const;
  // Appends up to a page of entries that their segments could not hold.
  void collect_overflow(std::vector<KnownEntry>& entries) const;
  // Calls f(first byte, length) for each segment that holds hashes of `range`, until it gives false.
  template <class F>
  void for_each_segment(const Range& range, F&& f) const;
  // Adds an entry; reads its record only if its known bits would not do. Errors: as make_room().
  void add_known(KnownEntry entry);
  // Takes all entries out of the segment of `hash`, which keeps its size. Precondition: collect() has read it.
  void empty_segment(u64 hash);
  void set_merge_hand(u64 hash) { change_header().merge_hand = hash; }

  u64 slot_count() const;
  // Of pages that no segment uses.
  u64 free_bytes() const { return pages_.free_pages() << kPageShift; }
  // Every invariant of the index alone; calls visit(position) for each entry.
  void check(Findings& findings, const std::function<void(u64 position)>& visit) const;

 private:
  struct Segment {
    const u64* slots;
    u64 entry;
    unsigned depth;
    unsigned buckets;
    u64 page() const { return entry & kPageMask; }
    unsigned size_class() const { return static_cast<unsigned>(entry >> kSizeShift & 7); }
  };
  struct PlacedSegment {
    Segment segment;
    u64 prefix;
  };
  // A segment laid out in memory before it is written.
  struct Image {
    std::vector<u64> slots;
    std::vector<u8> fill;
    unsigned buckets = 0;
    void reset(unsigned bucket_count);
    bool fill_with(std::span<const u64> from);
    bool has_room(unsigned home) const;
  };
  static constexpr u64 kPageMask = (u64{1} << 40) - 1;
  static constexpr unsigned kDepthShift = 40;
  static constexpr unsigned kSizeShift = 46;
  static constexpr unsigned kFreshBits = kTagBits - 1;

  static unsigned home_of_bits(u64 top13, unsigned buckets) {
    return static_cast<unsigned>(top13 * buckets >> kHomeBits);
  }
  static unsigned home_of_slot(u64 slot, unsigned buckets) {
    return home_of_bits(slot >> (64 - kHomeBits), buckets);
  }
  // How many buckets behind its home an entry of bucket b lies.
  static unsigned displacement(u64 slot, unsigned b, unsigned buckets) {
    const unsigned home = home_of_slot(slot, buckets);
    return b >= home ? b - home : b + buckets - home;
  }
  static u64 wanted(u64 hash, unsigned depth) { return hash << depth >> kPositionBits; }
  static u64 fresh_tag(u64 hash, unsigned depth) { return wanted(hash, depth) | 1; }
  // The tag of which the first `known` bits, at most 21, are the hash's.
  static u64 known_tag(u64 hash, unsigned depth, unsigned known) {
    const unsigned unknown = kFreshBits - known;
    return (wanted(hash, depth) >> (unknown + 1) << 1 | 1) << unknown;
  }
  static unsigned probes(unsigned buckets) { return buckets < kMaxProbes ? buckets : kMaxProbes; }
  static u64 directory_index(u64 hash, unsigned depth) { return hash >> 1 >> (63 - depth); }

  // Buckets in a unit, and the sizes a segment can have; from the header, when it was validated.
  unsigned unit() const { return unit_; }
  unsigned size_classes() const { return size_classes_; }
  unsigned global_depth() const {
    const unsigned depth = load_once<u32>(&header().global_depth);
    if (__builtin_expect(depth > kMaxDepth, 0)) damaged("header", 0, "a depth of at most 22", depth);
    return depth;
  }
  u64 pages_of(unsigned buckets) const { return (u64{buckets} * 64 + kPageSize - 1) >> kPageShift; }
  IndexHeader& change_header() { return *region_.writable_as<IndexHeader>(0); }
  Segment segment_of(u64 hash) const;
  Segment decode(u64 entry) const;
  std::optional<InsertionPoint> free_slot(u64 hash) const;
  // The first free slot of a bucket that is not full.
  InsertionPoint point_in(const u64* bucket, u64 hash, unsigned depth) const {
    const u8* slot = reinterpret_cast<const u8*>(bucket + bucket_fill(bucket));
    return {static_cast<u64>(slot - region_.data()), fresh_tag(hash, depth), false};
  }
  bool grow(u64 hash);
  bool split(u64 hash);
  bool may_split(const Segment& segment) const;
  bool fill_halves(const Segment& segment);
  template <class Wanted>
  static std::span<u64> collect_slots(const Segment& segment, std::vector<u64>& room, Wanted&& wanted_slot);
  u64 halved(u64 slot, unsigned new_depth) const;
  void require_directory(const Segment& segment) const;
  u64 write_image(const Image& image, u64 page, unsigned depth);
  void set_directory(u64 hash, unsigned depth, u64 entry);
  void double_directory();
  bool remove_slot(u64 segment_offset, unsigned b, unsigned slot);
  void fill_hole(u64 segment_offset, unsigned buckets, unsigned b);
  InsertionPoint overflow_room();
  const OverflowPage& overflow_page(u64 page) const;
  void drop_overflow_head();
  u64 overflow_scan(u64 hash, const std::function<bool(u64)>& match) const;
  bool overflow_erase(u64 hash, u64 position);
  void check_segment(const Segment& segment, u64 prefix, Findings& findings, u64& count,
                     const std::function<void(u64)>& visit) const;
  void check_hash(const Segment& segment, u64 prefix, u64 slot, unsigned b, Findings& findings) const;
  std::vector<PlacedSegment> check_directory(std::vector<std::pair<u64, u64>>& runs,
                                             Findings& findings) const;
  bool check_pages(const std::vector<std::pair<u64, u64>>& runs, Findings& findings) const;
  u64 check_overflow(std::vector<std::pair<u64, u64>>& runs, Findings& findings,
                     const std::function<void(u64)>& visit) const;
  [[noreturn]] void damaged(const char* what, u64 offset, const char* expected, u64 found) const;
  [[noreturn]] void damaged_count(u64 entries) const;
  [[noreturn]] void damaged_segment(u64 entry) const;

  Region& region_;
  PageMap pages_;
  HashOf hash_of_;
  u64 layouts_ = 0;
  unsigned unit_ = 1;
  unsigned size_classes_ = 1;
  // Scratch of grow() and split().
  Image left_, right_;
  std::vector<u64> left_entries_, right_entries_;
};

inline HashIndex::Segment HashIndex::decode(u64 entry) const {
  Segment segment;
  segment.entry = entry;
  // The header is nobody's segment: a change of one must not change the other.
  if (__builtin_expect(segment.page() == 0, 0)) damaged("directory entry", entry, "a segment's page", 0);
  segment.depth = static_cast<unsigned>(entry >> kDepthShift & 63);
  segment.buckets = (static_cast<unsigned>(entry >> kSizeShift & 7) + 1) * unit();
  segment.slots =
      reinterpret_cast<const u64*>(region_.at((entry & kPageMask) << kPageShift, u64{segment.buckets} * 64));
  return segment;
}

inline HashIndex::Segment HashIndex::segment_of(u64 hash) const {
  const u64 entry =
      (load_once<u64>(&header().directory) << kPageShift) + directory_index(hash, global_depth()) * 8;
  return decode(load_once<u64>(region_.at(entry, 8)));
}

inline bool HashIndex::put_at(u64 slot, u32 wanted_tag, u64 position) {
  if (load<u64>(region_.data() + slot) != 0) return false;
  *region_.writable_as<u64>(slot) = (u64{wanted_tag} | 1) << kPositionBits | position;
  return true;
}

template <class F>
void HashIndex::for_each_segment(const Range& range, F&& f) const {
  for (u64 hash = range.first;;) {
    const Range here = range_of(hash);
    const Segment segment = segment_of(hash);
    if (!f(reinterpret_cast<const u8*>(segment.slots), u64{segment.buckets} * 64)) return;
    if (here.last() >= range.last()) return;
    hash = here.last() + 1;
  }
}

template <class Match>
u64 HashIndex::find(u64 hash, Match&& match, InsertionPoint* point) const {
  const Segment segment = segment_of(hash);
  const u64 bits = wanted(hash, segment.depth);
  unsigned b = home_of_bits(bits >> (kTagBits - kHomeBits), segment.buckets);
  for (unsigned left = probes(segment.buckets); left != 0; --left) {
    const u64* bucket = segment.slots + b * kSlotsPerBucket;
    for (unsigned found = matching_slots(bucket, bits); found != 0; found &= found - 1) {
      const u64 position = bucket[__builtin_ctz(found)] & kPositionMask;
      if (match(position)) return position;
    }
    if (bucket[kSlotsPerBucket - 1] == 0) {
      if (point != nullptr) *point = point_in(bucket, hash, segment.depth);
      break;
    }
    if (++b == segment.buckets) b = 0;
  }
  if (__builtin_expect(header().overflow_count != 0, 0)) return overflow_scan(hash, match);
  return kNone;
}

}  // namespace emd
