// How a sorted dict lies in its region of nodes: the header page and the nodes. Layout: docs/format.md.
#pragma once

#include <cstddef>
#include <type_traits>

#include "alloc/page_map.h"
#include "base/bytes.h"

namespace emd {

inline constexpr u64 kSortedMagic = 0x314452534f444d45;  // "EMDOSRD1"
inline constexpr u8 kNodeTag = 0xB7;
// A tree of nodes that are full by a quarter reaches the largest region long before.
inline constexpr unsigned kMostLevels = 16;
// A permutation names slots by a byte.
inline constexpr unsigned kMostEntries = 255;
// Longer ones lie in the heap: so three entries fit any node, and a node that is split in two fits both.
inline constexpr u64 kMostInlineKey = 400;
inline constexpr u64 kMostInlineBody = 800;

// In the first half of page 0; the second has the page map's bits.
struct SortedHeader {
  u64 magic;
  u32 max_entries;  // of a node
  u32 levels;       // of nodes; 0: there is none
  u64 root;         // its page
  u64 count;        // keys
  u64 edits;        // insertions and removals ever
  u64 moves;        // nodes written anew, split or joined ever
  PageMapState map;
};
static_assert(sizeof(SortedHeader) == 64 && std::is_trivially_copyable_v<SortedHeader>);
static_assert(offsetof(SortedHeader, root) == 16);
static_assert(offsetof(SortedHeader, count) == 24);
static_assert(offsetof(SortedHeader, edits) == 32);
static_assert(offsetof(SortedHeader, moves) == 40);
static_assert(offsetof(SortedHeader, map) == 48);

// Of a node, which is a page:
//
//   | header | prefix | permutation | slots -> ...  free  ... <- records |
//
// Slots and records lie as they have arrived; byte i of the permutation is the slot of the i-th key.
struct NodeHeader {
  u8 tag;
  u8 level;      // 0: a leaf
  u16 count;     // entries: bytes of the permutation that count
  u16 capacity;  // bytes of the permutation that there are
  u16 slots;     // those that no entry has any more among them
  u16 prefix;    // bytes that all keys begin with; they are not repeated
  u16 floor;     // where records begin, from the node's first byte
  u16 dead;      // bytes of records that no entry has
  u16 zero;
};
static_assert(sizeof(NodeHeader) == 16 && std::is_trivially_copyable_v<NodeHeader>);
static_assert(offsetof(NodeHeader, count) == 2 && offsetof(NodeHeader, floor) == 10);

// A slot: the first four bytes of the key behind the prefix, as a big-endian number stored little-endian (zeros where it is
// shorter), and where the record is, two bytes.
inline constexpr unsigned kSlotBytes = 6;

// A record of an inner node begins with its child: the page and the number of keys below, six bytes each. Then comes what all
// have: a varint, (bytes of the key behind the prefix) << 3 | form; with an annex, its size, a varint; in a leaf the size of
// the value, a varint, unless the body is in the heap; the key but for those first four bytes, or its reference; and in a leaf
// the body, annex and value, or its reference.
inline constexpr unsigned kChildBytes = 12;
inline constexpr u8 kLongKey = 1;
inline constexpr u8 kLongBody = 2;
inline constexpr u8 kHasAnnex = 4;
inline constexpr unsigned kFormBits = 3;

}  // namespace emd
