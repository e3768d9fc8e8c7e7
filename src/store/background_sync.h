// BackgroundSync: syncs files in a thread of its own, so that a later checkpoint finds them synced.
//
// Syncing a file early is safe at any time: what commits write after that has begun is their checkpoint's to sync. The
// files are shared with the job, so that who is done with one need not wait.
//
// Threads: one, its owner's; the job touches nothing but the files it was given, and those allow that
// (platform::FileSystem::concurrent_syncs). A fork leaves the thread to the parent: the child's store is dead.
#pragma once

#include <atomic>
#include <exception>
#include <memory>
#include <thread>
#include <vector>

#include "platform/file.h"

namespace emd {

class BackgroundSync {
 public:
  using Files = std::vector<std::shared_ptr<platform::File>>;

  BackgroundSync() = default;
  ~BackgroundSync();
  BackgroundSync(const BackgroundSync&) = delete;
  BackgroundSync& operator=(const BackgroundSync&) = delete;

  // Begins to sync these files; without a thread that is done when it returns. Precondition: no job runs, and wait()
  // has told of the last. Errors: none yet.
  void start(Files files, bool in_thread);
  bool running() const { return running_.load(std::memory_order_acquire); }
  // Returns when no job runs; its error is kept for wait().
  void finish();
  // Returns when no job runs. Errors: of the first sync of the last job that failed; told once.
  void wait();
  // Returns when no job syncs this file: what another sync of it says then counts for all that was written before. (A
  // kernel tells an error of writing back once; whoever syncs again hears nothing of it.) Errors: as wait().
  void settle(const platform::File& file);

 private:
  void work(const Files& files) noexcept;

  std::atomic<bool> running_ = false;
  std::thread thread_;
  std::vector<const platform::File*> asked_;  // of the last job; only compared
  std::exception_ptr error_;                  // the job's until it has ended
};

}  // namespace emd
