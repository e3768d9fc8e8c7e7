// The two ways in which a batch fetches what it will read: lines into the cache of the processor, pages into memory.
//
// Addresses lie in a region's window, and heads are aligned to 8 bytes. Both are hints, and wait for nothing.
#pragma once

#include "base/bytes.h"
#include "store/readahead.h"

namespace emd {

class FetchLines {
 public:
  // Of something that begins at `at` and is mostly no longer than `length`.
  void head(const u8* at, u64 length) const {
    __builtin_prefetch(at);
    if (length > 8) __builtin_prefetch(at + length - 1);
  }
  // What follows is left to the processor, which sees where it goes.
  void rest(const u8*, u64) const {}
};

class FetchPages {
 public:
  explicit FetchPages(Readahead& readahead) : readahead_(readahead) {}
  void head(const u8* at, u64) const { readahead_.ask(at, 1); }
  // Of [at, at + length), what lies behind the page of its head.
  void rest(const u8* at, u64 length) const {
    const u8* const next = at - reinterpret_cast<u64>(at) % kPageSize + kPageSize;
    if (at + length > next) readahead_.ask(next, static_cast<u64>(at + length - next));
  }

 private:
  Readahead& readahead_;
};

}  // namespace emd
