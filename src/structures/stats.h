// The figures of a member, by name: what Python and the command show of it.
//
// Threads: as the store's.
#pragma once

#include <utility>
#include <variant>
#include <vector>

#include "store/store.h"

namespace emd {

class Array;
class Deque;
class Dict;
class Graph;
class List;
class Shadow;
class TypedDict;

// What a region holds: bytes in use, dead bytes that only a compaction gives back, and bytes that will be used again.
struct RegionUse {
  const char* role;
  u64 live, dead, free;
};

struct MemberStats {
  using Figure = std::pair<const char*, std::variant<u64, double>>;
  std::vector<RegionStats> regions;
  std::vector<RegionUse> uses;  // of each of them
  std::vector<Figure> figures;
};

// Of the structure, whose regions are these. Cost: O(1), but for the shadow memory's, a step a node. Errors:
// DamagedError.
MemberStats stats_of(const Array& array, std::vector<RegionStats> regions);
MemberStats stats_of(const Deque& deque, std::vector<RegionStats> regions);
MemberStats stats_of(const Dict& dict, std::vector<RegionStats> regions);
MemberStats stats_of(const Graph& graph, std::vector<RegionStats> regions);
MemberStats stats_of(const List& list, std::vector<RegionStats> regions);
MemberStats stats_of(const Shadow& shadow, std::vector<RegionStats> regions);
MemberStats stats_of(const TypedDict& dict, std::vector<RegionStats> regions);

}  // namespace emd
