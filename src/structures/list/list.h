// List: a sequence of words (structures/list/word.h), each an inline value or a reference to a block of a heap.
//
// Two regions. Words: a header of 64 bytes, then the words; what lies behind the last word is not used. Heap: the
// blocks (alloc/heap.h); each is referred to by exactly one word. A region without bytes is an empty list.
//
// A change of few bytes is made in place. One that would mark more of the private window than is wise (insert(0),
// reverse, sorting) builds the new content in a fresh file instead, so that a list larger than the budget of
// dirty pages can be changed as a whole. docs/format.md draws the header.
//
// A deque (structures/deque/deque.h) is one whose words begin anywhere in their region: what is here holds for both.
//
// Errors, of all mutating calls: SystemError (no space), DamagedError (a block about to be freed is none): the
// list is as before. Of all calls: DamagedError if the header contradicts the region.
//
// Threads: as the store's. Mutating calls run inside an Operation of the caller.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "alloc/heap.h"
#include "base/bytes.h"
#include "store/readahead.h"
#include "store/scan.h"
#include "store/store.h"
#include "structures/list/word.h"

namespace emd {

struct ListHeader;

class List {
 public:
  static constexpr Kind kKind{2};
  static constexpr const char* kName = "list";
  static constexpr unsigned kRegionCount = 2;
  // A change in place may mark this much of the private window, or a sixteenth of the list if that is within a
  // sixteenth of the budget; larger changes are made by rewriting.
  static constexpr u64 kRewriteThreshold = u64{1} << 20;
  static constexpr u64 kHeaderBytes = 64;

  class Reordering;
  struct OpenAs {};

  // Opens the list in the member's regions, which are mapped (Store::acquire). Writes nothing.
  // Errors: DamagedError, FormatError.
  List(Store& store, Member& member, const OpenAs& wanted = {});
  List(const List&) = delete;
  List& operator=(const List&) = delete;

  u64 size() const { return extent().length; }
  // Changes with every change of the sequence, also by rollback, but for set() of a deque; says nothing from one
  // process to another.
  u64 version() const { return words_.size() < kHeaderBytes ? 0 : load<u64>(words_.data() + kChangesAt); }

  // Precondition of all: index < size(), or <= size() for insertion; ranges lie within.
  Word get(u64 index) const {
    EMD_DCHECK(index < size());
    const u64 offset = offset_of(index);
    if (slides_) words_.at(offset, sizeof(Word));  // a writer elsewhere may have moved them since size()
    return load<Word>(words_.data() + offset);
  }
  // The words themselves; valid until the next mutating call, commit or rollback.
  std::span<const Word> words() const {
    const Extent now = extent();
    if (now.length == 0) return {};
    return {reinterpret_cast<const Word*>(words_.data() + packed_offset(now.first)), now.length};
  }
  // The bytes of a referenced element; valid until the next mutating call, commit or rollback.
  // Precondition: word.is_reference().
  Bytes block(Word word) const { return heap_.read(word.as_reference()); }
  // Batches: fetches the words at these indices, and then the blocks they refer to, side by side, for get(), set() and
  // block(). A hint: any indices may be given, and damage is left for those calls to raise. At most kMaxGroup at a
  // time.
  // Cost: warm, some 5 ns an index.
  static constexpr std::size_t kMaxGroup = 512;
  void fetch(std::span<const u64> indices) const;
  // Before each group: whether its pages have to be asked for, by read_ahead(), as some were found missing. Cost: a
  // fraction of a microsecond.
  bool begin_batch() { return readahead_.begin_batch(); }
  // Has the pages read that fetch() will touch, at the disk's full rate. A hint, likewise; waits for most of them.
  void read_ahead(std::span<const u64> indices) const;
  // A walk has come to this index, or to this block.
  void reached(u64 index, Scan& scan) const { scan.reached(words_, offset_of(index)); }
  void reached_block(Word word, Scan& scan) const {
    scan.reached(heap_region_, static_cast<u64>(word.as_reference()) * 8);
  }
  // A word for these bytes, in the heap. The caller puts it into the list, once, or discards it: also when
  // the call that was to put it there has thrown. Errors: SystemError; nothing has changed.
  Word store_block(Bytes bytes) { return Word::reference(heap_.allocate(bytes)); }
  // Frees the block of a word that is not in the list; inline words are let pass.
  void discard(Word word) {
    if (word.is_reference()) heap_.free(word.as_reference());
  }

  // The old word's block, if any, is freed by those that replace or remove it. A span that is passed in does not
  // lie in the list itself.
  //
  // Cost: one word, one page and the header's.
  void set(u64 index, Word word);
  void append(Word word);
  // Cost: large runs go by pwrite, not by page faults.
  void extend(std::span<const Word> words) { splice(size(), size(), words); }
  // Cost of those below: the words behind the change; if that is much, the whole list once, sequentially.
  void insert(u64 index, Word word) { splice(index, index, {&word, 1}); }
  // Replaces [from, to) by these words; the general slice assignment and deletion.
  void splice(u64 from, u64 to, std::span<const Word> words);
  // Removes from, from + step, ... (count of them), step >= 1.
  void remove_strided(u64 from, u64 step, u64 count);
  void reverse();
  // Cost: O(1), but that the old bytes are given back to the disk at a checkpoint.
  void clear();

  // Room for a new order of the words present; file-backed if it is large. Needs no Operation: building the order
  // may run code that uses the store. Errors: SystemError.
  Reordering reorder();
  // Makes it the list's order. Precondition: it holds a permutation of the words that reorder() found.
  // Errors: StateError if the list has changed since, ClosedError if it is gone.
  void adopt(Reordering&& order);
  // reorder(), then fill(to), then adopt(). If fill throws, the list is as before.
  void permute(const std::function<void(std::span<Word> to)>& fill);
  // Throws what adopt() would; for whoever reads the list between calls of code that is not his own.
  void require_unchanged(u64 version) const;
  // For a list that is going to take another's place: its versions go on from that one's.
  void continue_from(u64 version) { highest_version_ = version; }

  struct Stats {
    u64 entries, word_bytes, heap_live_bytes, heap_free_bytes;
  };
  Stats stats() const;
  // Every invariant, commented one by one; about a hundred findings at most. Cost: O(n) time; memory:
  // 8 bytes a block, and a bit for each 8 bytes of the heap.
  void check(Findings& findings) const;

 protected:
  // What is a list in all but where its words begin.
  struct Form {
    u32 magic;
    const char* name;
    bool slides;  // the words may begin anywhere
  };
  List(Store& store, Member& member, const Form& form);

  struct Blocks {  // that a change adds and drops
    u64 added = 0;
    u64 dropped = 0;
  };
  struct Extent {
    u64 first = 0, length = 0;
  };
  static constexpr u64 kLengthAt = 8;
  static constexpr u64 kReferencesAt = 16;
  static constexpr u64 kChangesAt = 24;
  static constexpr u64 kFirstAt = 32;
  static constexpr u64 kDeadAt = 40;
  static constexpr u64 kLimitAt = 48;

  // Which of the region's words are the sequence; they lie in the region. Errors: DamagedError.
  Extent extent() const {
    const u64 bytes = words_.size();
    if (__builtin_expect(bytes < kHeaderBytes, 0)) return {0, size_without_header()};
    const Extent found{first(), load_once<u64>(words_.data() + kLengthAt)};
    const u64 room = (bytes - kHeaderBytes) / sizeof(Word);
    if (__builtin_expect(found.first > room || found.length > room - found.first, 0)) extent_damaged(found);
    return found;
  }
  u64 first() const { return slides_ && has_header() ? load_once<u64>(words_.data() + kFirstAt) : 0; }
  u64 dead() const { return slides_ && has_header() ? load<u64>(words_.data() + kDeadAt) : 0; }
  bool has_header() const { return words_.size() >= kHeaderBytes; }
  u64 offset_of(u64 index) const { return packed_offset(first() + index); }
  // Of a word of the region.
  static constexpr u64 packed_offset(u64 word) { return kHeaderBytes + word * sizeof(Word); }
  // Words of the region from the first of the sequence on, used or not.
  u64 capacity() const { return has_header() ? (words_.size() - kHeaderBytes) / sizeof(Word) - first() : 0; }
  std::span<const Word> range(u64 from, u64 to) const { return words().subspan(from, to - from); }
  bool in_place(u64 from, u64 to) const;
  bool wasteful(u64 length) const;
  void make_room(u64 length);
  u64 next_version();
  void write_header(ListHeader& to, u64 length, const Blocks& blocks);
  void set_header(u64 length, const Blocks& blocks);
  u64 count_blocks(std::span<const Word> leaving, u64 step = 1) const;
  void free_blocks(std::span<const Word> leaving, u64 step = 1);
  template <class Build, class Leave>
  bool rewrite(const Extent& extent, const Blocks& blocks, const Build& build, const Leave& leave);
  static u64 count_references(std::span<const Word> words);

  Store& store_;
  Member& member_;
  Region& words_;

 private:
  void append_words(std::span<const Word> added);
  void splice_in_place(u64 from, u64 to, std::span<const Word> added);
  void strided_in_place(u64 from, u64 step, u64 count);
  template <class Fetch>
  void fetch_by(const Fetch& fetch, std::span<const u64> indices) const;
  template <class Fetch>
  void fetch_block(const Fetch& fetch, Word word) const;
  u64 check_words(Findings& findings, std::size_t limit) const;
  void check_ends(const ListHeader& header, Findings& findings) const;
  u64 size_without_header() const;
  [[noreturn]] void extent_damaged(const Extent& found) const;

  const u32 magic_;
  const char* const name_;
  const bool slides_;
  Region& heap_region_;
  Heap heap_;
  mutable Readahead readahead_;
  u64 highest_version_ = 0;  // ever given by this handle, so that none is given again after a rollback
};

// A new order in the making (List::reorder). Small ones are in memory, large ones in a file that is removed with the
// object unless adopted.
class List::Reordering {
 public:
  u64 size() const { return length_; }
  // The version of the list that is being reordered.
  u64 version() const { return version_; }
  // Starts with zero words. Valid as long as the object.
  std::span<Word> words();
  // Writes through the file where there is one: the fast way for long runs.
  void write(u64 index, std::span<const Word> words);

 private:
  friend class List;
  Reordering(u64 length, u64 version) : length_(length), version_(version) {}

  u64 length_;
  u64 version_;
  std::vector<Word> memory_;
  std::optional<Region::Rewrite> file_;
};

}  // namespace emd
