// Backups made while a writer works are one committed state, and open by themselves.
#include "store/backup.h"

#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <map>
#include <random>
#include <thread>

#include "crash/simulated_disk.h"
#include "store/journal.h"
#include "store/reader_table.h"
#include "store/tables.h"
#include "structures/dict/dict.h"
#include "support/scratch.h"

namespace emd {
namespace {

StoreOptions quiet() {
  StoreOptions options;
  options.commit_interval_seconds = -1;
  return options;
}

struct Opened {
  explicit Opened(const std::string& path, const StoreOptions& options = quiet())
      : store(Store::open(path, options)) {
    member = store->find("");
    if (member == nullptr) member = store->create("", Dict::kKind, Dict::kRegionCount);
    store->acquire(*member);
    dict = std::make_unique<Dict>(*store, *member, Dict::Options{16, 64});
  }
  void put(u64 key, const std::string& value) {
    const Operation operation(*store);
    dict->put(as_bytes(std::to_string(key)), {}, as_bytes(value));
  }
  std::string get(u64 key) const {
    const auto record = dict->find(as_bytes(std::to_string(key)));
    return record ? std::string(as_text(record->value)) : "none";
  }
  std::unique_ptr<Store> store;
  std::shared_ptr<Member> member;
  std::unique_ptr<Dict> dict;
};

void expect_sound(Opened& opened) {
  Findings findings;
  opened.store->verify(findings);
  opened.dict->check(findings);
  for (const Finding& finding : findings) ADD_FAILURE() << finding.where << ": " << finding.what;
}

// Each commit writes its number to all keys, appends, erases, and now and then clears or checkpoints.
TEST(Backup, OfAStoreThatIsBeingWrittenIsOneCommit) {
  const Scratch scratch = Scratch::fast();
  std::atomic<u64> committed = 0;
  const std::jthread writing([&](const std::stop_token& stop) {
    Opened writer(scratch.path("s"));
    for (u64 n = 1; !stop.stop_requested(); ++n) {
      if (n % 50 == 0) {
        const Operation operation(*writer.store);
        writer.dict->clear();
      }
      for (u64 key = 0; key < 100; ++key) writer.put(key, std::to_string(n));
      for (u64 key = 0; key < 20; ++key) writer.put(1000 * n + key, std::string(200, 'f'));
      writer.store->commit();
      committed = n;
      if (n % 20 == 0) writer.store->checkpoint();
    }
    writer.store->close();
  });
  while (committed < 5) std::this_thread::yield();
  for (u64 round = 0; round < 12; ++round) {
    const u64 before = committed;
    const std::string target = scratch.path("copy" + std::to_string(round));
    backup(scratch.path("s"), target, quiet(), {});
    const u64 after = committed + 1;
    Opened copy(target);
    expect_sound(copy);
    const std::string n = copy.get(0);
    for (u64 key = 1; key < 100; ++key) EXPECT_EQ(copy.get(key), n);
    EXPECT_GE(std::stoull(n), before);
    EXPECT_LE(std::stoull(n), after);
    EXPECT_EQ(copy.get(1000 * std::stoull(n) + 19), std::string(200, 'f'));
  }
}

TEST(Backup, OfAStoreAtRestAndOfOneThatWasCutOff) {
  const Scratch scratch = Scratch::fast();
  {
    Opened writer(scratch.path("s"));
    writer.put(1, "one");
    writer.store->commit();
    writer.put(2, "pending");
  }  // as a kill
  backup(scratch.path("s"), scratch.path("copy"), quiet(), {});
  EXPECT_EQ(Opened(scratch.path("copy")).get(1), "one");
  EXPECT_EQ(Opened(scratch.path("copy")).get(2), "none");
  Opened(scratch.path("s")).store->close();
  std::filesystem::remove(scratch.path("s") + "/readers");  // as a copy that no writer has opened
  backup(scratch.path("s"), scratch.path("copy2"), quiet(), {});
  EXPECT_EQ(Opened(scratch.path("copy2")).get(1), "one");
}

TEST(Backup, ACancelledOneLeavesNothing) {
  const Scratch scratch = Scratch::fast();
  Opened writer(scratch.path("s"));
  for (u64 i = 0; i < 1000; ++i) writer.put(i, std::string(100, 'x'));
  writer.store->commit();
  struct Cancelled {};
  EXPECT_THROW(backup(scratch.path("s"), scratch.path("copy"), quiet(), [](u64, u64) { throw Cancelled(); }),
               Cancelled);
  EXPECT_FALSE(std::filesystem::exists(scratch.path("copy")));
  std::filesystem::create_directory(scratch.path("full"));
  std::filesystem::create_directory(scratch.path("full/of"));
  EXPECT_THROW(backup(scratch.path("s"), scratch.path("full"), quiet(), {}), SystemError);
  for (const auto& entry : std::filesystem::directory_iterator(scratch.path("."))) {
    const std::string name = entry.path().filename();
    EXPECT_TRUE(name == "s" || name == "full") << name;
  }
  // The writer goes on, and its next checkpoint does not wait.
  writer.put(1, "again");
  writer.store->checkpoint();
  EXPECT_EQ(writer.store->stats().journal_bytes, 0u);
}

// The real disk, but for one directory.
class OneDirectoryElsewhere : public platform::FileSystem {
 public:
  OneDirectoryElsewhere(std::string path, std::shared_ptr<platform::FileSystem> elsewhere)
      : path_(std::move(path)), elsewhere_(std::move(elsewhere)) {}
  std::unique_ptr<platform::Directory> open_directory(const std::string& path,
                                                      const platform::Permissions* create) override {
    return at(path).open_directory(path, create);
  }
  std::unique_ptr<platform::NewDirectory> make_directory(const std::string& path, const std::string& doing,
                                                         const platform::Permissions& files,
                                                         u32 mode) override {
    return at(path).make_directory(path, doing, files, mode);
  }

 private:
  platform::FileSystem& at(const std::string& path) {
    return path == path_ ? *elsewhere_ : *platform::real_file_system();
  }
  std::string path_;
  std::shared_ptr<platform::FileSystem> elsewhere_;
};

// It comes to its place when a power cut cannot take anything of it.
TEST(Backup, ACopyIsMovedToItsPlaceWhenItIsDurable) {
  const Scratch scratch = Scratch::fast();
  Opened writer(scratch.path("s"));
  for (u64 i = 0; i < 1000; ++i) writer.put(i, std::string(100, 'x'));
  writer.store->commit();
  const auto disk = std::make_shared<testing::SimulatedDisk>(scratch.path("copy"));
  std::mt19937_64 random(1);
  unsigned moved = 0;
  disk->before_call = [&](testing::Call call, const std::string&) {
    if (call != testing::Call::move_directory) return;
    ++moved;
    std::filesystem::create_directory(scratch.path("cut"));
    disk->image(testing::SimulatedDisk::Unsynced::lost, random).write_to(scratch.path("cut"));
  };
  StoreOptions options = quiet();
  options.file_system = std::make_shared<OneDirectoryElsewhere>(scratch.path("copy"), disk->file_system());
  backup(scratch.path("s"), scratch.path("copy"), options, {});
  ASSERT_EQ(moved, 1u);
  Opened copy(scratch.path("cut"));
  expect_sound(copy);
  for (u64 i = 0; i < 1000; ++i) EXPECT_EQ(copy.get(i), std::string(100, 'x'));
}

// A copy whose every call fails in turn leaves nothing, and what is at its place is as it was.
TEST(Backup, WhateverCallFailsNothingIsLeft) {
  const Scratch scratch = Scratch::fast();
  Opened writer(scratch.path("s"));
  for (u64 i = 0; i < 100; ++i) writer.put(i, std::string(100, 'x'));
  writer.store->commit();
  u64 calls = 0;
  for (u64 position = 0;; ++position) {
    const std::string target = scratch.path("copy" + std::to_string(position));
    const auto disk = std::make_shared<testing::SimulatedDisk>(target);
    calls = 0;
    disk->before_call = [&](testing::Call, const std::string& name) {
      if (calls++ == position) throw SystemError(EIO, "injected", name);
    };
    StoreOptions options = quiet();
    options.file_system = std::make_shared<OneDirectoryElsewhere>(target, disk->file_system());
    bool failed = false;
    try {
      backup(scratch.path("s"), target, options, {});
    } catch (const SystemError&) {
      failed = true;
    }
    disk->before_call = {};
    if (failed) {
      EXPECT_FALSE(std::filesystem::exists(target)) << position;
    } else {
      Opened copy(target);  // what failed only keeps space
      expect_sound(copy);
      EXPECT_EQ(copy.get(7), std::string(100, 'x'));
    }
    if (calls <= position) break;
  }
  EXPECT_GT(calls, 50u);
}

// As that of a writer, which this test has twice.
class NoLock : public platform::Lock {
 public:
  bool follows_a_crash() const override { return false; }
  void end_in_order() override {}
};

// The copy's journal is of the generation that its superblock names.
TEST(Backup, ACheckpointWhileTheCopyIsSyncedDoesNotReachIt) {
  const Scratch scratch = Scratch::fast();
  Opened writer(scratch.path("s"));
  for (u64 i = 0; i < 1000; ++i) writer.put(i, std::string(100, 'x'));
  writer.store->commit();
  const auto disk = std::make_shared<testing::SimulatedDisk>(scratch.path("copy"));
  u64 checkpoints = 0;
  disk->before_call = [&](testing::Call call, const std::string& name) {
    if (call != testing::Call::sync || name == kJournalName || checkpoints++ != 0) return;
    writer.put(7, "later");
    writer.store->checkpoint();
  };
  StoreOptions options = quiet();
  options.file_system = std::make_shared<OneDirectoryElsewhere>(scratch.path("copy"), disk->file_system());
  u64 pieces = 0;
  backup(scratch.path("s"), scratch.path("copy"), options, [&](u64, u64) {
    if (++pieces != 8) return;  // tables, index and records are copied
    for (u64 i = 0; i < 1000; i += 3) writer.put(i, "changed");
    writer.store->commit();
  });
  EXPECT_GE(pieces, 8u);
  EXPECT_GT(checkpoints, 0u);
  Opened copy(scratch.path("copy"));
  expect_sound(copy);
  for (u64 i = 0; i < 1000; ++i) EXPECT_EQ(copy.get(i), i % 3 == 0 ? "changed" : std::string(100, 'x'));
}

// The journal of a writer that is there is not at rest: what a look at it meets is no damage.
TEST(Backup, TheJournalIsNotReadWhileAWriterAddsToIt) {
  const Scratch scratch = Scratch::fast();
  const std::string path = scratch.path("s"), journal = path + "/" + kJournalName;
  const auto disk = std::make_shared<testing::SimulatedDisk>(path);
  StoreOptions options = quiet();
  options.file_system = std::make_shared<OneDirectoryElsewhere>(path, disk->file_system());
  Opened writer(path, options);
  for (u64 commit = 0; commit < 3; ++commit) {
    writer.put(commit, "value");
    writer.store->commit();
  }
  const auto table =
      ReaderTable::open_for_writing(*platform::real_file_system()->open_directory(path, nullptr), NoLock());
  const auto flip_first_frame = [&] {
    std::fstream file(journal, std::ios::in | std::ios::out | std::ios::binary);
    const int byte = file.get();
    file.seekp(0);
    file.put(static_cast<char>(~byte));
  };
  enum { before, committing, after } state = before;
  disk->before_call = [&](testing::Call call, const std::string& name) {
    if (state == before && call == testing::Call::open && name == region_file_name(kRegionTableFile)) {
      const ReaderTable::IntentGuard intent(*table, Patience(0, {}));
      table->begin_change();
      flip_first_frame();
      state = committing;
    } else if (state == committing && call == testing::Call::writer_present) {
      flip_first_frame();
      table->end_change(table->commit());
      state = after;
    }
  };
  backup(path, scratch.path("copy"), options, {});
  EXPECT_EQ(state, after);
  disk->before_call = {};
  Opened copy(scratch.path("copy"));
  expect_sound(copy);
  for (u64 key = 0; key < 3; ++key) EXPECT_EQ(copy.get(key), "value");
}

TEST(Backup, OfAStoreWithATruncatedFileIsRefused) {
  const Scratch scratch = Scratch::fast();
  {
    Opened writer(scratch.path("s"));
    for (u64 i = 0; i < 1000; ++i) writer.put(i, std::string(100, 'x'));
    writer.dict.reset();
    writer.store->close();
  }
  std::filesystem::resize_file(scratch.path("s/region-4"), kPageSize);  // the records
  EXPECT_THROW(backup(scratch.path("s"), scratch.path("copy"), quiet(), {}), DamagedError);
  EXPECT_FALSE(std::filesystem::exists(scratch.path("copy")));
}

// Dead space that cannot be given back yet asks for a commit now and then, and not in each operation.
TEST(Backup, DeadSpaceThatHasToWaitDoesNotMakeEveryOperationCommit) {
  const Scratch scratch = Scratch::fast();
  Opened writer(scratch.path("s"));
  constexpr u64 kValues = 600;
  for (u64 i = 0; i < kValues; ++i) writer.put(i, std::string(u64{64} << 10, 'x'));
  writer.store->checkpoint();
  const auto directory = platform::real_file_system()->open_directory(scratch.path("s"), nullptr);
  const auto table = ReaderTable::open_for_reading(*directory);
  const int slot = table->take_slot();
  ASSERT_TRUE(table->hold(slot, ReaderTable::Hold::backup, table->sequence(), false));
  const u64 before = writer.store->stats().commits;
  for (u64 i = 0; i < kValues; ++i) {
    const Operation operation(*writer.store);
    writer.dict->erase(as_bytes(std::to_string(i)));
  }
  EXPECT_LT(writer.store->stats().commits - before, 10u);
  table->free_slot(slot);
  writer.store->checkpoint();
}

TEST(Backup, AWriterThatClosesMeanwhileLeavesItsJournal) {
  const Scratch scratch = Scratch::fast();
  Opened writer(scratch.path("s"));
  for (u64 i = 0; i < 1000; ++i) writer.put(i, std::string(100, 'x'));
  writer.store->commit();
  bool closed = false;
  backup(scratch.path("s"), scratch.path("copy"), quiet(), [&](u64, u64) {
    if (closed) return;
    closed = true;
    writer.put(5, "last");
    writer.store->close();
  });
  EXPECT_TRUE(closed);
  Opened copy(scratch.path("copy"));
  expect_sound(copy);
  EXPECT_EQ(copy.get(5), "last");
  EXPECT_EQ(Opened(scratch.path("s")).get(5), "last");
}

}  // namespace
}  // namespace emd
