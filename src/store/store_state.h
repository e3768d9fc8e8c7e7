// What a Store knows; shared by the store's own files only (store, opener, catalogue, committer).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "platform/file.h"
#include "platform/fork_guard.h"
#include "store/background_sync.h"
#include "store/budget.h"
#include "store/journal.h"
#include "store/readahead.h"
#include "store/reader_table.h"
#include "store/region_state.h"
#include "store/store.h"
#include "store/superblock.h"
#include "store/tables.h"

namespace emd {

// Dead space that is worth a checkpoint.
inline constexpr u64 kDeadBytesDue = u64{16} << 20;

// A live reader's copies of the two tables, as they were at the state it shows.
struct FollowedTables {
  std::vector<u8> regions;
  std::vector<u8> members;
};

class Follower;

// A temporary store's that is in memory: what a rollback brings back, since the transaction has begun.
struct MemoryImage {
  std::vector<std::pair<u32, std::unique_ptr<Content>>> contents;  // by the regions' ids
};

struct Store::State {
  ~State();

  std::string path;
  StoreOptions options;
  StoreBudget budget;                              // the contents count their pages here
  std::shared_ptr<platform::Directory> directory;  // a backup may still need it
  std::unique_ptr<platform::Lock> lock;
  std::unique_ptr<platform::File> superblock_file;
  Superblock superblock;
  std::unique_ptr<Journal> journal;
  BackgroundSync background;
  Readahead bases;        // of the files' pages that dirty ones are compared with
  u64 applied_bytes = 0;  // pages written to region files since a sync of these began
  std::optional<platform::ForkGuard> fork_guard;
  // Of a store in memory; null once it has files. See memory_store.h.
  std::unique_ptr<MemoryImage> memory;
  // Null in a reader.
  std::unique_ptr<ReaderTable> readers;
  // A live reader's: null in others.
  std::unique_ptr<Follower> follower;
  FollowedTables followed;
  // Regions of members that are gone, while somebody may still refer to them.
  std::vector<std::unique_ptr<Region>> abandoned_regions;

  // Regions that are mapped, by id; the two tables are always among them.
  std::unordered_map<u32, std::unique_ptr<Region>> regions;
  std::map<std::string, std::shared_ptr<Member>, std::less<>> members;
  std::vector<u32> free_regions;  // free entries of the region table
  std::vector<u32> free_members;

  // Since the last commit.
  bool in_transaction = false;
  double dirty_since = 0;
  bool new_files = false;  // the directory must be synced before a frame names them
  std::vector<std::unique_ptr<Region>> dropped_regions;  // their entries may be used again after the commit
  u64 dead_bytes = 0;  // ranges and files that the next checkpoint gives back

  // Members without users, whose regions may still be mapped because they had changes.
  std::vector<std::shared_ptr<Member>> released;

  // To remove at the next checkpoint, when no frame can name them any more.
  std::vector<FileId> obsolete_files;

  // Read-only: ranges of commits that the last writer did not apply, by file.
  std::unordered_map<LogFile, std::vector<std::pair<u64, std::vector<u8>>>> overlay;

  std::vector<std::pair<const void*, std::function<void()>>> rollback_callbacks;
  std::vector<std::pair<const void*, std::function<void()>>> follow_callbacks;
  std::function<void(const std::function<void()>&)> run_implied_commit;
  u64 commits = 0;
  u64 checkpoints = 0;

  // For waiting for other processes.
  Patience patience(double seconds) const { return {seconds, options.pause}; }
  void pause(std::chrono::microseconds time) const { patience(0).pause(time); }

  Region& region_table() { return *regions.at(static_cast<u32>(kRegionTable)); }
  Region& member_table() { return *regions.at(static_cast<u32>(kMemberTable)); }
};

}  // namespace emd
