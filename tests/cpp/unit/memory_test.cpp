// A store's own budget, what is known to be in memory, and walks that give their pages back.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "store/budget.h"
#include "store/scan.h"
#include "store/store.h"
#include "structures/array/array.h"
#include "support/scratch.h"

namespace emd {
namespace {

constexpr u64 kMiB = u64{1} << 20;

std::unique_ptr<Store> open(const Scratch& scratch, u64 memory) {
  StoreOptions options;
  options.commit_interval_seconds = -1;
  options.memory_bytes = memory;
  options.check_unmarked_writes = false;  // which reads all of it
  return Store::open(scratch.path(), options);
}

Region& region_of(Store& store, const std::string& name) {
  std::shared_ptr<Member> member = store.find(name);
  if (member == nullptr) {
    const Operation operation(store);
    member = store.create(name, Array::kKind, 1);
  }
  store.acquire(*member);
  return *member->regions[0];
}

void append(Store& store, Region& region, u64 bytes) {
  const std::vector<u8> part(kMiB, 7);
  for (u64 done = 0; done < bytes; done += kMiB) {
    const Operation operation(store);
    region.append(part);
  }
}

void touch(Store& store, Region& region, u64 offset) {
  const Operation operation(store);
  ++*region.writable(offset, 1);
}

// The kernel forgets all files of the store: they are clean then. False on a filesystem in memory.
bool forget(const Scratch& scratch) {
  for (const auto& file : std::filesystem::directory_iterator(scratch.path())) {
    const int descriptor = ::open(file.path().c_str(), O_RDONLY);
    ::fsync(descriptor);
    ::posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
    ::close(descriptor);
  }
  const auto store = open(scratch, 0);
  region_of(*store, "a");
  return store->region_stats(*store->find("a"))[0].resident_bytes < kMiB;
}

u64 resident(Store& store) { return store.region_stats(*store.find("a"))[0].resident_bytes; }

TEST(Memory, AStoresOwnBudgetHolds) {
  const Scratch scratch;
  const auto store = open(scratch, 2 * kMiB);
  Region& region = region_of(*store, "a");
  append(*store, region, 16 * kMiB);
  store->commit();
  std::mt19937_64 random(1);
  for (int i = 0; i < 5000; ++i) {
    touch(*store, region, random() % region.size());
    ASSERT_LE(store->stats().private_bytes, 2 * kMiB);
    ASSERT_GE(store->buffer_budget(), 2 * kMiB / 8);
    // The page that makes it full is given back by the next operation.
    ASSERT_LE(store->buffer_budget() + store->stats().private_bytes, 2 * kMiB + kPageSize);
  }
  EXPECT_GT(store->stats().commits, 3u);
  EXPECT_EQ(store->memory_budget(), 2 * kMiB);
  EXPECT_EQ(store->stats().budget_bytes, 2 * kMiB);
}

TEST(Memory, PagesOfAStoreCountInTheProcess) {
  const Scratch one_place, other_place;
  const u64 before = Budget::instance().pages();
  {
    const auto one = open(one_place, 4 * kMiB), other = open(other_place, 0);
    for (const auto* store : {&one, &other}) {
      Region& region = region_of(**store, "a");
      append(**store, region, 2 * kMiB);
      (*store)->commit();
      for (u64 offset = 0; offset < region.size(); offset += kPageSize) touch(**store, region, offset);
    }
    const u64 both = one->stats().private_bytes + other->stats().private_bytes;
    EXPECT_GE(both, 4 * kMiB - 64 * kPageSize);
    EXPECT_EQ(Budget::instance().pages() - before, both / kPageSize);
    EXPECT_EQ(one->stats().process_private_bytes, Budget::instance().pages() * kPageSize);
  }
  EXPECT_EQ(Budget::instance().pages(), before);
}

TEST(Memory, ATransactionBeyondItIsRolledBack) {
  const Scratch scratch;
  const auto store = open(scratch, kMiB);
  Region& region = region_of(*store, "a");
  append(*store, region, 4 * kMiB);
  store->begin();
  try {
    for (u64 offset = 0; offset < region.size(); offset += kPageSize) touch(*store, region, offset);
    FAIL() << "expected a BudgetError";
  } catch (const BudgetError& error) {
    EXPECT_NE(std::string(error.what()).find("of this store, 1048576 bytes"), std::string::npos)
        << error.what();
  }
  EXPECT_FALSE(store->in_transaction());
  EXPECT_EQ(*region.at(0, 1), 7);
}

// Pages of a walk are read ahead of it and given back behind it, in both directions; private copies stay.
TEST(Memory, AScanGivesItsPagesBack) {
  const Scratch scratch;
  constexpr u64 kBytes = 48 * kMiB;
  {
    const auto store = open(scratch, 0);
    append(*store, region_of(*store, "a"), kBytes);
    store->close();
  }
  if (!forget(scratch)) GTEST_SKIP() << "this filesystem keeps its files in memory";
  const auto store = open(scratch, kMiB);
  Region& region = region_of(*store, "a");
  store->begin();
  // Few: each has the kernel read some MiB around it, which are in memory then, and stay.
  touch(*store, region, 0);
  touch(*store, region, 5 * kMiB);
  for (const bool forward : {true, false}) {
    Scan scan;
    u64 sum = 0, most = 0;
    for (u64 at = 0; at < kBytes; at += kPageSize) {
      const u64 offset = forward ? at : kBytes - kPageSize - at;
      scan.reached(region, offset);
      sum += *region.at(offset, 1);
      if (at % kMiB == 0) most = std::max(most, resident(*store));
    }
    EXPECT_EQ(sum, 7 * (kBytes / kPageSize) + 2);  // those touched, which nobody has committed
    EXPECT_LE(most, 40 * kMiB) << forward;
    EXPECT_GE(most, 8 * kMiB) << forward;
    EXPECT_LE(resident(*store), 28 * kMiB) << forward;
  }
  store->commit_transaction();
  Findings findings;
  store->verify(findings);
  EXPECT_TRUE(findings.empty());
}

TEST(Memory, AScanOfWhatFitsKeepsIt) {
  const Scratch scratch;
  constexpr u64 kBytes = 32 * kMiB;
  {
    const auto store = open(scratch, 0);
    append(*store, region_of(*store, "a"), kBytes);
    store->close();
  }
  if (!forget(scratch)) GTEST_SKIP() << "this filesystem keeps its files in memory";
  const auto store = open(scratch, kBytes);
  Region& region = region_of(*store, "a");
  Scan scan;
  for (u64 offset = 0; offset < kBytes; offset += kPageSize) {
    scan.reached(region, offset);
    ASSERT_EQ(*region.at(offset, 1), 7);
  }
  EXPECT_GE(resident(*store), kBytes - Scan::kStep);
}

TEST(Memory, AWalkThatJumpsIsLeftAlone) {
  const Scratch scratch;
  constexpr u64 kBytes = 48 * kMiB;
  {
    const auto store = open(scratch, 0);
    append(*store, region_of(*store, "a"), kBytes);
    store->close();
  }
  if (!forget(scratch)) GTEST_SKIP() << "this filesystem keeps its files in memory";
  const auto store = open(scratch, kMiB);
  Region& region = region_of(*store, "a");
  Scan scan;
  for (u64 i = 0; i < 1000; ++i) scan.reached(region, (i % 3) * 16 * kMiB);  // which reads nothing itself
  scan.reached(region, ~u64{0});
  EXPECT_LT(resident(*store), kMiB);
}

// An appended region's committed bytes leave the page cache, but for the newest.
TEST(Memory, BulkGrowthLetsGoOfWhatIsCommitted) {
  const Scratch scratch;
  const auto store = open(scratch, 2 * kMiB);
  Region& region = region_of(*store, "a");
  region.let_appended_go();
  for (int i = 0; i < 12; ++i) {
    append(*store, region, 4 * kMiB);
    store->commit();
  }
  const RegionStats stats = store->region_stats(*store->find("a"))[0];
  EXPECT_EQ(stats.bytes, 48 * kMiB);
  EXPECT_LE(stats.resident_bytes, 32 * kMiB);
  EXPECT_GE(stats.mapped_bytes, stats.bytes);
  for (u64 offset = 0; offset < region.size(); offset += kPageSize) ASSERT_EQ(*region.at(offset, 1), 7);
  Findings findings;
  store->verify(findings);
  EXPECT_TRUE(findings.empty());
}

}  // namespace
}  // namespace emd
