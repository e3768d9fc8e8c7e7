// What shadow memory keeps in its regions. Layout: docs/format.md.
#pragma once

#include <cstddef>
#include <type_traits>

#include "base/bytes.h"

namespace emd {

inline constexpr u32 kShadowMagic = 0x53444d45;  // "EMDS"
inline constexpr u32 kShadowFormat = 1;

// At the begin of the first region; the ranges follow at kShadowRangesAt.
struct ShadowHeader {
  u32 magic = kShadowMagic;
  u32 format = kShadowFormat;
  u32 width = 0;   // bytes of flags an address: 1 to 8, which lie in the next power of two
  u32 height = 0;  // levels of nodes above the chunks
  u64 root = 0;    // a node, a chunk (at height 0), or the flags of every address
  u32 root_is_reference = 0;
  u32 reserved = 0;
  u64 range_count = 0;
  u64 free_node = 0;  // one more than its number; 0: none
  u64 free_nodes = 0;
  u64 free_chunks = 0;  // numbers in the region of free chunks; it may be longer
};
inline constexpr u64 kShadowRangesAt = 128;
static_assert(sizeof(ShadowHeader) == 64 && std::is_trivially_copyable_v<ShadowHeader>);
static_assert(sizeof(ShadowHeader) <= kShadowRangesAt);
static_assert(offsetof(ShadowHeader, height) == 12);
static_assert(offsetof(ShadowHeader, root) == 16);
static_assert(offsetof(ShadowHeader, root_is_reference) == 24);
static_assert(offsetof(ShadowHeader, range_count) == 32);
static_assert(offsetof(ShadowHeader, free_node) == 40);
static_assert(offsetof(ShadowHeader, free_nodes) == 48);
static_assert(offsetof(ShadowHeader, free_chunks) == 56);

// Addresses first to last, both included, so that the highest address needs no 65th bit.
struct AddressRange {
  u64 first = 0, last = 0;
  friend bool operator==(const AddressRange&, const AddressRange&) = default;
};
static_assert(sizeof(AddressRange) == 16);

inline constexpr unsigned kShadowFanOutBits = 9;
inline constexpr u64 kShadowFanOut = u64{1} << kShadowFanOutBits;

// Each entry stands for as many addresses as its node's level says: at level 1 for a chunk's. It is the flags of all of
// them, or (its bit is set) the number of a node of the level below, or of a chunk.
struct ShadowNode {
  u64 base =
      0;  // the first address it stands for: so a node has one place only. Of a free one: the next free node
  u32 level = 0;  // kShadowFreeLevel: it is free
  u32 reserved = 0;
  u64 is_reference[kShadowFanOut / 64] = {};
  u64 entries[kShadowFanOut] = {};
};
inline constexpr u32 kShadowFreeLevel = ~u32{0};
static_assert(sizeof(ShadowNode) == 4176 && std::is_trivially_copyable_v<ShadowNode>);
static_assert(offsetof(ShadowNode, level) == 8);
static_assert(offsetof(ShadowNode, is_reference) == 16);
static_assert(offsetof(ShadowNode, entries) == 80);

// A page of flags, of neighbouring addresses.
inline constexpr u64 kShadowChunkBytes = kPageSize;

}  // namespace emd
