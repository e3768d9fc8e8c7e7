// TypedDict: keys and values of fixed sizes, in rows one behind the other, in insertion order.
//
// Four regions: index and delta (a BufferedIndex whose positions are row numbers), rows, and dead (a bit a row, set
// where it died; it has no bytes until something is erased). docs/format.md draws them.
//
//   rows   header | texts of the key's and the value's type | to a whole page | row 0 | row 1 | ...
//   row    key | to value_offset, zeros | value | to row_bytes, zeros
//
// Keys are bytes: equal keys have equal bytes (the bindings see to it). What the types are is the caller's: this
// knows sizes, and keeps the texts.
//
// A value may have no bytes: then it is a dict of keys alone, which is what a typed set is.
//
// A row that dies in the middle stays until compact(); dead rows at the end are cut off. Blocks of 1 MiB in which all
// rows are dead are given back to the disk, and never written again: an end that has such a block is not cut.
//
// Threads: as the store's. Mutating calls run inside an Operation of the caller.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "index/buffered_index.h"
#include "index/hash_index_batch.h"
#include "index/key_filter.h"
#include "store/readahead.h"
#include "store/scan.h"
#include "store/store.h"

namespace emd {

// The first bytes of the rows region.
struct TypedHeader {
  u64 magic;
  u32 version;
  u32 key_bytes;
  u32 value_bytes;
  u32 value_offset;  // in a row
  u32 row_bytes;
  u32 key_text_bytes;  // behind the header, and behind it the value's
  u32 value_text_bytes;
  u32 unused;
  u64 rows_offset;  // of row 0, whole pages
  u64 rows;         // in use, with dead ones
  u64 dead;
  u64 first;    // rows before it are dead
  u64 changes;  // insertions and removals so far
};
static_assert(sizeof(TypedHeader) == 80 && offsetof(TypedHeader, rows_offset) == 40);

class TypedDict {
 public:
  static constexpr Kind kKind{4};
  static constexpr const char* kName = "typed dict";
  static constexpr unsigned kRegionCount = 4;
  static constexpr u64 kMagic = 0x3145505954444d45;  // "EMDTYPE1"
  static constexpr u32 kVersion = 2;
  static constexpr u32 kMaxRowBytes = u32{1} << 20;
  static constexpr u32 kMaxTextBytes = u32{1} << 20;
  static constexpr u64 kDeadBlock = u64{1} << 20;
  static constexpr u64 kNone = BufferedIndex::kNone;

  // How a row lies, and what its types are called; with the knobs for tests, as Dict's. Kept in the files.
  struct Layout {
    u32 key_bytes = 0;
    u32 value_bytes = 0;
    u32 value_offset = 0;
    u32 row_bytes = 0;
    std::string key_text, value_text;
    u32 max_segment_buckets = 512;
    u32 hash_bits = 64;
    u64 delta_limit = BufferedIndex::kAutomatic;
  };
  using OpenAs = Layout;
  // How add_many() adds: integers wrap.
  enum class Number : u8 { integer8, integer16, integer32, integer64, float32, float64 };

  // Whether a row can lie so. Precondition of the other constructor.
  static bool is_possible(const Layout& layout);

  // Opens the dict in the member's regions. Errors: DamagedError, FormatError, SystemError.
  TypedDict(Store& store, Member& member);
  // The same; lays an empty one there if they have no bytes, inside an Operation of its own, unless a row has none
  // either.
  TypedDict(Store& store, Member& member, const Layout& layout);
  ~TypedDict();
  TypedDict(const TypedDict&) = delete;
  TypedDict& operator=(const TypedDict&) = delete;

  // False if a rollback has taken the layout back: then open it again.
  bool laid_out() const { return rows_.size() != 0; }
  // As it was laid out with.
  Layout layout() const;
  u64 size() const { return index_.count(); }
  // Changes with every insertion and removal of a key, not with a new value for an old key.
  u64 version() const { return load_once<u64>(&header().changes); }
  // For a copy of a dict that had this version().
  void continue_from(u64 version) { change_header().changes = version + 1; }

  // ---- One key: `key` points to key_bytes, `value` to value_bytes; not into the dict itself

  // The row of a key; kNone: there is none. Cost: one directory line, one or two bucket lines, one row; beyond memory
  // also a line or two of the delta. Errors, as of all
  // that read: DamagedError.
  u64 find(const u8* key) const;
  // Of a row in use, or of one that was.
  const u8* key_at(u64 row) const { return row_at(row); }
  const u8* value_at(u64 row) const { return row_at(row) + value_offset_; }
  // Fetches what put() or find() will look at first.
  void prefetch(const u8* key) const { index_.prefetch(hash(key)); }
  // Inserts, or replaces the value of the key that is there; true if it was inserted. A value of no bytes is replaced
  // by doing nothing. Errors: SystemError,
  // DamagedError; the dict is as before.
  bool put(const u8* key, const u8* value);
  // Returns whether the key was there. Errors: as put().
  bool erase(const u8* key);
  void erase_row(u64 row);
  // Cost: a small dict is emptied row by row, a large one by new regions. Errors: as put(); ViewError, if there are
  // views.
  void clear();

  // ---- Rows in insertion order

  // The first row at or behind `row` that is alive, the last before `row`; kNone: there is none.
  u64 next_live(u64 row) const;
  u64 previous_live(u64 row) const;
  u64 first_live() const { return next_live(load_once<u64>(&header().first)); }
  u64 last_live() const { return previous_live(row_count()); }
  // Rows in use, dead ones included, and how many of them are dead.
  u64 row_count() const;
  u64 dead_count() const { return load_once<u64>(&header().dead); }
  // Where row 0 lies in rows(), and how far it is from one to the next.
  u64 rows_offset() const { return rows_offset_; }
  // Told by whoever walks along the rows: see Scan.
  void reached(u64 row, Scan& scan) const { scan.reached(rows_, offset_of(row)); }
  u32 row_bytes() const { return row_bytes_; }
  u32 key_bytes() const { return key_bytes_; }
  u32 value_bytes() const { return value_bytes_; }
  u32 value_offset() const { return value_offset_; }
  Region& rows() const { return rows_; }
  // The bytes of rows [0, row_count()) where they lie; see Region::view(). While it lives, clear() is refused.
  Region::View view_rows() const { return rows_.view(rows_offset_, row_count() * row_bytes_, false); }

  // ---- Many keys: `keys` are count times key_bytes, values likewise, one behind the other
  //
  // Cost: that of as many single calls in instructions, but the lines of many keys are fetched at once. What changes
  // the dict may fail in the middle: then a first part of the keys is done, each wholly.

  // The value of each key goes to out; for those that are not there, `missing`, or nothing if that is null. `found`, if
  // it is not null, gets 1 or 0 for each. Returns how many were there.
  u64 find_many(const u8* keys, u64 count, u8* out, u8* found, const u8* missing) const;
  u64 contains_many(const u8* keys, u64 count, u8* found) const;
  // The same for many thousand keys of which pages are on the disk: structures/typed_dict/sweep.h.
  class Sweep;
  // As put() of one after the other: of equal keys the last counts. Returns how many were inserted.
  u64 put_many(const u8* keys, const u8* values, u64 count);
  // Adds each delta to the value of its key, or inserts it. Precondition: value_bytes is that of `number`.
  void add_many(const u8* keys, const u8* deltas, u64 count, Number number);
  // As find_many(), and removes what it finds. `out` may be null.
  u64 erase_many(const u8* keys, u64 count, u8* out, u8* found, const u8* missing);

  struct Stats {
    u64 entries, index_bytes, index_free_bytes, row_bytes, live_row_bytes, dead_map_bytes;
    u64 delta_entries, delta_bytes, delta_free_bytes;
    u64 filter_bytes;  // in anonymous memory
    double load;       // entries over slots, of index and delta
  };
  Stats stats() const;
  // For who has met another number of live rows than size() says. Errors: DamagedError, always.
  [[noreturn]] void damaged_counts() const;
  // Every invariant, commented one by one. Cost: O(n) time, 8 bytes of memory an entry.
  void check(Findings& findings) const;

 private:
  // Keys that are looked up together, so that their lines are on the way at once: more than a core can fetch at a
  // time, and few enough that all stay in its cache.
  static constexpr unsigned kBlock = 64;
  // Keys whose pages are asked for together, where pages are missing.
  static constexpr u64 kGroup = 512;
  static_assert(kGroup % kBlock == 0);
  struct Block {
    std::array<u64, kBlock> hashes;
    std::array<HashIndex::Batch::Probe, kBlock> probes;
    std::array<u64, kBlock> rows;   // kNone: not there
    std::array<u64, kBlock> slots;  // of those: where in the index they would go; zero: it has to be searched
  };

  TypedDict(Store& store, Member& member, const Layout* layout);
  void open();
  void format(const Layout& layout);
  std::vector<u8> header_page(const Layout& layout) const;
  u64 hash(const u8* key) const { return hash64({key, key_bytes_}, seed_) & hash_mask_; }
  u64 hash_at(u64 row) const { return hash(row_at(row)); }
  u64 offset_of(u64 row) const { return rows_offset_ + row * row_bytes_; }
  // Checked: the row is in use, and lies in the region.
  const u8* row_at(u64 row) const {
    if (__builtin_expect(row >= load_once<u64>(&header().rows) || row > kPositionMask, 0)) damaged_row(row);
    return rows_.at(offset_of(row), row_bytes_);
  }
  template <class Keys>
  u64 find_row(const Keys& keys, u64 hash, const u8* key, BufferedIndex::InsertionPoint* point) const;
  template <class Keys>
  bool put_with(const Keys& keys, u64 hash, const u8* key, const u8* value);
  // Whether the filter excludes that a live row has a key of this hash.
  bool known_new(u64 hash) const { return filter_.excludes(hash, row_count()); }
  void cover_rows();
  void set_value(u64 row, const u8* value);
  void reserve_rows(u64 count);
  void insert_row(const BufferedIndex::InsertionPoint& point, u64 hash, const u8* key, const u8* value);
  void erase_row(u64 row, u64 hash);
  bool is_dead(u64 row) const { return dead_word(row / 64) >> (row % 64) & 1; }
  u64 dead_word(u64 word) const {
    return word < dead_.size() / 8 ? load_once<u64>(dead_.data() + word * 8) : 0;
  }
  u64 next_live(u64 row, u64 end) const;
  u64 previous_live(u64 row, u64 floor) const;
  u64 end_without(u64 last_row) const;
  void cut(u64 new_count);
  void give_back_around(u64 row);
  bool block_is_dead(u64 block, u64 row) const;
  // The rows that overlap a block of the rows region: [first, end).
  struct RowRange {
    u64 first, end;
  };
  RowRange rows_of_block(u64 block) const;
  template <class Call>
  decltype(auto) with_keys(Call&& call) const;
  template <class Keys>
  void locate(const Keys& keys, const u8* key, unsigned count, Block& block) const;
  class RowFetcher;
  void guess_rows(const HashIndex& index, unsigned count, Block& block) const;
  void guess_buffered_rows(unsigned count, Block& block) const;
  template <class Keys>
  u64 put_block(const Keys& keys, const Block& block, const u8* key, const u8* value, unsigned count);
  template <class Keys>
  void append_rows(const Keys& keys, const u8* key, const u8* value, std::span<const unsigned> which);
  template <class Keys>
  void ask_ahead(const Keys& keys, const u8* key, u64 count) const;
  template <class Visit>
  void for_blocks(const u8* keys, u64 count, Visit&& visit) const;
  template <class Add>
  void add_with(const u8* keys, const u8* deltas, u64 count, Add&& add);
  static void copy_value(u8* to, const u8* from, u64 bytes) {
    if (bytes == 8) {
      std::memcpy(to, from, 8);  // a load and a store rather than a call
    } else if (bytes != 0) {     // there is no value to point to
      std::memcpy(to, from, bytes);
    }
  }
  void check_dead_map(Findings& findings) const;
  void check_rows(const std::vector<u64>& named, Findings& findings) const;
  const TypedHeader& header() const { return *reinterpret_cast<const TypedHeader*>(rows_.data()); }
  TypedHeader& change_header() { return *rows_.writable_as<TypedHeader>(0); }
  [[noreturn]] void damaged(const char* what, const char* expected, u64 found) const;
  [[noreturn]] void damaged_row(u64 row) const;

  Store& store_;
  Region& index_region_;
  Region& rows_;
  Region& dead_;
  Region& delta_;
  BufferedIndex index_;
  KeyFilter filter_;  // of the live rows before row covered(), while the index buffers
  mutable Readahead readahead_;
  u64 seed_ = 0;
  u64 hash_mask_ = ~u64{0};
  // From the header, when it was validated; they never change.
  u32 key_bytes_ = 1;
  u32 value_bytes_ = 1;
  u32 value_offset_ = 1;
  u32 row_bytes_ = 1;
  u64 rows_offset_ = 0;
};

inline u64 TypedDict::row_count() const {
  const u64 rows = load_once<u64>(&header().rows);
  if (__builtin_expect(rows > (rows_.size() - rows_offset_) / row_bytes_, 0)) {
    damaged("header", "no more rows than the region has room for", rows);
  }
  return rows;
}

}  // namespace emd
