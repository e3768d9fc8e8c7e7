// SweepOrder: the keys of a large batch of look-ups, in an order in which pages are read once and side by side.
//
// Where pages are missing, and a batch has so many keys that several share a page, it goes in two passes: in the order
// of the hashes, which is that of the index and names the records; then in the order of these. So a page is read once
// for all keys of the batch that it serves, and pages that lie near each other are read together. (Graefe: Query
// evaluation techniques for large databases, 1993, on fetching records by sorted references.)
//
// A key of the batch costs 16 bytes of memory, and its part of two sorts.
//
// Threads: one uses it.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "platform/mapping.h"

namespace emd {

// Ranges of memory whose pages are read soon, put together where what lies between them is less than another read
// costs.
class PageRanges {
 public:
  PageRanges() = default;
  PageRanges(const PageRanges&) = delete;
  PageRanges& operator=(const PageRanges&) = delete;
  ~PageRanges() { flush(); }
  // Null: nothing.
  void add(const u8* at, u64 length) {
    if (at == nullptr) return;
    if (at >= begin_ && at <= end_ + kGap && at + length <= begin_ + kMost) {
      end_ = std::max(end_, at + length);
    } else {
      flush();
      begin_ = at;
      end_ = at + length;
    }
  }

 private:
  static constexpr u64 kGap = 4 * kPageSize;
  static constexpr u64 kMost = u64{1} << 20;
  void flush() {
    if (begin_ != nullptr) platform::will_need(begin_, static_cast<u64>(end_ - begin_));
    begin_ = end_ = nullptr;
  }
  const u8* begin_ = nullptr;
  const u8* end_ = nullptr;
};

class SweepOrder {
 public:
  struct Entry {
    u64 sort_key;  // in the first pass the hash, then the record's position or row
    u64 key;       // its number in the batch
  };

  // For a batch of so many keys, with so much memory for it: how many of them are worth a sweep through an index of so
  // many bytes; zero: they are not.
  static u64 keys_of(u64 count, u64 memory, u64 index_bytes) {
    const u64 keys = std::min(count, memory / sizeof(Entry));
    return keys >= std::max(kLeastKeys, (index_bytes >> kPageShift) / kPagesPerKey) ? keys : 0;
  }

  // `hash(i)` is that of the i-th key. Errors: bad_alloc.
  template <class Hash>
  SweepOrder(u64 count, Hash&& hash) : entries_(count) {
    for (u64 i = 0; i < count; ++i) entries_[i] = {hash(i), i};
    turn();
  }
  // Sorts by what the pass has given each as its sort_key.
  void turn() {
    std::sort(entries_.begin(), entries_.end(),
              [](const Entry& a, const Entry& b) { return a.sort_key < b.sort_key; });
    asked_ = 0;
  }

  // A step: the entries from number `first` on.
  std::span<Entry> step(u64 first) {
    return std::span<Entry>(entries_).subspan(first, std::min<u64>(kStep, entries_.size() - first));
  }
  // Asks for what entries of this step will read, and of the next, so that the disk is never idle: `page_of` gives
  // where it lies, or null.
  template <class PageOf>
  void ask_ahead(u64 first, u64 length, PageOf&& page_of) {
    PageRanges ranges;
    const u64 until = std::min<u64>(first + 2 * kStep, entries_.size());
    for (; asked_ < until; ++asked_) ranges.add(page_of(entries_[asked_]), length);
  }

 private:
  static constexpr u64 kStep = 2048;
  static constexpr u64 kLeastKeys = 8192;
  static constexpr u64 kPagesPerKey = 4;  // of the index, at most

  std::vector<Entry> entries_;
  u64 asked_ = 0;  // what entries before it read was asked for, in this pass
};

}  // namespace emd
