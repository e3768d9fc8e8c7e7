// Sorted: byte strings to byte strings, in the order of the keys' bytes: a counted B+-tree.
//
// Two regions: nodes, whose first page is the header (format.h) and whose others are nodes (node.h) of one page each, handed out by
// a page map; and values, a heap for long keys and values. An inner node knows how many keys lie below each child, so the
// i-th key is found, and the number of a key, by one way down. There are no links between leaves: a walk counts, and comes down
// anew for each leaf (walk.h).
//
// What an insertion costs is the pages that it touches. So a leaf keeps slots and records as they have arrived, and their order
// in a permutation of a byte each; a split writes the right half into a page that nothing refers to yet, and changes nothing of
// the left but its header; and where keys come in ascending (or descending) order, a full leaf stays as it is.
// docs/decisions/ has the reasons.
//
// A key has canonical bytes, which are compared, and optionally an annex, as a dict's (structures/dict/dict.h).
//
// Threads: as the store's. Mutating calls run inside an Operation of the caller.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "alloc/heap.h"
#include "alloc/page_map.h"
#include "base/bytes.h"
#include "store/scan.h"
#include "store/store.h"
#include "structures/sorted/node.h"

namespace emd {

class Sorted {
 public:
  static constexpr Kind kKind{9};
  static constexpr const char* kName = "sorted dict";
  static constexpr unsigned kRegionCount = 2;
  // A knob for tests: nodes of few entries, at least 3. Kept in the header.
  struct Options {
    u32 max_entries = kMostEntries;
  };
  using OpenAs = Options;
  // A view of an entry; valid until the next mutating call, commit or rollback.
  struct Record {
    // The key's bytes, one part behind the other.
    std::array<Bytes, 3> key_parts;
    u8 head[4];  // what the second part is, where it is not in the heap
    Bytes annex;
    Bytes value;

    u64 key_size() const { return key_parts[0].size() + key_parts[1].size() + key_parts[2].size(); }
    std::vector<u8> key() const;
    Record() = default;
    Record(const Record& other) { *this = other; }
    Record& operator=(const Record& other);
  };
  // Where an entry is, or would be: the way down to it. Valid as long as generation() stays.
  class Place {
   public:
    bool found() const { return found_; }

   private:
    friend class Sorted;
    struct Step {
      u64 page;
      unsigned index;  // the child's; in the leaf the entry's
    };
    std::array<Step, kMostLevels> steps_;
    unsigned depth_ = 0;  // 0: the tree is empty
    bool found_ = false;
    unsigned leaf_count_ = 0;
  };

  // Opens the tree in the member's regions, or lays an empty one there if they have no bytes (inside an Operation of its own;
  // `options` count only then). Errors: DamagedError, SystemError.
  explicit Sorted(Store& store, Member& member, const Options& options);
  explicit Sorted(Store& store, Member& member) : Sorted(store, member, Options{}) {}
  ~Sorted();
  Sorted(const Sorted&) = delete;
  Sorted& operator=(const Sorted&) = delete;

  bool laid_out() const { return region_.size() != 0; }
  u64 size() const;
  // Changes with every insertion and removal of a key, and with a rollback (not with a new value for an old key). Of this
  // object, not of the file: a reader beside a writer sees it change when a commit that it follows has changed any.
  u64 version() const { return version_; }
  // The same, and when an entry has moved for another reason.
  u64 generation() const { return generation_; }

  // ---- Looking up. Cost of each: a node a level. Errors: DamagedError.

  // Where the key is, or the first that is more.
  Place seek(Bytes key) const;
  // The entry of this number; precondition: number < size().
  Place select(u64 number) const;
  // How many keys are less than what is there.
  u64 rank(const Place& place) const;
  u64 rank(Bytes key) const { return rank(seek(key)); }
  std::optional<Record> find(Bytes key) const;
  // As seek(), for put(): of a key that is more than all, in a run of such, without a search.
  Place seek_to_put(Bytes key) const;
  // The first byte of some key in the leaf; none if it has none, or that key has none.
  std::optional<u8> first_byte_near(const Place& place) const;
  // Precondition: the place is of an entry: found, or by select(), or next() has told so.
  Record at(const Place& place) const;
  // How many entries of the leaf lie at the place and behind it, and before it.
  unsigned behind(const Place& place) const;
  unsigned before(const Place& place) const;
  // Moves within the leaf. Precondition: as many lie there.
  void move(Place& place, int by) const;
  // The neighbours of a place: what is before it and, unless it is found, at it; in the same leaf or not. False at an end.
  bool key_before(const Place& place, std::vector<u8>& key) const;
  bool key_from(const Place& place, std::vector<u8>& key) const;
  // A walk has come to this place.
  void reached(const Place& place, Scan& scan) const;

  // ---- Changing. Errors: SystemError, DamagedError; the tree is as before.

  // Inserts, or replaces the value of the key already there (whose annex stays). The arguments may not lie in the tree itself.
  // Returns whether it was inserted. The second form: at the place that seek() gave for the key. Keys that come in ascending
  // order find the way down without a search.
  bool put(Bytes key, Bytes annex, Bytes value);
  bool put(const Place& place, Bytes key, Bytes annex, Bytes value);
  // Returns whether the key was there.
  bool erase(Bytes key);
  // Removes the entry at a place, as at() takes it.
  void erase(const Place& place);
  // Cost: new regions.
  void clear();

  Options options() const { return {header().max_entries}; }

  struct Stats {
    u64 entries, levels, node_bytes, free_node_bytes, value_bytes, free_value_bytes;
  };
  Stats stats() const;
  // Every invariant, commented one by one. Cost: O(n) time.
  void check(Findings& findings) const;

 private:
  class Split;
  class Checker;
  struct Outline {
    u64 count, edits, moves, file;
    bool operator==(const Outline&) const = default;
  };

  void open(const Options& options);
  void lay_out(u8* page, u32 max_entries, u64 edits) const;
  Outline outline() const;
  void follow();
  const SortedHeader& header() const {
    return *reinterpret_cast<const SortedHeader*>(region_.at(0, kPageSize));
  }
  SortedHeader& change_header() { return *region_.writable_as<SortedHeader>(0); }
  u64 root(unsigned& levels) const;
  [[noreturn]] void damaged(const std::string& expected, u64 found) const;
  Node node(const Place& place, unsigned depth) const {
    return Node(region_, place.steps_[depth].page, place.depth_ - 1 - depth);
  }
  u8* change(u64 page) { return region_.writable(page << kPageShift, kPageSize); }

  Place last_place() const;
  bool is_last(const Place& place) const;
  bool is_first(const Place& place) const;
  // The keys between which all of a node lie: what the way down has told. None: there is no bound.
  using Fence = std::optional<std::vector<u8>>;
  Fence lower_fence(const Place& place, unsigned depth) const;
  Fence upper_fence(const Place& place, unsigned depth) const;
  static std::size_t prefix_between(const Fence& lower, const Fence& upper);

  struct Refs {
    u64 key = 0, body = 0;
  };
  void free_refs(const Refs& refs);
  void require_block(u64 ref) const;
  NodeItem prepare(Bytes key, Bytes annex, Bytes value, std::vector<u8>& body, bool known_key, Refs& made);
  void insert(const Place& place, const NodeItem& item);
  void replace(const Place& place, const NodeEntry& old, const NodeItem& item);
  bool place_directly(const Node& leaf, unsigned index, const NodeItem& item, bool replacing);
  bool fits_anew(const NodeItem* items, std::size_t count, unsigned level, std::size_t prefix) const;
  void write_into(u64 page, unsigned level, Bytes prefix, const NodeItem* items, std::size_t count);
  void count_along(const Place& place, unsigned nodes, i64 by);
  void first_node(const NodeItem& item);
  void join_if_small(Place place) noexcept;
  bool join(const Place& place, unsigned depth);
  void remove_entry(const Node& node, unsigned index, const NodeEntry& entry);
  void drop_nodes();
  void lower_root();
  void key_changed() {
    SortedHeader& changed = change_header();
    ++changed.edits;
    ++version_;
    ++generation_;
  }
  void moved() {
    ++change_header().moves;
    ++generation_;
  }

  Store& store_;
  Region& region_;
  Region& heap_region_;
  PageMap pages_;
  Heap heap_;
  u64 version_ = 0;
  u64 generation_ = 0;
  Outline outline_{};
  // The greatest key, while generation() is this: keys that are more need no search.
  std::vector<u8> last_key_;
  u64 last_key_of_ = ~u64{0};
};

// A sorted dict of keys without values, in the same format.
class SortedSet : public Sorted {
 public:
  static constexpr Kind kKind{10};
  static constexpr const char* kName = "sorted set";
  using Sorted::Sorted;
};

}  // namespace emd
