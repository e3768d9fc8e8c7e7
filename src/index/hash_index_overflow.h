// OverflowPage: entries whose hashes are so equal that their segment cannot hold them.
//
// A chain of pages from the index's header; all but the first are full. Searched only while it is not empty.
#pragma once

#include "base/bytes.h"

namespace emd {

struct OverflowPage {
  struct Pair {
    u64 hash;
    u64 position;
  };
  static constexpr u64 kPairs = (kPageSize - 16) / sizeof(Pair);

  u64 next;  // page; zero: the last
  u64 used;
  Pair pairs[kPairs];
};
static_assert(sizeof(OverflowPage) == kPageSize);

}  // namespace emd
