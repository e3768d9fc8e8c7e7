// Dict: byte strings to byte strings, in insertion order.
//
// Four regions: index (header page, directory and segments of an extendible hash table), records (the
// log of keys and values, in insertion order), values (a heap for values that outgrew their record) and delta (new
// entries of an index that is large against the memory; without bytes until then).
// docs/format.md draws them; docs/decisions/ says why they are so.
//
// A key has canonical bytes (hashed and compared) and, optionally, an annex: bytes that belong to the key
// first stored (what the caller needs to give the very key back) and take no part in comparison.
//
// Threads: as the store's. Mutating calls run inside an Operation of the caller.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "alloc/heap.h"
#include "alloc/record_log.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "index/buffered_index.h"
#include "index/key_filter.h"
#include "store/readahead.h"
#include "store/scan.h"
#include "store/store.h"

namespace emd {

// Where a record starts in the log, in units of 8 bytes.
enum class RecordPos : u64 {};

class Dict {
 public:
  static constexpr Kind kKind{1};
  static constexpr const char* kName = "dict";
  static constexpr unsigned kRegionCount = 4;
  // Knobs for tests: tiny segments, and hashes cut to few bits so that they collide. Kept in the header.
  struct Options {
    u32 max_segment_buckets = 512;  // 64-byte buckets a segment may reach before it splits
    u32 hash_bits = 64;
    // New entries that gather before they are merged into the index: BufferedIndex::kNever, kAutomatic, or a number.
    u64 delta_limit = BufferedIndex::kAutomatic;
  };
  using OpenAs = Options;
  // A view of a record; valid until the next mutating call, commit or rollback.
  struct Record {
    RecordPos position;
    Bytes key;
    Bytes annex;
    Bytes value;
  };

  // Opens the dict in the member's regions, or lays an empty one there if they have no bytes (inside an
  // Operation of its own; `options` count only then). Errors: DamagedError, SystemError.
  explicit Dict(Store& store, Member& member, const Options& options);
  explicit Dict(Store& store, Member& member) : Dict(store, member, Options{}) {}
  ~Dict();
  Dict(const Dict&) = delete;
  Dict& operator=(const Dict&) = delete;

  // False if a rollback has taken the layout back: then open it again.
  bool laid_out() const { return index_region_.size() != 0; }
  u64 size() const;
  // Changes with every insertion and removal of a key, and with a rollback (not with a new value for an old key).
  // Of this object, not of the file: a reader beside the writer sees it change when a commit it follows has changed
  // what the log holds, as far as count, length, dead bytes and the file itself tell.
  u64 version() const { return version_; }

  // Cost: one directory line, one or two bucket lines, one record.
  std::optional<Record> find(Bytes key) const;
  // Fetches what put() or find() will look at first, while the caller does something else.
  void prefetch(Bytes key) const;

  // Batches: keys hashed beforehand, in groups whose memory is fetched side by side (batch.cpp). A miss of the
  // cache costs some 100 ns and one of the page cache some 80 us, but a processor waits for ten lines and a disk for
  // 32 pages as long as for one. So: wanted() for each key of a group, fetch() for all, then find() or put() of each.
  static constexpr std::size_t kMaxGroup = 512;
  struct Wanted {
    Bytes key;
    u64 hash;
  };
  Wanted wanted(Bytes key) const { return {key, hash(key)}; }
  // Fetches what find(), put() and erase() of these will look at: buckets, then records, then values outside of them.
  // A hint: it changes nothing, and damage is left for those calls to raise. At most kMaxGroup at a time.
  // Cost: two or three misses a key, side by side.
  void fetch(std::span<const Wanted> group) const;
  // Before each group: whether its pages have to be asked for, by read_ahead(), as some were found missing. Cost: a
  // fraction of a microsecond.
  bool begin_batch() { return readahead_.begin_batch(); }
  // Has the pages read that fetch() will touch, at the disk's full rate. A hint, likewise; waits for most of them.
  void read_ahead(std::span<const Wanted> group) const;
  // As those of a key alone.
  std::optional<Record> find(const Wanted& wanted) const;
  // Of many thousand keys of which pages are on the disk: structures/dict/sweep.h.
  class Sweep;
  bool put(const Wanted& wanted, Bytes annex, Bytes value);
  // Inserts, or replaces the value of the key already there (whose key bytes and annex stay).
  // The arguments may not lie in the dict itself. Cost: as find(), and an append; a full segment is laid out anew.
  // Returns true if it was inserted. Errors: SystemError, DamagedError; the dict is as before.
  bool put(Bytes key, Bytes annex, Bytes value);
  // Replaces the value of a record found a moment ago, without another look-up. `value` may not lie in the
  // dict itself. Errors: SystemError, DamagedError; the dict is as before.
  void set_value(RecordPos position, Bytes value);
  // Returns whether the key was there.
  bool erase(Bytes key);
  // Removes a record found or walked to a moment ago.
  void erase(const Record& record);
  // Cost: a small dict is emptied record by record, a large one by new regions. Errors: as put().
  void clear();

  // Walks in insertion order. An erased or unknown position gives DamagedError at worst, never a crash.
  std::optional<Record> first() const;
  std::optional<Record> last() const;
  std::optional<Record> next(RecordPos position) const;
  std::optional<Record> previous(RecordPos position) const;
  // A walk has come to this position.
  void reached(RecordPos position, Scan& scan) const {
    scan.reached(log_region_, static_cast<u64>(position) * kRecordUnit);
  }
  // The key of the record at a position, as next() would read it.
  Bytes key_at(RecordPos position) const;

  // As it was laid out with.
  Options options() const {
    const IndexHeader& header = index_.header();
    return {header.max_segment_buckets, header.hash_bits, header.delta_limit};
  }

  struct Stats {
    u64 entries, index_bytes, index_free_bytes, record_bytes, live_record_bytes, value_bytes,
        free_value_bytes;
    u64 delta_entries;  // of `entries`, not merged into the index yet
    u64 delta_bytes, delta_free_bytes;
    u64 filter_bytes;  // anonymous memory that tells new keys from old
    double load;       // entries over slots
  };
  Stats stats() const;
  // Every invariant, commented one by one. Cost: O(n) time, 8 bytes of memory an entry.
  void check(Findings& findings) const;

 private:
  // What the log holds, in short: whether it has changed.
  struct Fingerprint {
    u64 count, end, dead, file;
    bool operator==(const Fingerprint&) const = default;
  };

  void open(const Options& options);
  Fingerprint fingerprint() const;
  void follow();
  u64 hash(Bytes key) const { return hash64(key, seed_) & hash_mask_; }
  u64 hash_at(u64 position) const;
  u64 find_position(u64 hash, Bytes key) const;
  template <class Fetch>
  void fetch_by(const Fetch& fetch, std::span<const Wanted> group) const;
  template <class Fetch>
  void fetch_bucket(const Fetch& fetch, u64 hash) const;
  template <class Fetch>
  u64 fetch_record(const Fetch& fetch, u64 hash) const;
  template <class Fetch>
  void fetch_value(const Fetch& fetch, u64 position) const;
  template <class Fetch>
  void fetch_block(const Fetch& fetch, u64 position) const;
  Record to_record(const RecordView& view) const;
  void set_value(const RecordView& view, Bytes value);
  void erase(const RecordView& view, u64 hash);
  void rewrite_empty();
  // Whether no record can have a key of this hash, as far as the filter knows.
  bool known_new(u64 hash) const { return filter_.excludes(hash, log_.end()); }
  void cover_log();
  void check_records(std::vector<u64>& slots, std::vector<HeapRef>& references, Findings& findings) const;

  Store& store_;
  Region& index_region_;
  Region& log_region_;
  Region& heap_region_;
  RecordLog log_;
  Region& delta_region_;
  BufferedIndex index_;
  KeyFilter filter_;
  Heap heap_;
  mutable Readahead readahead_;
  u64 seed_ = 0;
  u64 hash_mask_ = ~u64{0};
  u64 version_ = 0;
  Fingerprint fingerprint_{};  // when it was followed last
};

}  // namespace emd
