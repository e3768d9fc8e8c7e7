// The figures of each structure, and what of its regions is live, dead and free.
#include "structures/stats.h"

#include <algorithm>

#include "structures/array/array.h"
#include "structures/deque/deque.h"
#include "structures/dict/dict.h"
#include "structures/graph/graph.h"
#include "structures/list/list.h"
#include "structures/shadow/shadow.h"
#include "structures/typed_dict/typed_dict.h"

namespace emd {
namespace {

// What is left of a region beyond what is used.
u64 room(const RegionStats& region, u64 used) { return region.bytes - std::min(region.bytes, used); }

}  // namespace

MemberStats stats_of(const Array& array, std::vector<RegionStats> regions) {
  const Array::Stats s = array.stats();
  return {std::move(regions),
          {{"items", s.data_bytes, 0, s.free_bytes}},
          {{"entries", s.entries},
           {"item_bytes", s.item_bytes},
           {"data_bytes", s.data_bytes},
           {"free_bytes", s.free_bytes},
           {"views", s.views}}};
}

MemberStats stats_of(const Deque& deque, std::vector<RegionStats> regions) {
  const Deque::Stats s = deque.stats();
  const u64 live = std::min(s.word_bytes, Deque::kHeaderBytes + s.entries * sizeof(Word));
  return {std::move(regions),
          {{"words", live, s.dead_word_bytes, s.word_bytes - live},
           {"heap", s.heap_live_bytes, 0, s.heap_free_bytes}},
          {{"entries", s.entries},
           {"word_bytes", s.word_bytes},
           {"dead_word_bytes", s.dead_word_bytes},
           {"heap_live_bytes", s.heap_live_bytes},
           {"heap_free_bytes", s.heap_free_bytes}}};
}

MemberStats stats_of(const Dict& dict, std::vector<RegionStats> regions) {
  const Dict::Stats s = dict.stats();
  const u64 free_records = room(regions[1], s.record_bytes);
  return {std::move(regions),
          {{"index", s.index_bytes - s.index_free_bytes, 0, s.index_free_bytes},
           {"records", s.live_record_bytes, s.record_bytes - s.live_record_bytes, free_records},
           {"values", s.value_bytes, 0, s.free_value_bytes},
           {"delta", s.delta_bytes - s.delta_free_bytes, 0, s.delta_free_bytes}},
          {{"entries", s.entries},
           {"index_bytes", s.index_bytes},
           {"record_bytes", s.record_bytes},
           {"live_record_bytes", s.live_record_bytes},
           {"value_bytes", s.value_bytes},
           {"free_value_bytes", s.free_value_bytes},
           {"delta_entries", s.delta_entries},
           {"filter_bytes", s.filter_bytes},
           {"load", s.load}}};
}

MemberStats stats_of(const Graph& graph, std::vector<RegionStats> regions) {
  const Graph::Stats s = graph.stats();
  return {std::move(regions),
          {{"vertices", s.row_bytes - s.dead_row_bytes, s.dead_row_bytes, 0},
           {"index", s.index_bytes - s.index_free_bytes, 0, s.index_free_bytes},
           {"heap", s.heap_live_bytes, 0, s.heap_free_bytes},
           {"delta", s.delta_bytes - s.delta_free_bytes, 0, s.delta_free_bytes}},
          {{"vertices", s.vertices},
           {"edges", s.edges},
           {"row_bytes", s.row_bytes},
           {"index_bytes", s.index_bytes},
           {"heap_live_bytes", s.heap_live_bytes},
           {"heap_free_bytes", s.heap_free_bytes}}};
}

MemberStats stats_of(const List& list, std::vector<RegionStats> regions) {
  const List::Stats s = list.stats();
  const u64 free_words = room(regions[0], s.word_bytes);
  return {std::move(regions),
          {{"words", s.word_bytes, 0, free_words}, {"heap", s.heap_live_bytes, 0, s.heap_free_bytes}},
          {{"entries", s.entries},
           {"word_bytes", s.word_bytes},
           {"heap_live_bytes", s.heap_live_bytes},
           {"heap_free_bytes", s.heap_free_bytes}}};
}

MemberStats stats_of(const Shadow& shadow, std::vector<RegionStats> regions) {
  const Shadow::Stats s = shadow.stats();
  const ShadowTree::Stats& tree = s.tree;
  const u64 range_bytes = regions[0].bytes, listed = tree.free_chunks * sizeof(u64);
  const u64 free_list = room(regions[3], listed);
  return {
      std::move(regions),
      {{"ranges", range_bytes, 0, 0},
       {"nodes", (tree.nodes + tree.blocks) * sizeof(ShadowNode), 0, tree.free_nodes * sizeof(ShadowNode)},
       {"pages", tree.chunks * kShadowChunkBytes, 0, tree.free_chunks * kShadowChunkBytes},
       {"free_pages", listed, 0, free_list}},
      {{"ranges", s.ranges},
       {"addresses", s.addresses},
       {"width", s.width},
       {"nodes", tree.nodes},
       {"records", tree.records},
       {"pages", tree.chunks},
       {"free_pages", tree.free_chunks}}};
}

MemberStats stats_of(const TypedDict& dict, std::vector<RegionStats> regions) {
  const TypedDict::Stats s = dict.stats();
  const u64 free_rows = room(regions[1], s.row_bytes);
  return {std::move(regions),
          {{"index", s.index_bytes - s.index_free_bytes, 0, s.index_free_bytes},
           {"rows", s.live_row_bytes, s.row_bytes - s.live_row_bytes, free_rows},
           {"dead", s.dead_map_bytes, 0, 0},
           {"delta", s.delta_bytes - s.delta_free_bytes, 0, s.delta_free_bytes}},
          {{"entries", s.entries},
           {"index_bytes", s.index_bytes},
           {"row_bytes", s.row_bytes},
           {"live_row_bytes", s.live_row_bytes},
           {"delta_entries", s.delta_entries},
           {"filter_bytes", s.filter_bytes},
           {"load", s.load}}};
}

}  // namespace emd
