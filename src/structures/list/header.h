// The first 64 bytes of a list's region of words. Layout: docs/format.md.
#pragma once

#include <cstddef>
#include <type_traits>

#include "base/bytes.h"

namespace emd {

inline constexpr u32 kListMagic = 0x4c444d45;  // "EMDL"
inline constexpr u32 kListFormat = 1;

struct ListHeader {
  u32 magic = kListMagic;
  u32 format = kListFormat;
  u64 length = 0;      // words in use; the region may hold more
  u64 references = 0;  // of them, how many refer to blocks: none lets a change skip looking for them
  u64 changes = 0;     // List::version()
  u64 reserved[4] = {};
};
static_assert(sizeof(ListHeader) == 64 && std::is_trivially_copyable_v<ListHeader>);
static_assert(offsetof(ListHeader, length) == 8);
static_assert(offsetof(ListHeader, references) == 16);
static_assert(offsetof(ListHeader, changes) == 24);

}  // namespace emd
