// Compaction: the same entries in the same order in less space, or nothing changed.
#include "algorithms/compact/compact.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "crash/simulated_disk.h"
#include "structures/dict/dict.h"
#include "structures/list/list.h"
#include "support/scratch.h"

namespace emd {
namespace {

StoreOptions quiet() {
  StoreOptions options;
  options.commit_interval_seconds = -1;
  return options;
}

using Entries = std::vector<std::pair<std::string, std::string>>;

Entries entries(const Dict& dict) {
  Entries all;
  for (auto record = dict.first(); record; record = dict.next(record->position)) {
    all.emplace_back(as_text(record->key),
                     std::string(as_text(record->value)) + "|" + std::string(as_text(record->annex)));
  }
  return all;
}

std::vector<std::string> elements(const List& list) {
  std::vector<std::string> all;
  for (u64 i = 0; i < list.size(); ++i) {
    const Word word = list.get(i);
    all.push_back(word.is_reference() ? std::string(as_text(list.block(word))) : "inline");
  }
  return all;
}

// Of both tables and both members.
constexpr u64 kRegionFiles = 2 + Dict::kRegionCount + List::kRegionCount;

u64 region_files(const std::string& path) {
  u64 files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    files += entry.path().filename().string().starts_with("region-");
  }
  return files;
}

// A store with a dict and a list of which much is dead.
class Compaction : public ::testing::Test {
 protected:
  void SetUp() override {
    store = Store::open(scratch.path("s"), quiet());
    dict_member = store->create("d", Dict::kKind, Dict::kRegionCount);
    list_member = store->create("l", List::kKind, List::kRegionCount);
    store->acquire(*dict_member);
    store->acquire(*list_member);
    dict = std::make_unique<Dict>(*store, *dict_member, Dict::Options{16, 64});
    list = std::make_unique<List>(*store, *list_member);
    for (u64 i = 0; i < 6000; ++i) {
      const Operation operation(*store);
      dict->put(as_bytes(std::to_string(i)), as_bytes(i % 7 == 0 ? "annex" : ""),
                as_bytes(std::string(i % 90, 'v')));
      if (i % 3 != 0) dict->erase(as_bytes(std::to_string(i * 2 / 3)));
      list->append(i % 2 ? list->store_block(as_bytes(std::string(i % 50, 'b'))) : Word::integer(7));
      if (i % 3 == 0 && list->size() > 9) list->splice(list->size() - 5, list->size() - 3, {});
    }
    store->commit();
  }
  void expect_sound() {
    Findings findings;
    store->verify(findings);
    dict->check(findings);
    list->check(findings);
    for (const Finding& finding : findings) ADD_FAILURE() << finding.where << ": " << finding.what;
  }

  Scratch scratch = Scratch::fast();
  std::unique_ptr<Store> store;
  std::shared_ptr<Member> dict_member, list_member;
  std::unique_ptr<Dict> dict;
  std::unique_ptr<List> list;
};

TEST_F(Compaction, KeepsEntriesAndOrderInLessSpace) {
  const Entries before = entries(*dict);
  const auto words = elements(*list);
  const Dict::Stats wide = dict->stats();
  const u64 version = dict->version(), list_version = list->version();
  u64 calls = 0, last = 0;
  compact(*store, *dict_member, [&](u64 done, u64 total) {
    ++calls;
    last = done;
    EXPECT_EQ(total, before.size());
  });
  compact(*store, *list_member, {});
  EXPECT_GT(calls, 0u);
  EXPECT_EQ(last, before.size());
  EXPECT_EQ(entries(*dict), before);
  EXPECT_EQ(elements(*list), words);
  EXPECT_LT(dict->stats().record_bytes, wide.record_bytes);
  EXPECT_EQ(dict->stats().record_bytes, dict->stats().live_record_bytes);
  EXPECT_NE(dict->version(), version);
  EXPECT_GT(list->version(), list_version);
  EXPECT_EQ(store->members().size(), 2u);
  expect_sound();
  {
    const Operation operation(*store);
    dict->put(as_bytes("after"), {}, as_bytes("x"));
  }
  store->checkpoint();
  dict.reset(), list.reset(), store->close();
  store = Store::open(scratch.path("s"), quiet());
  dict_member = store->find("d");
  store->acquire(*dict_member);
  dict = std::make_unique<Dict>(*store, *dict_member);
  EXPECT_EQ(entries(*dict).size(), before.size() + 1);
}

// What was committed on the way and has not changed since takes its place as well: here the values' region.
TEST_F(Compaction, CommitsOnTheWayChangeNothing) {
  const Entries before = entries(*dict);
  const auto words = elements(*list);
  const auto commit = [&](u64, u64) { store->commit(); };
  compact(*store, *dict_member, commit);
  compact(*store, *list_member, commit);
  store->checkpoint();
  EXPECT_EQ(entries(*dict), before);
  EXPECT_EQ(elements(*list), words);
  expect_sound();
  dict.reset(), list.reset(), store->close();
  store = Store::open(scratch.path("s"), quiet());
  dict_member = store->find("d");
  list_member = store->find("l");
  store->acquire(*dict_member);
  store->acquire(*list_member);
  dict = std::make_unique<Dict>(*store, *dict_member);
  list = std::make_unique<List>(*store, *list_member);
  EXPECT_EQ(entries(*dict), before);
  EXPECT_EQ(elements(*list), words);
  expect_sound();
}

TEST_F(Compaction, ACancelledOneChangesNothing) {
  const Entries before = entries(*dict);
  struct Cancelled {};
  EXPECT_THROW(compact(*store, *dict_member, [](u64, u64) { throw Cancelled(); }), Cancelled);
  EXPECT_EQ(entries(*dict), before);
  store->checkpoint();
  expect_sound();
  EXPECT_EQ(region_files(scratch.path("s")), kRegionFiles);
}

TEST_F(Compaction, WhatACutOffOneLeftIsDropped) {
  const Entries before = entries(*dict);
  const auto fresh = store->create_compaction(Dict::kKind, Dict::kRegionCount);
  store->commit();
  dict.reset(), list.reset(), store.reset();  // as a kill
  EXPECT_EQ(region_files(scratch.path("s")), kRegionFiles + Dict::kRegionCount);
  store = Store::open(scratch.path("s"), quiet());
  EXPECT_EQ(store->members().size(), 2u);
  store->checkpoint();
  EXPECT_EQ(region_files(scratch.path("s")), kRegionFiles);
}

TEST_F(Compaction, ItsNameAndAllOfItsKindAreNobodyElses) {
  using namespace std::literals;
  for (const std::string_view name : {kCompactionName, "\0"sv, "\0x"sv, "\0compaction "sv}) {
    EXPECT_THROW(store->create(name, Dict::kKind, Dict::kRegionCount), FormatError);
    EXPECT_EQ(store->find(name), nullptr);
    EXPECT_THROW(store->drop(name), StateError);
  }
  store->create_compaction(Dict::kKind, Dict::kRegionCount);
  EXPECT_EQ(store->find(kCompactionName), nullptr);
  EXPECT_THROW(store->drop(kCompactionName), StateError);
  EXPECT_THROW(store->create(kCompactionName, Dict::kKind, Dict::kRegionCount), FormatError);
  EXPECT_EQ(store->members().size(), 2u);
}

// One that could not even drop what it had written, since the disk was full: a crash in the next one must not find two.
TEST_F(Compaction, WhatAFailedOneLeftDoesNotMeetTheNext) {
  const Entries before = entries(*dict);
  store->create_compaction(Dict::kKind, Dict::kRegionCount);
  compact(*store, *dict_member, [&](u64, u64) {
    store->commit();
    std::filesystem::remove_all(scratch.path("cut off"));
    std::filesystem::copy(scratch.path("s"), scratch.path("cut off"));
  });
  EXPECT_EQ(entries(*dict), before);
  const auto cut_off = Store::open(scratch.path("cut off"), quiet());
  EXPECT_EQ(cut_off->members().size(), 2u);
  const auto member = cut_off->find("d");
  cut_off->acquire(*member);
  EXPECT_EQ(entries(Dict(*cut_off, *member)), before);
}

TEST_F(Compaction, IsRefusedInATransaction) {
  store->begin();
  EXPECT_THROW(compact(*store, *dict_member, {}), StateError);
  store->rollback();
}

TEST_F(Compaction, WritesACopyIntoANewDirectory) {
  const Entries before = entries(*dict);
  compact_to(*store, scratch.path("copy"), {});
  EXPECT_EQ(entries(*dict), before);
  const auto copy = Store::open(scratch.path("copy"), quiet());
  const auto member = copy->find("d");
  copy->acquire(*member);
  EXPECT_EQ(entries(Dict(*copy, *member)), before);
  EXPECT_EQ(copy->members().size(), 2u);
  EXPECT_THROW(compact_to(*store, scratch.path("copy"), {}), SystemError);
  struct Cancelled {};
  EXPECT_THROW(compact_to(*store, scratch.path("other"), [](u64, u64) { throw Cancelled(); }), Cancelled);
  for (const auto& entry : std::filesystem::directory_iterator(scratch.path("."))) {
    const std::string name = entry.path().filename();
    EXPECT_TRUE(name == "s" || name == "copy") << name;
  }
}

// It comes to its place when a power cut cannot take anything of it.
TEST_F(Compaction, ACopyIsMovedToItsPlaceWhenItIsDurable) {
  const Entries before = entries(*dict);
  const auto disk = std::make_shared<testing::SimulatedDisk>(scratch.path("copy"));
  std::mt19937_64 random(1);
  unsigned moved = 0;
  disk->before_call = [&](testing::Call call, const std::string&) {
    if (call != testing::Call::move_directory) return;
    ++moved;
    std::filesystem::create_directory(scratch.path("cut"));
    disk->image(testing::SimulatedDisk::Unsynced::lost, random).write_to(scratch.path("cut"));
  };
  compact_to(*store, scratch.path("copy"), {}, disk->file_system());
  ASSERT_EQ(moved, 1u);
  const auto copy = Store::open(scratch.path("cut"), quiet());
  const auto member = copy->find("d");
  ASSERT_NE(member, nullptr);
  copy->acquire(*member);
  EXPECT_EQ(entries(Dict(*copy, *member)), before);
}

}  // namespace
}  // namespace emd
