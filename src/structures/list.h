// List: a sequence of 64-bit words, each an inline value or a reference to a block of a heap.
//
// Two regions: words (a header page, then the words) and heap. A word is opaque here but for one thing: whether it
// refers to a block. Words are NaN-boxed by this header: floats are their own bits; the quiet-NaN
// space with the sign set carries a 3-bit tag and 48 bits.
//
// Threads: as the store's. Mutating calls run inside an Operation of the caller.
#pragma once

#include <functional>

#include "alloc/heap.h"
#include "base/bytes.h"
#include "store/store.h"

namespace emd {

// The boxed word.
struct Word {
  u64 bits = 0;

  enum class Tag : u8 { real, integer, none, boolean, text, reference };

  // A float that is itself a NaN is kept as the canonical quiet NaN if its bits are that, and goes to
  // the heap (caller's choice) otherwise.
  static bool fits_real(double value);
  static bool fits_integer(i64 value);  // 48 bits, signed
  static Word real(double value);
  static Word integer(i64 value);
  static Word none();
  static Word boolean(bool value);
  static bool fits_text(Bytes utf8);  // at most 5 bytes, no zero byte
  static Word text(Bytes utf8);
  static Word reference(HeapRef ref);

  Tag tag() const;
  double as_real() const;
  i64 as_integer() const;
  bool as_boolean() const;
  // Writes at most 5 bytes to `to`, returns how many.
  unsigned as_text(u8* to) const;
  HeapRef as_reference() const;
};

class List {
 public:
  static constexpr unsigned kRegionCount = 2;
  // In-place changes of more private bytes than this are done by rewriting instead.
  static constexpr u64 kRewriteThreshold = u64{1} << 20;

  explicit List(Store& store, Member& member);

  u64 size() const;
  // Changes with every change of the sequence.
  u64 version() const;

  // Precondition of all: index < size(), or <= size() for insertion; ranges lie within.
  Word get(u64 index) const;
  // The words themselves; valid until the next mutating call, commit or rollback.
  std::span<const Word> words() const;
  // The bytes of a referenced element.
  Bytes block(Word word) const;
  // A word for these bytes, in the heap. Errors: SystemError; nothing has changed.
  Word store_block(Bytes bytes);
  void reserve_block(u64 bytes);

  // The old word's block, if any, is freed by those that replace or remove it.
  void set(u64 index, Word word);
  void append(Word word);
  void extend(std::span<const Word> words);
  void insert(u64 index, Word word);
  // Replaces [from, to) by these words; the general slice assignment and deletion.
  void splice(u64 from, u64 to, std::span<const Word> words);
  // Removes from, from + step, ... (count of them), step >= 1.
  void remove_strided(u64 from, u64 step, u64 count);
  void reverse();
  void clear();
  // Sorts the whole list: the order must be a permutation given as runs by the caller (see
  // algorithms/sort.h); here: replaces all words by `fill(to)`'s, which writes size() words that are a
  // permutation of the present ones. If fill throws, the list is as before.
  void permute(const std::function<void(std::span<Word> to)>& fill);

  struct Stats {
    u64 entries, word_bytes, heap_live_bytes, heap_free_bytes;
  };
  Stats stats() const;
  void check(Findings& findings) const;
};

}  // namespace emd
