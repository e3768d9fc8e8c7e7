#include "python/module/stats.h"

#include <nanobind/stl/string.h>

#include <algorithm>
#include <vector>

#include "python/array/object.h"
#include "python/dict/object.h"
#include "python/graph/object.h"
#include "python/list/object.h"
#include "python/shadow/object.h"
#include "python/typed_dict/object.h"

namespace nb = nanobind;

namespace pyr {

nb::dict store_stats(StoreHandle& handle) {
  emd::StoreStats stats;
  {
    const StoreHandle::Entered entered(handle);
    emd::Store& store = handle.use();
    handle.run_long([&] { stats = store.stats(); });
  }
  nb::dict result;
  result["commits"] = stats.commits;
  result["checkpoints"] = stats.checkpoints;
  result["journal_bytes"] = stats.journal_bytes;
  result["journal_capacity"] = stats.journal_capacity;
  result["dirty_bytes"] = stats.dirty_bytes;
  result["private_bytes"] = stats.private_bytes;
  result["mapped_bytes"] = stats.mapped_bytes;
  result["resident_bytes"] = stats.resident_bytes;
  result["region_bytes"] = stats.region_bytes;
  result["disk_bytes"] = stats.disk_bytes;
  nb::dict memory;
  memory["budget_bytes"] = stats.budget_bytes;
  memory["used_bytes"] = stats.private_bytes;
  memory["process_budget_bytes"] = stats.process_budget_bytes;
  memory["process_used_bytes"] = stats.process_private_bytes;
  result["memory"] = memory;
  return result;
}

namespace {

nb::dict cache_stats(Container& container) {
  DecodedCache::Stats stats;
  {
    const Container::Entered entered(container);
    stats = container.decoded().stats();
  }
  nb::dict result;
  result["capacity"] = stats.capacity;
  result["entries"] = stats.entries;
  result["hits"] = stats.hits;
  result["misses"] = stats.misses;
  return result;
}

// What a region holds: bytes in use, dead bytes that only compact() gives back, and bytes that will be used again.
struct Use {
  const char* role;
  emd::u64 live, dead, free;
};

nb::dict region_stats(const std::vector<emd::RegionStats>& regions, const std::vector<Use>& uses) {
  nb::dict result;
  for (std::size_t i = 0; i < regions.size(); ++i) {
    nb::dict region;
    region["file"] = regions[i].file;
    region["committed_bytes"] = regions[i].committed_bytes;
    region["bytes"] = regions[i].bytes;
    region["live_bytes"] = uses[i].live;
    region["dead_bytes"] = uses[i].dead;
    region["free_bytes"] = uses[i].free;
    region["dirty_bytes"] = regions[i].dirty_bytes;
    region["private_bytes"] = regions[i].private_bytes;
    region["mapped_bytes"] = regions[i].mapped_bytes;
    region["resident_bytes"] = regions[i].resident_bytes;
    region["disk_bytes"] = regions[i].disk_bytes;
    region["awaiting_bytes"] = regions[i].awaiting_bytes;
    result[uses[i].role] = region;
  }
  return result;
}

nb::dict dict_stats(DictContainer& container) {
  std::vector<emd::RegionStats> regions;
  const emd::Dict::Stats stats = container.read([&] {
    regions = container.store().region_stats(container.member());
    return container.dict().stats();
  });
  nb::dict result;
  const emd::u64 room = regions[1].bytes - std::min(regions[1].bytes, stats.record_bytes);
  result["regions"] = region_stats(
      regions, {{"index", stats.index_bytes - stats.index_free_bytes, 0, stats.index_free_bytes},
                {"records", stats.live_record_bytes, stats.record_bytes - stats.live_record_bytes, room},
                {"values", stats.value_bytes, 0, stats.free_value_bytes},
                {"delta", stats.delta_bytes - stats.delta_free_bytes, 0, stats.delta_free_bytes}});
  result["entries"] = stats.entries;
  result["index_bytes"] = stats.index_bytes;
  result["record_bytes"] = stats.record_bytes;
  result["live_record_bytes"] = stats.live_record_bytes;
  result["value_bytes"] = stats.value_bytes;
  result["free_value_bytes"] = stats.free_value_bytes;
  result["delta_entries"] = stats.delta_entries;
  result["filter_bytes"] = stats.filter_bytes;
  result["load"] = stats.load;
  result["cache"] = cache_stats(container);
  return result;
}

nb::dict list_stats(ListContainer& container) {
  std::vector<emd::RegionStats> regions;
  const emd::List::Stats stats = container.read([&] {
    regions = container.store().region_stats(container.member());
    return container.list().stats();
  });
  nb::dict result;
  const emd::u64 room = regions[0].bytes - std::min(regions[0].bytes, stats.word_bytes);
  result["regions"] = region_stats(regions, {{"words", stats.word_bytes, 0, room},
                                             {"heap", stats.heap_live_bytes, 0, stats.heap_free_bytes}});
  result["entries"] = stats.entries;
  result["word_bytes"] = stats.word_bytes;
  result["heap_live_bytes"] = stats.heap_live_bytes;
  result["heap_free_bytes"] = stats.heap_free_bytes;
  result["cache"] = cache_stats(container);
  return result;
}

nb::dict typed_stats(TypedContainer& container) {
  std::vector<emd::RegionStats> regions;
  const emd::TypedDict::Stats stats = container.read([&] {
    regions = container.store().region_stats(container.member());
    return container.any_dict().stats();
  });
  nb::dict result;
  const emd::u64 room = regions[1].bytes - std::min(regions[1].bytes, stats.row_bytes);
  result["regions"] = region_stats(
      regions, {{"index", stats.index_bytes - stats.index_free_bytes, 0, stats.index_free_bytes},
                {"rows", stats.live_row_bytes, stats.row_bytes - stats.live_row_bytes, room},
                {"dead", stats.dead_map_bytes, 0, 0},
                {"delta", stats.delta_bytes - stats.delta_free_bytes, 0, stats.delta_free_bytes}});
  result["entries"] = stats.entries;
  result["index_bytes"] = stats.index_bytes;
  result["row_bytes"] = stats.row_bytes;
  result["live_row_bytes"] = stats.live_row_bytes;
  result["delta_entries"] = stats.delta_entries;
  result["filter_bytes"] = stats.filter_bytes;
  result["load"] = stats.load;
  return result;
}

nb::dict array_stats(ArrayContainer& container) {
  std::vector<emd::RegionStats> regions;
  const emd::Array::Stats stats = container.read([&] {
    regions = container.store().region_stats(container.member());
    return container.array().stats();
  });
  nb::dict result;
  result["regions"] = region_stats(regions, {{"items", stats.data_bytes, 0, stats.free_bytes}});
  result["entries"] = stats.entries;
  result["item_bytes"] = stats.item_bytes;
  result["data_bytes"] = stats.data_bytes;
  result["free_bytes"] = stats.free_bytes;
  result["views"] = stats.views;
  return result;
}

nb::dict shadow_stats(ShadowContainer& container) {
  std::vector<emd::RegionStats> regions;
  const emd::Shadow::Stats stats = container.read([&] {
    regions = container.store().region_stats(container.member());
    return container.shadow().stats();
  });
  const emd::ShadowTree::Stats& tree = stats.tree;
  nb::dict result;
  result["regions"] = region_stats(
      regions, {{"ranges", regions[0].bytes, 0, 0},
                {"nodes", (tree.nodes + tree.blocks) * sizeof(emd::ShadowNode), 0,
                 tree.free_nodes * sizeof(emd::ShadowNode)},
                {"pages", tree.chunks * emd::kShadowChunkBytes, 0, tree.free_chunks * emd::kShadowChunkBytes},
                {"free_pages", tree.free_chunks * 8, 0,
                 regions[3].bytes - std::min(regions[3].bytes, tree.free_chunks * 8)}});
  result["ranges"] = stats.ranges;
  result["addresses"] = stats.addresses;
  result["width"] = stats.width;
  result["nodes"] = tree.nodes;
  result["records"] = tree.records;
  result["pages"] = tree.chunks;
  result["free_pages"] = tree.free_chunks;
  return result;
}

nb::dict graph_stats(GraphContainer& container) {
  std::vector<emd::RegionStats> regions;
  const emd::Graph::Stats stats = container.read([&] {
    regions = container.store().region_stats(container.member());
    return container.graph().stats();
  });
  nb::dict result;
  result["regions"] = region_stats(
      regions, {{"vertices", stats.row_bytes - stats.dead_row_bytes, stats.dead_row_bytes, 0},
                {"index", stats.index_bytes - stats.index_free_bytes, 0, stats.index_free_bytes},
                {"heap", stats.heap_live_bytes, 0, stats.heap_free_bytes},
                {"delta", stats.delta_bytes - stats.delta_free_bytes, 0, stats.delta_free_bytes}});
  result["vertices"] = stats.vertices;
  result["edges"] = stats.edges;
  result["row_bytes"] = stats.row_bytes;
  result["index_bytes"] = stats.index_bytes;
  result["heap_live_bytes"] = stats.heap_live_bytes;
  result["heap_free_bytes"] = stats.heap_free_bytes;
  return result;
}

}  // namespace

nb::dict container_stats(nb::handle object) {
  if (is_typed_object(object.ptr())) return typed_stats(typed_container(object.ptr()));
  if (is_dict_object(object.ptr())) return dict_stats(dict_container(object.ptr()));
  if (is_list_object(object.ptr())) return list_stats(list_container(object.ptr()));
  if (is_array_object(object.ptr())) return array_stats(array_container(object.ptr()));
  if (is_graph_object(object.ptr())) return graph_stats(graph_container(object.ptr()));
  if (is_shadow_object(object.ptr())) return shadow_stats(shadow_container(object.ptr()));
  throw nb::type_error("not a container");
}

}  // namespace pyr
