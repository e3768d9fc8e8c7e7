// The store by itself: regions, commit, rollback, rewrite, members, reopening. Crashes are in crash_test.cpp.
#include "store/store.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <random>

#include "store/budget.h"
#include "structures/array/array.h"
#include "support/scratch.h"

namespace emd {
namespace {

constexpr u64 kMiB = u64{1} << 20;

std::unique_ptr<Store> open(const Scratch& scratch, Mode mode = Mode::append, double interval = -1) {
  StoreOptions options;
  options.mode = mode;
  options.commit_interval_seconds = interval;
  return Store::open(scratch.path(), options);
}

Region& region_of(Store& store, const std::string& name) {
  auto member = store.find(name);
  if (member == nullptr) member = store.create(name, Array::kKind, 1);
  store.acquire(*member);
  return *member->regions[0];
}

void append(Store& store, Region& region, std::string_view text) {
  const Operation operation(store);
  region.append(as_bytes(text));
}

void overwrite(Store& store, Region& region, u64 offset, std::string_view text) {
  const Operation operation(store);
  std::memcpy(region.writable(offset, text.size()), text.data(), text.size());
}

std::string content(const Region& region) {
  return std::string(reinterpret_cast<const char*>(region.data()), region.size());
}

std::string noise(u64 bytes, u64 seed) {
  std::mt19937_64 random(seed);
  std::string text(bytes, 0);
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

TEST(Store, KeepsWhatWasCommitted) {
  const Scratch scratch;
  {
    auto store = open(scratch);
    append(*store, region_of(*store, "a"), "hello");
    store->close();
  }
  auto store = open(scratch);
  EXPECT_EQ(content(region_of(*store, "a")), "hello");
}

TEST(Store, DestroyedWithoutCloseLosesOnlyWhatWasNotCommitted) {
  const Scratch scratch;
  {
    auto store = open(scratch);
    Region& region = region_of(*store, "a");
    append(*store, region, "committed");
    store->commit();
    overwrite(*store, region, 0, "XXXX");
    append(*store, region, " not");
  }
  auto store = open(scratch);
  EXPECT_EQ(content(region_of(*store, "a")), "committed");
}

TEST(Store, SmallCommitsGoThroughTheJournal) {
  const Scratch scratch;
  std::string expected;
  {
    auto store = open(scratch);
    Region& region = region_of(*store, "a");
    for (int i = 0; i < 300; ++i) {
      const std::string word = "word " + std::to_string(i) + ";";
      append(*store, region, word);
      expected += word;
      if (i % 7 == 0) {
        overwrite(*store, region, 0, word);
        expected.replace(0, word.size(), word);
      }
      store->commit();
    }
  }
  auto store = open(scratch);
  EXPECT_EQ(content(region_of(*store, "a")), expected);
}

TEST(Store, GrowthBeyondTheReservationMovesTheWindow) {
  const Scratch scratch;
  auto store = open(scratch);
  Region& region = region_of(*store, "a");
  const std::string block = noise(kMiB, 1);
  append(*store, region, block);
  store->commit();
  overwrite(*store, region, 5000, "private page");
  for (int i = 0; i < 100; ++i) append(*store, region, block);
  EXPECT_EQ(std::string_view(content(region)).substr(5000, 12), "private page");
  EXPECT_EQ(std::string_view(content(region)).substr(100 * kMiB), block);
  store->commit();
  overwrite(*store, region, 90 * kMiB, "late");
  store->close();
  auto again = open(scratch);
  const std::string found = content(region_of(*again, "a"));
  EXPECT_EQ(found.size(), 101 * kMiB);
  EXPECT_EQ(found.substr(5000, 12), "private page");
  EXPECT_EQ(found.substr(90 * kMiB, 4), "late");
}

TEST(Store, RollbackBringsBackTheCommittedBytesAndSizes) {
  const Scratch scratch;
  auto store = open(scratch);
  Region& region = region_of(*store, "a");
  const std::string before = noise(100000, 2);
  append(*store, region, before);
  store->begin();
  overwrite(*store, region, 50000, "changed");
  append(*store, region, noise(3 * kMiB, 3));
  store->rollback();
  EXPECT_EQ(content(region), before);
  // New growth over what was rolled back starts from zeros.
  {
    const Operation operation(*store);
    region.extend(2 * kMiB);
  }
  EXPECT_EQ(content(region), before + std::string(2 * kMiB, 0));
  store->close();
  auto again = open(scratch);
  EXPECT_EQ(content(region_of(*again, "a")), before + std::string(2 * kMiB, 0));
}

// A reader in another process maps the file as it is; a rollback must neither cut the file under it nor
// take its blocks away.
TEST(Store, RollbackKeepsMappedFreshBytesReadable) {
  const Scratch scratch;
  auto store = open(scratch);
  Region& region = region_of(*store, "a");
  store->begin();
  append(*store, region, noise(4 * kMiB, 4));
  const u8* const live_view = region.data();
  const std::string file = region.path();
  store->rollback();
  std::ifstream in(file, std::ios::binary | std::ios::ate);
  EXPECT_GE(static_cast<u64>(in.tellg()), 4 * kMiB);
  for (u64 offset = 0; offset < 4 * kMiB; offset += kPageSize) EXPECT_EQ(live_view[offset], 0);
}

TEST(Store, RewriteReplacesTheContentAsOneChange) {
  const Scratch scratch;
  auto store = open(scratch);
  Region& region = region_of(*store, "a");
  append(*store, region, "old content");
  store->commit();
  const auto rewrite_as = [&](std::string_view text) {
    const Operation operation(*store);
    Region::Rewrite rewrite = region.rewrite(text.size());
    std::memcpy(rewrite.data(), text.data(), text.size());
    region.finish(std::move(rewrite));
  };
  store->begin();
  rewrite_as("new");
  rewrite_as("newer content, twice");
  append(*store, region, "+");
  EXPECT_EQ(content(region), "newer content, twice+");
  store->rollback();
  EXPECT_EQ(content(region), "old content");
  overwrite(*store, region, 0, "OLD");
  rewrite_as("final");
  overwrite(*store, region, 0, "F");
  store->commit();
  overwrite(*store, region, 1, "I");
  store->close();
  auto again = open(scratch);
  EXPECT_EQ(content(region_of(*again, "a")), "FInal");
}

TEST(Store, AnAbandonedRewriteChangesNothing) {
  const Scratch scratch;
  auto store = open(scratch);
  Region& region = region_of(*store, "a");
  append(*store, region, "kept");
  {
    const Operation operation(*store);
    Region::Rewrite rewrite = region.rewrite(100);
    rewrite.data()[0] = 'x';
  }
  EXPECT_EQ(content(region), "kept");
}

TEST(Store, MembersCommitAndRollBackTogether) {
  const Scratch scratch;
  auto store = open(scratch);
  append(*store, region_of(*store, "a"), "1");
  store->commit();
  store->begin();
  append(*store, region_of(*store, "a"), "2");
  append(*store, region_of(*store, "b"), "new member");
  const auto b = store->find("b");
  store->rollback();
  EXPECT_FALSE(b->live);
  EXPECT_EQ(store->find("b"), nullptr);
  EXPECT_EQ(content(region_of(*store, "a")), "1");

  store->begin();
  store->drop("a");
  EXPECT_EQ(store->find("a"), nullptr);
  store->rollback();
  ASSERT_NE(store->find("a"), nullptr);
  EXPECT_EQ(content(region_of(*store, "a")), "1");

  store->drop("a");
  append(*store, region_of(*store, "c"), "3");
  store->close();
  auto again = open(scratch);
  EXPECT_EQ(again->members().size(), 1u);
  EXPECT_EQ(content(region_of(*again, "c")), "3");
}

TEST(Store, RandomOperationsEqualAModel) {
  const u64 seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const Scratch scratch;
  auto store = open(scratch);
  std::string committed, current;
  Region* region = &region_of(*store, "a");
  for (int step = 0; step < 600; ++step) {
    switch (random() % 9) {
      case 0:
      case 1:
      case 2: {
        const std::string text = noise(random() % (random() % 8 == 0 ? 300000 : 3000), random());
        append(*store, *region, text);
        current += text;
        break;
      }
      case 3:
      case 4: {
        if (current.empty()) break;
        const u64 at = random() % current.size();
        const std::string text = noise(std::min<u64>(random() % 9000 + 1, current.size() - at), random());
        overwrite(*store, *region, at, text);
        current.replace(at, text.size(), text);
        break;
      }
      case 5:
        if (!store->in_transaction()) {
          store->commit();
          committed = current;
        }
        break;
      case 6:
        if (store->in_transaction()) {
          store->rollback();
          current = committed;
        } else {
          store->begin();
          committed = current;
        }
        break;
      case 7:
        if (store->in_transaction()) {
          store->commit_transaction();
          committed = current;
        } else if (random() % 3 == 0) {
          store->close();
          committed = current;
          store = open(scratch);
          region = &region_of(*store, "a");
        }
        break;
      case 8:
        if (random() % 4 == 0) {
          const std::string text = noise(random() % 20000, random());
          const Operation operation(*store);
          Region::Rewrite rewrite = region->rewrite(text.size());
          rewrite.write(0, as_bytes(text));
          region->finish(std::move(rewrite));
          current = text;
        }
        break;
    }
    ASSERT_EQ(content(*region), current) << "step " << step;
  }
}

TEST(Store, ACommitInsideAnOperationIsRefused) {
  const Scratch scratch;
  auto store = open(scratch);
  Region& region = region_of(*store, "a");
  append(*store, region, "before");
  store->commit();
  const u64 commits = store->stats().commits;
  const u64 budget = memory_budget();
  {
    const Operation operation(*store);
    region.extend(8);
    EXPECT_THROW(store->commit(), StateError);
    // Nor does a due commit slip in through a nested operation.
    set_memory_budget(kMiB);
    const Operation nested(*store);
  }
  set_memory_budget(budget);
  EXPECT_EQ(store->stats().commits, commits);
}

TEST(Store, AnUnmarkedWriteIsFound) {
  const Scratch scratch;
  StoreOptions options;
  options.check_unmarked_writes = true;
  auto store = Store::open(scratch.path(), options);
  Region& region = region_of(*store, "a");
  append(*store, region, noise(20000, 5));
  store->commit();
  const Operation* operation = new Operation(*store);
  const_cast<u8*>(region.data())[9000] ^= 1;
  delete operation;
  EXPECT_THROW(store->commit(), CheckError);
}

TEST(Store, DirtyPagesStayUnderTheBudget) {
  const u64 budget = memory_budget();
  set_memory_budget(2 * kMiB);
  const Scratch scratch;
  auto store = open(scratch);
  Region& region = region_of(*store, "a");
  append(*store, region, std::string(32 * kMiB, 'x'));
  store->commit();
  std::mt19937_64 random(6);
  for (int i = 0; i < 20000; ++i) {
    overwrite(*store, region, random() % (32 * kMiB - 8), "y");
    ASSERT_LE(store->stats().private_bytes, 2 * kMiB);
  }
  store->begin();
  EXPECT_THROW(for (int i = 0; i < 20000; ++i) overwrite(*store, region, random() % (32 * kMiB - 8), "z"),
               BudgetError);
  EXPECT_FALSE(store->in_transaction());
  EXPECT_EQ(content(region).find('z'), std::string::npos);
  set_memory_budget(budget);
}

TEST(Store, DeadSpaceIsGivenBack) {
  const Scratch scratch;
  auto store = open(scratch);
  Region& region = region_of(*store, "a");
  append(*store, region, std::string(40 * kMiB, 'x'));
  store->commit();
  const u64 before = store->stats().disk_bytes;
  {
    const Operation operation(*store);
    region.note_dead(kMiB, 30 * kMiB);
  }
  overwrite(*store, region, 0, "y");
  store->commit();
  EXPECT_LT(store->stats().disk_bytes, before - 25 * kMiB);
  EXPECT_EQ(region.data()[0], 'y');
  EXPECT_EQ(region.data()[35 * kMiB], 'x');
}

// So that none waits for both.
TEST(Store, ACheckpointThatIsOverdueIsTheNextOperations) {
  const Scratch scratch;
  StoreOptions options;
  options.commit_interval_seconds = -1;
  options.background_sync_bytes = kPageSize;
  const auto store = Store::open(scratch.path(), options);
  Region& region = region_of(*store, "a");
  append(*store, region, noise(2 * kMiB, 1));
  store->commit();
  u64 made = 0;
  for (u64 i = 0; i < 20; ++i) {
    overwrite(*store, region, 0, noise(kMiB, 2 + i));
    store->commit();
    const u64 checkpoints = store->stats().checkpoints;
    overwrite(*store, region, 0, "one more");
    made += store->stats().checkpoints - checkpoints;
  }
  EXPECT_GT(made, 0u);
  EXPECT_LE(store->stats().journal_bytes, 4 * kMiB);
}

TEST(Store, ModesAndErrors) {
  const Scratch scratch;
  EXPECT_THROW(open(scratch, Mode::read_write), SystemError);
  EXPECT_THROW(open(scratch, Mode::read), SystemError);
  {
    auto store = open(scratch, Mode::exclusive);
    append(*store, region_of(*store, "a"), "hello");
    EXPECT_THROW(open(scratch), LockedError);
    store->close();
    EXPECT_THROW(store->commit(), ClosedError);
    store->close();
  }
  EXPECT_THROW(open(scratch, Mode::exclusive), SystemError);
  auto reader = open(scratch, Mode::read);
  auto second = open(scratch, Mode::read);
  EXPECT_EQ(content(region_of(*reader, "a")), "hello");
  EXPECT_THROW(const Operation operation(*reader), ReadOnlyError);
}

TEST(Store, AReaderSeesWhatTheLastWriterCommittedButDidNotApply) {
  const Scratch scratch;
  {
    auto store = open(scratch);
    append(*store, region_of(*store, "a"), "hello");
    store->commit();
    overwrite(*store, region_of(*store, "a"), 0, "J");
    store->commit();
  }
  auto reader = open(scratch, Mode::read);
  EXPECT_EQ(content(region_of(*reader, "a")), "Jello");
}

TEST(Store, HundredsOfMembersNeedFewDescriptors) {
  const Scratch scratch;
  auto store = open(scratch);
  for (int i = 0; i < 300; ++i) append(*store, region_of(*store, "m" + std::to_string(i)), std::to_string(i));
  store->commit();
  for (int i = 0; i < 300; ++i)
    EXPECT_EQ(content(region_of(*store, "m" + std::to_string(i))), std::to_string(i));
  store->close();
}

TEST(Store, ADamagedSuperblockOrTableIsRefused) {
  const Scratch scratch;
  {
    auto store = open(scratch);
    append(*store, region_of(*store, "a"), "hello");
    store->close();
  }
  std::mt19937_64 random(7);
  for (const char* name : {"superblock", "region-1", "region-2", "journal"}) {
    const std::string file = scratch.path() + "/" + name;
    std::string original;
    {
      std::ifstream in(file, std::ios::binary);
      original.assign(std::istreambuf_iterator<char>(in), {});
    }
    ASSERT_FALSE(original.empty()) << name;
    for (int i = 0; i < 200; ++i) {
      std::string bad = original;
      const u64 used = std::min<u64>(bad.size(), 600);
      for (int flips = 0; flips < 4; ++flips) bad[random() % used] ^= static_cast<char>(1 + random() % 255);
      if (i % 20 == 0) bad.resize(random() % bad.size());
      { std::ofstream(file, std::ios::binary) << bad; }
      try {
        auto store = open(scratch);
        for (const auto& member : store->members()) {
          store->acquire(*member);
          if (member->regions[0] != nullptr) (void)content(*member->regions[0]);
        }
        store->close();
      } catch (const Error&) {  // refused, as it should be; anything else fails the test
      }
      { std::ofstream(file, std::ios::binary) << original; }
    }
  }
}

// Else two structures would free and cut under each other.
TEST(Store, AMemberThatNamesAnothersRegionIsRefused) {
  const Scratch scratch;
  {
    auto store = open(scratch);
    append(*store, region_of(*store, "a"), "hello");
    append(*store, region_of(*store, "b"), "there");
    store->close();
  }
  {
    std::fstream table(scratch.path() + "/region-2", std::ios::binary | std::ios::in | std::ios::out);
    u32 region = 0;
    table.seekg(16);
    table.read(reinterpret_cast<char*>(&region), sizeof region);
    table.seekp(256 + 16);
    table.write(reinterpret_cast<const char*>(&region), sizeof region);
  }
  EXPECT_THROW(open(scratch), DamagedError);
}

}  // namespace
}  // namespace emd
