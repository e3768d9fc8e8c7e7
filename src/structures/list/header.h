// The first 64 bytes of the region of words of a list or a deque. Layout: docs/format.md.
#pragma once

#include <cstddef>
#include <type_traits>

#include "base/bytes.h"

namespace emd {

inline constexpr u32 kListMagic = 0x4c444d45;   // "EMDL"
inline constexpr u32 kDequeMagic = 0x51444d45;  // "EMDQ"
inline constexpr u32 kListFormat = 1;           // of both

struct ListHeader {
  u32 magic = kListMagic;
  u32 format = kListFormat;
  u64 length = 0;      // words in use; the region may hold more
  u64 references = 0;  // of them, how many refer to blocks: none lets a change skip looking for them
  u64 changes = 0;     // List::version()
  // Of a deque; zero in a list.
  u64 first = 0;  // words before the first element
  u64 dead = 0;   // of them, how many are given up: a multiple of a page ends there
  u64 limit = 0;  // most elements, plus one; zero: as many as there are
  u64 reserved = 0;
};
static_assert(sizeof(ListHeader) == 64 && std::is_trivially_copyable_v<ListHeader>);
static_assert(offsetof(ListHeader, length) == 8);
static_assert(offsetof(ListHeader, references) == 16);
static_assert(offsetof(ListHeader, changes) == 24);
static_assert(offsetof(ListHeader, first) == 32);
static_assert(offsetof(ListHeader, dead) == 40);
static_assert(offsetof(ListHeader, limit) == 48);

}  // namespace emd
