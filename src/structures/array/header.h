// The first page of an array's region. Layout: docs/format.md.
#pragma once

#include <cstddef>
#include <type_traits>

#include "base/bytes.h"

namespace emd {

inline constexpr u32 kArrayMagic = 0x41444d45;  // "EMDA"
inline constexpr u32 kArrayFormat = 1;

// The text of the element's type follows.
struct ArrayHeader {
  u32 magic = kArrayMagic;
  u32 format = kArrayFormat;
  u64 count = 0;  // items in use; the region may hold more
  u64 element_bytes = 0;
  u32 dimensions = 0;  // of an item
  u32 type_bytes = 0;  // of the text
  u64 shape[16] = {};
};
static_assert(sizeof(ArrayHeader) == 160 && std::is_trivially_copyable_v<ArrayHeader>);
static_assert(offsetof(ArrayHeader, count) == 8);
static_assert(offsetof(ArrayHeader, element_bytes) == 16);
static_assert(offsetof(ArrayHeader, dimensions) == 24);
static_assert(offsetof(ArrayHeader, type_bytes) == 28);
static_assert(offsetof(ArrayHeader, shape) == 32);

}  // namespace emd
