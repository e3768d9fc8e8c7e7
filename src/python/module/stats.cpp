// The figures of stores and containers as dicts.
#include "python/module/stats.h"

#include <nanobind/stl/string.h>

#include <variant>

#include "python/core/container.h"

namespace nb = nanobind;

namespace pyr {

nb::dict store_stats(StoreHandle& handle) {
  emd::StoreStats stats;
  {
    const StoreHandle::EntryGuard entered(handle);
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

nb::dict cache_stats(const DecodedCache::Stats& stats) {
  nb::dict result;
  result["capacity"] = stats.capacity;
  result["entries"] = stats.entries;
  result["hits"] = stats.hits;
  result["misses"] = stats.misses;
  return result;
}

nb::dict region_stats(const emd::MemberStats& stats) {
  nb::dict result;
  for (std::size_t i = 0; i < stats.regions.size(); ++i) {
    const emd::RegionStats& found = stats.regions[i];
    const emd::RegionUse& use = stats.uses[i];
    nb::dict region;
    region["file"] = found.file;
    region["committed_bytes"] = found.committed_bytes;
    region["bytes"] = found.bytes;
    region["live_bytes"] = use.live;
    region["dead_bytes"] = use.dead;
    region["free_bytes"] = use.free;
    region["dirty_bytes"] = found.dirty_bytes;
    region["private_bytes"] = found.private_bytes;
    region["mapped_bytes"] = found.mapped_bytes;
    region["resident_bytes"] = found.resident_bytes;
    region["disk_bytes"] = found.disk_bytes;
    region["awaiting_bytes"] = found.awaiting_bytes;
    result[use.role] = region;
  }
  return result;
}

}  // namespace

nb::dict container_stats(nb::handle object) {
  Container* const container = container_at(object.ptr());
  if (!container) throw nb::type_error("not a container");
  emd::MemberStats stats;
  DecodedCache::Stats cache;
  container->read([&] {
    stats = container->stats();
    cache = container->decoded().stats();
  });
  nb::dict result;
  result["regions"] = region_stats(stats);
  for (const auto& [name, figure] : stats.figures)
    result[name] = std::visit([](auto number) { return nb::cast(number); }, figure);
  if (container->can_share()) result["cache"] = cache_stats(cache);
  return result;
}

}  // namespace pyr
