// What a store tells of itself.
#include "store/budget.h"
#include "store/store_state.h"

namespace emd {

StoreStats Store::stats() const {
  follow();
  StoreStats stats;
  stats.commits = state_->commits;
  stats.checkpoints = state_->checkpoints;
  if (!in_memory()) {
    stats.journal_bytes = state_->journal->used_bytes();
    stats.journal_capacity = state_->journal->capacity_bytes();
  }
  stats.budget_bytes = memory_budget();
  stats.process_budget_bytes = Budget::instance().bytes();
  stats.process_private_bytes = Budget::instance().pages() * kPageSize;
  for (const auto& [id, region] : state_->regions) {
    const Content& content = *region->state_->content;
    stats.dirty_bytes += content.dirty.count() * kPageSize;
    stats.private_bytes += content.private_bytes();
    stats.mapped_bytes += content.in_memory() ? 0 : content.allocated;
    stats.resident_bytes += content.resident_bytes();
    stats.region_bytes += region->size();
  }
  if (!has_directory()) return stats;
  for (const std::string& name : state_->directory->list()) {
    stats.disk_bytes += state_->directory->allocated(name);
  }
  return stats;
}

std::vector<RegionStats> Store::region_stats(const Member& member) const {
  follow();
  std::vector<RegionStats> all;
  for (unsigned i = 0; i < member.region_count; ++i) {
    const Region::State& state = *member.regions[i]->state_;
    const Content& content = *state.content;
    RegionStats& stats = all.emplace_back();
    stats.file = region_file_name(content.id);
    stats.bytes = member.regions[i]->size();
    stats.committed_bytes = state.before != nullptr ? state.before->committed : content.committed;
    stats.dirty_bytes = content.dirty.count() * kPageSize;
    stats.private_bytes = content.private_bytes();
    stats.mapped_bytes = content.in_memory() ? 0 : content.allocated;
    stats.resident_bytes = content.resident_bytes();
    stats.disk_bytes = content.in_memory() ? 0 : content.file->allocated();
    for (const auto* ranges : {&state.dead, &state.committed_dead}) {
      for (const DeadRange& range : *ranges) stats.awaiting_bytes += range.length;
    }
  }
  return all;
}

}  // namespace emd
