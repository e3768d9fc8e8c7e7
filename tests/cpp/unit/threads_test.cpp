// Threads: stores of one process share the memory budget, the descriptor cache and the table of open stores; a store
// itself is used by one thread at a time, whichever. `make tsan` runs these under ThreadSanitizer.
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "algorithms/compact/compact.h"
#include "store/backup.h"
#include "structures/dict/dict.h"
#include "structures/list/list.h"
#include "support/scratch.h"

namespace emd {
namespace {

constexpr u64 kThreads = 4;

StoreOptions options(Mode mode = Mode::append) {
  StoreOptions result;
  result.mode = mode;
  result.commit_interval_seconds = -1;
  return result;
}

// A store with a dict and a list, and the lock that whoever uses it holds (as the bindings do).
class Shared {
 public:
  explicit Shared(const std::string& path, const StoreOptions& how = options())
      : store_(Store::open(path, how)) {
    dict_member_ = store_->create("dict", Dict::kKind, Dict::kRegionCount);
    list_member_ = store_->create("list", List::kKind, List::kRegionCount);
    store_->acquire(*dict_member_);
    store_->acquire(*list_member_);
    dict_ = std::make_unique<Dict>(*store_, *dict_member_, Dict::Options{16, 64});
    list_ = std::make_unique<List>(*store_, *list_member_);
  }
  void put(u64 key) {
    const std::lock_guard hold(mutex_);
    const Operation operation(*store_);
    dict_->put(as_bytes(std::to_string(key)), {}, as_bytes(std::string(key % 200, 'v')));
    list_->append(list_->store_block(as_bytes(std::string(key % 100, 'w'))));
  }
  bool has(u64 key) {
    const std::lock_guard hold(mutex_);
    return dict_->find(as_bytes(std::to_string(key))).has_value();
  }
  void commit() {
    const std::lock_guard hold(mutex_);
    store_->commit();
  }
  void checkpoint() {
    const std::lock_guard hold(mutex_);
    store_->checkpoint();
  }
  void compact() {
    const std::lock_guard hold(mutex_);
    emd::compact(*store_, *dict_member_, {});
  }
  void expect_sound(u64 entries) {
    const std::lock_guard hold(mutex_);
    Findings findings;
    store_->verify(findings);
    dict_->check(findings);
    list_->check(findings);
    for (const Finding& finding : findings) ADD_FAILURE() << finding.where << ": " << finding.what;
    EXPECT_EQ(dict_->size(), entries);
    EXPECT_EQ(list_->size(), entries);
  }

 private:
  std::mutex mutex_;
  std::unique_ptr<Store> store_;
  std::shared_ptr<Member> dict_member_, list_member_;
  std::unique_ptr<Dict> dict_;
  std::unique_ptr<List> list_;
};

void in_threads(u64 count, const std::function<void(u64)>& work) {
  std::vector<std::jthread> threads;
  for (u64 i = 0; i < count; ++i) threads.emplace_back([&work, i] { work(i); });
}

// Each thread has its own store; together they pass the budget again and again, so that each is asked by the others to
// let pages go.
TEST(Threads, StoresOfTheirOwnShareTheBudgetAndTheDescriptors) {
  const Scratch scratch = Scratch::fast();
  const u64 budget = memory_budget();
  set_memory_budget(u64{2} << 20);
  in_threads(kThreads, [&](u64 thread) {
    for (u64 round = 0; round < 3; ++round) {
      Shared own(scratch.path(std::to_string(thread) + "-" + std::to_string(round)));
      for (u64 key = 0; key < 1500; ++key) own.put(key);
      own.commit();
      own.expect_sound(1500);
    }
  });
  set_memory_budget(budget);
}

TEST(Threads, OneStoreIsHandedFromThreadToThread) {
  const Scratch scratch = Scratch::fast();
  Shared shared(scratch.path("s"));
  in_threads(kThreads, [&](u64 thread) {
    for (u64 i = 0; i < 400; ++i) {
      shared.put(thread * 1000 + i);
      if (!shared.has(thread * 1000 + i)) ADD_FAILURE() << "lost " << i;
      if (i % 50 == thread) shared.commit();
      if (i % 200 == 100 + thread) shared.compact();
    }
  });
  shared.expect_sound(kThreads * 400);
}

// A thread of the store's own syncs files while commits, compactions and checkpoints go on with them and with others.
TEST(Threads, FilesAreSyncedInTheBackground) {
  const Scratch scratch = Scratch::fast();
  StoreOptions how = options();
  how.background_sync_bytes = 1;
  Shared shared(scratch.path("s"), how);
  for (u64 key = 0; key < 1500; ++key) {
    shared.put(key);
    if (key % 3 == 0) shared.commit();
    if (key % 500 == 250) shared.compact();
    if (key % 400 == 399) shared.checkpoint();
  }
  shared.expect_sound(1500);
}

TEST(Threads, ABackupRunsBesideTheThreadsThatWrite) {
  const Scratch scratch = Scratch::fast();
  Shared shared(scratch.path("s"));
  std::atomic<u64> copies = 0;
  in_threads(kThreads, [&](u64 thread) {
    for (u64 i = 0; i < 100; ++i) {
      shared.put(thread * 1000 + i);
      shared.commit();
      if (i % 50 != 25) continue;
      const std::string target = scratch.path("copy" + std::to_string(copies++));
      backup(scratch.path("s"), target, options(), {});
      Findings findings;
      Store::open(target, options())->verify(findings);
      EXPECT_TRUE(findings.empty());
    }
  });
  shared.expect_sound(kThreads * 100);
}

TEST(Threads, OfManyThatOpenAStoreOneWriterOrAllReadersSucceed) {
  const Scratch scratch = Scratch::fast();
  Store::open(scratch.path("s"), options())->close();
  for (u64 round = 0; round < 20; ++round) {
    std::atomic<u64> writers = 0, readers = 0;
    in_threads(kThreads, [&](u64 thread) {
      const Mode mode = thread % 2 == 0 ? Mode::append : Mode::read;
      try {
        const auto store = Store::open(scratch.path("s"), options(mode));
        std::atomic<u64>& mine = mode == Mode::append ? writers : readers;
        ++mine;
        const bool alone = mode == Mode::append ? writers == 1 && readers == 0 : writers == 0;
        EXPECT_TRUE(alone);
        --mine;
        store->close();
      } catch (const LockedError&) {
        // Somebody else has it.
      }
    });
  }
}

}  // namespace
}  // namespace emd
