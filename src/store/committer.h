// Committer: makes what changed since the last commit durable, lets the journal restart, or undoes.
//
// Commit: (1) fresh bytes become private and are synced in their files; (2) what differs between window and
// base is journaled and the journal is synced: the commit point; (3) the pages are written to the files.
// Checkpoint: sync the files, make a new generation durable, and only then let the journal be overwritten and
// dead space and files go. Rollback: private pages are dropped, fresh bytes zeroed. docs/durability.md
#pragma once

#include <span>
#include <vector>

#include "store/store_state.h"

namespace emd {

class Committer {
 public:
  explicit Committer(Store& store) : store_(store), state_(*store.state_) {}

  void commit();
  // False if a backup holds it up.
  bool checkpoint();
  // The journal has grown while it waited for files to be synced: it shall not grow further.
  bool checkpoint_is_overdue() const;
  void roll_back();
  // Lets go of private pages that equal their files, in all regions.
  void drop_clean_pages();
  // Unmaps members that nobody uses and that have no changes.
  void unmap_released();
  // At close, after a checkpoint: files end where their content does.
  void trim();
  // Begins to sync the content's file in the background, if that is free.
  void sync_fresh_bytes(Content& content);
  bool nothing_changed();
  u64 dirty_pages();
  // Marks what was stored through views.
  void find_stores();

 private:
  std::vector<Region*> changed_regions();
  void update_entries();
  void settle_fresh_bytes(const std::vector<Region*>& changed);
  void check_unmarked(const Region& region) const;
  bool stored_through() const;
  bool write_journal(const std::vector<Region*>& changed);
  bool write_journal_with_room(const std::vector<Region*>& changed);
  bool restart_journal();
  bool journal_changes(const std::vector<Region*>& changed);
  void mark_grown_pages(Content& content);
  void ask_for_bases(Content& content, std::span<const u64> pages);
  bool journal_pages(Content& content);
  bool journal_page(Content& content, u64 page);
  bool renew_sum(Content& content, u64 page);
  bool renew_fresh_sums(Content& content);
  bool mark_dead_pages(const Region& region);
  void require_sound(Content& content, u64 page) const;
  // After an error in this work nobody can say what is on the disk: what the kernel could not write it may have
  // forgotten, so trying again would prove nothing.
  template <class Work>
  void or_fail(Work&& work) {
    try {
      work();
    } catch (...) {
      store_.attention_.fetch_or(Store::kFailed, std::memory_order_relaxed);
      throw;
    }
  }
  void sync_or_fail(platform::File& file);
  void apply(const std::vector<Region*>& changed);
  void forget_changes(Region& region);
  void retire(const Content* content);
  void let_appended_go(const Region& region);
  bool checkpoint_is_due() const;
  void give_back_space();
  bool restore(Region& region);
  void sync_applied(Region& region);
  bool all_synced() const;
  void checkpoint_before();
  void checkpoint_after();
  void sync_in_background();
  BackgroundSync::Files take_unsynced();
  static void trim(Content& content);
  static bool has_space_to_give_back(const Region* region);
  void unmap(Member& member);

  Store& store_;
  Store::State& state_;
};

}  // namespace emd
