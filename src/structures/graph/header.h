// What lies in a graph's region of vertices: a page with the header and the name of the type of its edges' records,
// then a row for each vertex ever added.
// Layout: docs/format.md.
#pragma once

#include <cstddef>
#include <type_traits>

#include "base/bytes.h"

namespace emd {

inline constexpr u32 kGraphMagic = 0x47444d45;  // "EMDG"
// 2: there may be tables of parallel edges. A graph gets it with the first of them, so that older versions read the
// others.
inline constexpr u32 kGraphFormat = 2;
inline constexpr u32 kFirstGraphFormat = 1;
inline constexpr u32 kGraphDirected = 1;
inline constexpr u32 kGraphMulti = 2;

struct GraphHeader {
  u32 magic = kGraphMagic;
  u32 format = kFirstGraphFormat;
  u32 flags = 0;
  u32 edge_bytes = 0;  // of an edge's record in its owner's list; zero: records are blocks of the heap
  u64 rows = 0;        // that were ever used
  u64 vertices = 0;    // of these, alive
  u64 edges = 0;       // pairs of vertices; parallel edges are one
  u64 attributes = 0;  // of the graph: a block of the heap; zero: none
  u64 name_bytes = 0;  // of the text behind the header, which names the type of the records
};
static_assert(sizeof(GraphHeader) == 56 && std::is_trivially_copyable_v<GraphHeader>);
static_assert(offsetof(GraphHeader, rows) == 16 && offsetof(GraphHeader, vertices) == 24);
static_assert(offsetof(GraphHeader, edges) == 32 && offsetof(GraphHeader, attributes) == 40);
static_assert(offsetof(GraphHeader, edge_bytes) == 12 && offsetof(GraphHeader, name_bytes) == 48);

inline constexpr u32 kMaxEdgeBytes = 4096;
inline constexpr u64 kMaxEdgeTypeName = 3584;

// The neighbours of a vertex on one side: a block of the heap that holds `used` ids, of which `degree` are neighbours
// and the rest kDeadNeighbour.
struct NeighbourRow {
  u64 block = 0;  // a heap reference, kAttributedList and kIndexedList; zero: none
  u32 used = 0;
  u32 degree = 0;
};

// A neighbour that was removed from the middle of a long list.
inline constexpr u32 kDeadNeighbour = ~u32{0};
// The ids, an even number, are followed by as many references to attribute records, or by as many records.
inline constexpr u64 kAttributedList = u64{1} << 62;
// The last 8 bytes of the block are a reference to another, a table of the places of neighbours (neighbour_table.h).
inline constexpr u64 kIndexedList = u64{1} << 61;

// In a reference to an attribute record: it is to the head of a table of parallel edges (parallel_edges.h).
inline constexpr u64 kParallelRecord = u64{1} << 63;

// Values of VertexRow::key_size beyond the length of a key that lies in the row.
inline constexpr u8 kKeyInHeap = 0xfe;  // the key's first 8 bytes are a reference to: u32 length, key, annex
inline constexpr u8 kDeadVertex = 0xff;
inline constexpr u64 kInlineKey = 15;

struct VertexRow {
  u8 key[kInlineKey] = {};
  u8 key_size = 0;
  u64 attributes = 0;  // a block of the heap; zero: none
  NeighbourRow lists[2];
};
static_assert(sizeof(VertexRow) == 56 && std::is_trivially_copyable_v<VertexRow>);
static_assert(offsetof(VertexRow, attributes) == 16 && offsetof(VertexRow, lists) == 24);

}  // namespace emd
