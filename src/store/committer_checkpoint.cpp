// Checkpoints: what the journal vouches for is synced, in the background where there is much, and the journal restarts.
#include <algorithm>
#include <memory>
#include <utility>

#include "base/errors.h"
#include "platform/mapping.h"
#include "store/budget.h"
#include "store/committer.h"

namespace emd {
namespace {

// A large store may journal this much between checkpoints, each of which syncs all of its changed pages.
constexpr u64 kMostJournaled = u64{64} << 20;
// What the journal may hold for the sake of a backup before that is given up.
constexpr u64 kMostHeldBack = u64{4} << 30;
// And for the sake of syncs in the background, before a checkpoint waits for them: so many times as much as they begin
// with.
constexpr u64 kPatience = 16;

}  // namespace

bool Committer::checkpoint_is_due() const {
  if (state_.memory != nullptr) return false;
  const Journal& journal = *state_.journal;
  u64 bytes = 0;
  for (const auto& [id, region] : state_.regions) bytes += region->size();
  const u64 enough = std::max(journal.capacity_bytes() / 2, std::min(bytes / 8, kMostJournaled));
  return journal.used_bytes() > enough || state_.dead_bytes >= kDeadBytesDue;
}

// What the journal vouched for, in the files themselves: also in those that a pending rewrite would replace.
void Committer::sync_applied(Region& region) {
  Region::State& state = *region.state_;
  for (Content* content : {state.before.get(), state.content.get()}) {
    if (content == nullptr) continue;
    if (state.unsynced) sync_or_fail(*content->file);
    or_fail([&] { content->sums->sync(); });
  }
  state.unsynced = false;
}

// Whether a checkpoint would find all files synced.
bool Committer::all_synced() const {
  if (state_.background.running() || !state_.dropped_regions.empty()) return false;
  return std::none_of(state_.regions.begin(), state_.regions.end(), [](const auto& one) {
    const Region::State& state = *one.second->state_;
    return state.unsynced || state.content->sums->unsynced() ||
           (state.before != nullptr && state.before->sums->unsynced());
  });
}

bool Committer::checkpoint_is_overdue() const {
  if (!checkpoint_is_due()) return false;
  const u64 waiting = std::max(state_.journal->used_bytes(), state_.dead_bytes);
  return waiting / kPatience > state_.options.background_sync_bytes;
}

// Before a commit: where all is synced it costs next to nothing, and where it is overdue it cannot wait.
void Committer::checkpoint_before() {
  if (checkpoint_is_overdue() || (checkpoint_is_due() && all_synced())) restart_journal();
}

// After a commit. Much that is not synced is left to the background, and to a later commit; what is overdue to the next
// operation.
void Committer::checkpoint_after() {
  if (!checkpoint_is_due()) return;
  const bool little =
      !state_.background.running() && state_.applied_bytes < state_.options.background_sync_bytes;
  if (little) {
    checkpoint();
  } else if (checkpoint_is_overdue()) {
    store_.attention_.fetch_or(Store::kCommitDue, std::memory_order_relaxed);
  }
}

// Begins to sync what commits have applied, if it is much.
void Committer::sync_in_background() {
  BackgroundSync& background = state_.background;
  if (state_.applied_bytes < state_.options.background_sync_bytes || background.running()) return;
  or_fail([&] {
    background.wait();
    background.start(take_unsynced(), state_.options.file_system->concurrent_syncs());
  });
  state_.applied_bytes = 0;
}

void Committer::sync_fresh_bytes(Content& content) {
  BackgroundSync& background = state_.background;
  if (background.running()) return;
  or_fail([&] {
    background.wait();
    background.start({content.file}, state_.options.file_system->concurrent_syncs());
  });
  content.sync_asked = content.size;
}

// The files that a checkpoint would have to sync; who takes them does so.
BackgroundSync::Files Committer::take_unsynced() {
  BackgroundSync::Files files;
  for (const auto& [id, region] : state_.regions) {
    Region::State& state = *region->state_;
    const bool unsynced = std::exchange(state.unsynced, false);
    for (Content* content : {state.before.get(), state.content.get()}) {
      if (content == nullptr) continue;
      if (unsynced) files.push_back(content->file);
      if (auto sums = content->sums->take_unsynced()) files.push_back(std::move(sums));
    }
  }
  return files;
}

bool Committer::checkpoint() {
  if (!restart_journal()) return false;
  unmap_released();
  return true;
}

// False if it has to wait: a backup needs the journal, and the files that it names.
bool Committer::restart_journal() {
  ReaderTable& readers = *state_.readers;
  if (!readers.begin_checkpoint()) {
    if (state_.journal->used_bytes() < kMostHeldBack) return false;
    readers.expire_backups();
    if (!readers.begin_checkpoint()) return false;
  }
  const std::unique_ptr<ReaderTable, void (*)(ReaderTable*)> end(
      &readers, [](ReaderTable* table) { table->end_checkpoint(); });
  or_fail([&] { state_.background.wait(); });
  for (const auto& [id, region] : state_.regions) sync_applied(*region);
  state_.applied_bytes = 0;
  for (const auto& region : state_.dropped_regions)
    sync_applied(*region);  // if the drop is not committed yet
  or_fail([&] { state_.superblock.advance(*state_.superblock_file, state_.journal->sequence()); });
  state_.journal->restart(state_.superblock.generation(), state_.superblock.salt(),
                          state_.journal->sequence());
  ++state_.checkpoints;
  state_.journal->resize_when_empty(false);
  give_back_space();
  return true;
}

// No frame names these ranges and files any more. A failure only keeps the space.
void Committer::give_back_space() {
  for (const auto& [id, region] : state_.regions) {
    Region::State& state = *region->state_;
    Content& content = *state.content;
    for (const DeadRange& range : std::exchange(state.committed_dead, {})) {
      const u64 first = range.offset >> kPageShift, end = (range.offset + range.length) >> kPageShift;
      const u64 before = content.copied.count();
      content.forget_copied(first, end - first);
      if (content.copied.count() != before)
        platform::drop_private(content.window + range.offset, range.length);
      try {
        content.file->punch(range.offset, range.length);
        content.punched += range.length;
      } catch (const SystemError&) {
      }
    }
  }
  state_.dead_bytes = 0;
  for (const FileId id : std::exchange(state_.obsolete_files, {})) store_.discard_file(id);
}

}  // namespace emd
