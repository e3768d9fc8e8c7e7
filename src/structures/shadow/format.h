// What shadow memory keeps in its regions. Layout: docs/format.md.
#pragma once

#include <cstddef>
#include <type_traits>

#include "base/bytes.h"

namespace emd {

inline constexpr u32 kShadowMagic = 0x53444d45;  // "EMDS"
inline constexpr u32 kShadowFormat = 1;
// From the first record on: so what never needed one is still read by what knows of none.
inline constexpr u32 kShadowRecordFormat = 2;

// Records are of three sizes.
inline constexpr unsigned kShadowSizes = 3;

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
  // The rest counts from format 2 on.
  u64 blocks_with_room[kShadowSizes] =
      {};  // of records of each size: one more than the number of the first; 0: none
  u64 records = 0;
  u64 blocks = 0;
};
inline constexpr u64 kShadowRangesAt = 128;
static_assert(sizeof(ShadowHeader) == 104 && std::is_trivially_copyable_v<ShadowHeader>);
static_assert(sizeof(ShadowHeader) <= kShadowRangesAt);
static_assert(offsetof(ShadowHeader, height) == 12);
static_assert(offsetof(ShadowHeader, root) == 16);
static_assert(offsetof(ShadowHeader, root_is_reference) == 24);
static_assert(offsetof(ShadowHeader, range_count) == 32);
static_assert(offsetof(ShadowHeader, free_node) == 40);
static_assert(offsetof(ShadowHeader, free_nodes) == 48);
static_assert(offsetof(ShadowHeader, free_chunks) == 56);
static_assert(offsetof(ShadowHeader, blocks_with_room) == 64);
static_assert(offsetof(ShadowHeader, records) == 88);
static_assert(offsetof(ShadowHeader, blocks) == 96);

// Addresses first to last, both included, so that the highest address needs no 65th bit.
struct AddressRange {
  u64 first = 0, last = 0;
  friend bool operator==(const AddressRange&, const AddressRange&) = default;
};
static_assert(sizeof(AddressRange) == 16);

inline constexpr unsigned kShadowFanOutBits = 9;
inline constexpr u64 kShadowFanOut = u64{1} << kShadowFanOutBits;

// Each entry stands for as many addresses as its node's level says: at level 1 for a chunk's. It is the flags of all of
// them, or (its bit is set) the number of a node of the level below, or of a chunk, or the name of a record.
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

// Addresses first to last of the same flags.
struct FlagRun {
  u64 first, last, flags;
  friend bool operator==(const FlagRun&, const FlagRun&) = default;
};
static_assert(sizeof(FlagRun) == 24);

// Stands in place of a node, or of a chunk (level 0), of few runs. They are sorted, and as few as say what they say:
// none has the flags of all other addresses, and none those of the run that it touches.
struct ShadowRecord {
  u64 base = 0;   // the first address it stands for: so a record has one place only
  u32 level = 0;  // of the node in whose place it is
  u32 count = 0;  // of runs, which follow
  u64 value = 0;  // the flags of all other addresses
};
static_assert(sizeof(ShadowRecord) == 24);
constexpr u64 shadow_record_bytes(unsigned size) { return u64{128} << size; }
constexpr unsigned shadow_record_runs(unsigned size) {
  return static_cast<unsigned>((shadow_record_bytes(size) - sizeof(ShadowRecord)) / sizeof(FlagRun));
}
static_assert(shadow_record_runs(0) == 4 && shadow_record_runs(1) == 9 && shadow_record_runs(2) == 20);
inline constexpr unsigned kShadowMostRuns = shadow_record_runs(kShadowSizes - 1);
constexpr unsigned shadow_record_size(unsigned runs) {
  return runs <= shadow_record_runs(0) ? 0 : runs <= shadow_record_runs(1) ? 1 : 2;
}

// Records of one size, in a node's place. Those that have room are a list.
struct ShadowBlock {
  u64 next = 0;   // one more than its number; 0: none
  u32 level = 0;  // kShadowBlockLevel less the size of its records
  u32 used = 0;   // bit i: record i is in use
  u64 previous = 0;
  u64 reserved[7] = {};
  u8 records[kShadowFanOut * 8] = {};
};
inline constexpr u32 kShadowBlockLevel = kShadowFreeLevel - 1;
static_assert(sizeof(ShadowBlock) == sizeof(ShadowNode));
static_assert(offsetof(ShadowBlock, level) == offsetof(ShadowNode, level));
static_assert(offsetof(ShadowBlock, used) == 12);
static_assert(offsetof(ShadowBlock, previous) == 16);
static_assert(offsetof(ShadowBlock, records) == 80);
constexpr unsigned shadow_block_records(unsigned size) { return 32u >> size; }
static_assert(shadow_block_records(0) * shadow_record_bytes(0) == sizeof(ShadowBlock::records));

// A reference that has this bit is 32 times the number of a block, and which of its records.
inline constexpr u64 kShadowRecordBit = u64{1} << 63;

// A page of flags, of neighbouring addresses.
inline constexpr u64 kShadowChunkBytes = kPageSize;

}  // namespace emd
