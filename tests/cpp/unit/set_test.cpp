// Sets: keys without values, and which keys of one set are in another.
#include "structures/set/set.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <random>

#include "algorithms/compact/compact.h"
#include "structures/kinds.h"
#include "structures/set/key_walk.h"
#include "structures/set/row_walk.h"
#include "structures/set/typed_set.h"
#include "structures/verify.h"
#include "support/scratch.h"

namespace emd {
namespace {

// A store with two sets in it.
class SetTest : public testing::Test {
 protected:
  SetTest() {
    StoreOptions options;
    options.commit_interval_seconds = -1;
    store_ = Store::open(scratch_.path(), options);
    for (const char* name : {"first", "second"}) {
      members_.push_back(store_->create(name, Set::kKind, Set::kRegionCount));
      store_->acquire(*members_.back());
    }
    open();
  }
  void open() {
    first_ = std::make_unique<Set>(*store_, *members_[0]);
    second_ = std::make_unique<Set>(*store_, *members_[1]);
  }

  bool add(Set& set, const std::string& key) {
    const Operation operation(*store_);
    return set.put(as_bytes(key), {}, {});
  }
  void erase(Set& set, const std::string& key) {
    const Operation operation(*store_);
    EXPECT_TRUE(set.erase(as_bytes(key)));
  }
  MembershipReader<Dict> reader_of(const Set& set) {
    return [this, &set](const MembershipPart<Dict>& part) {
      ++reads_;
      part(set);
    };
  }
  Membership members(const Set& first, const Set& second, u64 memory) {
    return members_of(reader_of(first), reader_of(second), memory, [this] { ++steps_; });
  }

  Scratch scratch_ = Scratch::fast();
  std::unique_ptr<Store> store_;
  std::vector<std::shared_ptr<Member>> members_;
  std::unique_ptr<Set> first_, second_;
  u64 reads_ = 0, steps_ = 0;
};

std::vector<std::string> keys_of(const Set& set) {
  std::vector<std::string> keys;
  for (auto record = set.first(); record; record = set.next(record->position)) {
    keys.emplace_back(as_text(record->key));
    EXPECT_TRUE(record->value.empty());
  }
  return keys;
}

// The keys of the first whose bits are set, by the definition.
void expect_members(const Set& first, const Set& second, const Membership& members) {
  u64 number = 0, found = 0;
  for (auto record = first.first(); record; record = first.next(record->position)) {
    const bool there = second.find(record->key).has_value();
    EXPECT_EQ(members.contains(number), there) << number;
    found += there;
    ++number;
  }
  EXPECT_EQ(members.count(), number);
  EXPECT_EQ(members.found(), found);
}

TEST_F(SetTest, KeepsKeysInTheOrderOfInsertion) {
  for (const char* key : {"b", "a", "c", "b", "a"}) add(*first_, key);
  EXPECT_EQ(keys_of(*first_), (std::vector<std::string>{"b", "a", "c"}));
  erase(*first_, "a");
  EXPECT_TRUE(add(*first_, "a"));
  EXPECT_FALSE(add(*first_, "c"));
  EXPECT_EQ(keys_of(*first_), (std::vector<std::string>{"b", "c", "a"}));
}

TEST_F(SetTest, AddingWhatIsThereChangesNoPage) {
  for (u64 i = 0; i < 5000; ++i) add(*first_, "key" + std::to_string(i));
  store_->commit();
  const u64 version = first_->version();
  for (u64 i = 0; i < 5000; ++i) EXPECT_FALSE(add(*first_, "key" + std::to_string(i)));
  EXPECT_EQ(first_->version(), version);
  EXPECT_EQ(store_->stats().dirty_bytes, 0u);
}

TEST_F(SetTest, OneThatHadAValueLosesIt) {
  // No set has values; a dict may, and one that is made shorter than nothing else is written.
  const Operation operation(*store_);
  first_->put(as_bytes("key"), {}, as_bytes("value"));
  first_->put(as_bytes("key"), {}, as_bytes(std::string(5000, 'v')));
  first_->put(as_bytes("key"), {}, {});
  EXPECT_TRUE(first_->find(as_bytes("key"))->value.empty());
  Findings findings;
  first_->check(findings);
  EXPECT_TRUE(findings.empty());
}

TEST_F(SetTest, IsAKindOfItsOwn) {
  add(*first_, "key");
  EXPECT_STREQ(kind_name(members_[0]->kind), "set");
  EXPECT_EQ(region_count_of(Set::kKind), Dict::kRegionCount);
  EXPECT_NE(Set::kKind, Dict::kKind);
  store_->commit();
  Findings findings;
  verify(*store_, findings);
  EXPECT_TRUE(findings.empty());
}

TEST_F(SetTest, IsCompacted) {
  for (u64 i = 0; i < 3000; ++i) add(*first_, "key" + std::to_string(i));
  for (u64 i = 0; i < 3000; i += 2) erase(*first_, "key" + std::to_string(i));
  const std::vector<std::string> before = keys_of(*first_);
  compact(*store_, *members_[0], [](u64, u64) {});
  EXPECT_EQ(keys_of(*first_), before);
  EXPECT_EQ(first_->stats().record_bytes, first_->stats().live_record_bytes);
}

TEST_F(SetTest, MembersOfAnotherInOneWalkOrInMany) {
  std::mt19937_64 random(7);
  for (u64 i = 0; i < 6000; ++i) add(*first_, "key" + std::to_string(random() % 9000));
  for (u64 i = 0; i < 6000; ++i) add(*second_, "key" + std::to_string(3000 + random() % 9000));
  for (u64 i = 0; i < 300; ++i) {
    const auto record = first_->first();
    erase(*first_, std::string(as_text(record->key)));
  }
  reads_ = 0;
  expect_members(*first_, *second_, members(*first_, *second_, u64{64} << 20));
  const u64 once = reads_;
  reads_ = 0;
  expect_members(*first_, *second_, members(*first_, *second_, 0));  // as little memory as it takes
  EXPECT_GE(reads_, 4 * once);
  EXPECT_GE(steps_, reads_ / 2);
  for (const u64 memory : {u64{1}, u64{20000}, u64{40000}, u64{100000}}) {
    expect_members(*first_, *second_, members(*first_, *second_, memory));
    expect_members(*second_, *first_, members(*second_, *first_, memory));
  }
  expect_members(*first_, *first_, members(*first_, *first_, 0));
}

TEST_F(SetTest, MembersWhereOneIsEmptyOrSmall) {
  expect_members(*first_, *second_, members(*first_, *second_, 0));
  for (u64 i = 0; i < 130; ++i) add(*first_, std::to_string(i));
  expect_members(*first_, *second_, members(*first_, *second_, 0));
  expect_members(*second_, *first_, members(*second_, *first_, 0));
  add(*second_, "5");
  add(*second_, "");
  add(*first_, "");
  expect_members(*first_, *second_, members(*first_, *second_, 0));
  expect_members(*second_, *first_, members(*second_, *first_, 0));
}

// Parts end at a MiB of keys too.
TEST_F(SetTest, MembersOfLongKeys) {
  for (u64 i = 0; i < 40; ++i) {
    add(*first_, std::string(200000, static_cast<char>('A' + i)));
    if (i % 3 == 0) add(*second_, std::string(200000, static_cast<char>('A' + i)));
  }
  reads_ = 0;
  expect_members(*first_, *second_, members(*first_, *second_, 0));
  EXPECT_GE(reads_, 10u);
}

std::vector<std::string> walked(const Set& set, KeyWalk walk, bool live) {
  std::vector<std::string> keys;
  Scan scan;
  while (true) {
    EXPECT_TRUE(!live || walk.stands_on_its_key(set));
    KeyWalk then = walk;
    const auto record = then.next(set, scan, live);
    walk = then;
    if (record) keys.emplace_back(as_text(record->key));
    if (!record && !walk.more()) break;
  }
  EXPECT_EQ(walk.left(), 0u);
  return keys;
}

TEST_F(SetTest, WalksAlongAllKeysOrSome) {
  for (u64 i = 0; i < 3000; ++i) add(*first_, std::to_string(i));
  for (u64 i = 0; i < 3000; i += 3) add(*second_, std::to_string(i));
  const std::vector<std::string> all = keys_of(*first_);
  std::vector<std::string> rest;
  std::copy_if(all.begin(), all.end(), std::back_inserter(rest),
               [&](const std::string& key) { return !second_->find(as_bytes(key)); });
  for (const bool live : {false, true}) {
    EXPECT_EQ(walked(*first_, KeyWalk(first_->size(), false), live), all);
    EXPECT_EQ(walked(*first_, KeyWalk(first_->size(), true), live),
              std::vector<std::string>(all.rbegin(), all.rend()));
    EXPECT_EQ(walked(*first_, KeyWalk(members(*first_, *second_, 0), true), live), keys_of(*second_));
    EXPECT_EQ(walked(*first_, KeyWalk(members(*first_, *second_, 0), false), live), rest);
  }
}

// A walk says so where it has come by many keys that are not wanted, and ends where no more of them are.
TEST_F(SetTest, WalksStopOnTheWay) {
  for (u64 i = 0; i < 2 * KeyWalk::kMostPassed; ++i) add(*first_, std::to_string(i));
  add(*second_, std::to_string(KeyWalk::kMostPassed + 5));
  add(*second_, std::to_string(KeyWalk::kMostPassed + 7));
  KeyWalk walk(members(*first_, *second_, 0), true);
  Scan scan;
  EXPECT_EQ(walk.left(), 2u);
  EXPECT_FALSE(walk.next(*first_, scan, false));
  EXPECT_TRUE(walk.more());
  for (const u64 expected : {5, 7}) {
    const auto record = walk.next(*first_, scan, false);
    ASSERT_TRUE(record && !walk.more());
    EXPECT_EQ(as_text(record->key), std::to_string(KeyWalk::kMostPassed + expected));
  }
  EXPECT_FALSE(walk.next(*first_, scan, false));
  EXPECT_FALSE(walk.more());
}

TEST_F(SetTest, AWalkKnowsTheKeyThatItStandsOn) {
  for (const char* key : {"a", "b", "c"}) add(*first_, key);
  KeyWalk walk(first_->size(), false);
  Scan scan;
  EXPECT_TRUE(walk.stands_on_its_key(*first_));
  walk.next(*first_, scan, true);
  walk.next(*first_, scan, true);
  EXPECT_TRUE(walk.stands_on_its_key(*first_));
  {
    const Operation operation(*store_);
    first_->clear();
  }
  EXPECT_FALSE(walk.stands_on_its_key(*first_));
  for (const char* key : {"x", "y", "z"}) add(*first_, key);
  EXPECT_FALSE(walk.stands_on_its_key(*first_));
}

TEST_F(SetTest, MembersEndWhenTheyAreToldTo) {
  for (u64 i = 0; i < 100; ++i) {
    add(*first_, std::to_string(i));
    add(*second_, std::to_string(i));
  }
  struct Stop {};
  EXPECT_THROW(members_of(reader_of(*first_), reader_of(*second_), 0, [] { throw Stop{}; }), Stop);
}

// ---- Of typed dicts and sets, which are walked along in rows

// A store with two typed sets in it, of keys of so many bytes.
class TypedSetTest : public testing::TestWithParam<u32> {
 protected:
  TypedSetTest() {
    StoreOptions options;
    options.commit_interval_seconds = -1;
    store_ = Store::open(scratch_.path(), options);
    TypedDict::Layout layout;
    layout.key_bytes = layout.value_offset = layout.row_bytes = GetParam();
    layout.key_text = "the type";
    for (const char* name : {"first", "second"}) {
      members_.push_back(store_->create(name, TypedSet::kKind, TypedSet::kRegionCount));
      store_->acquire(*members_.back());
      sets_.push_back(std::make_unique<TypedSet>(*store_, *members_.back(), layout));
    }
  }

  std::string key(u64 number) const {
    std::string bytes(GetParam(), '\0');
    std::memcpy(bytes.data(), &number, std::min<std::size_t>(sizeof number, bytes.size()));
    return bytes;
  }
  bool add(TypedSet& set, u64 number) {
    const Operation operation(*store_);
    return set.put(as_bytes(key(number)).data(), nullptr);
  }
  MembershipReader<TypedDict> reader_of(const TypedSet& set) {
    return [this, &set](const MembershipPart<TypedDict>& part) {
      ++reads_;
      part(set);
    };
  }
  Membership members(const TypedSet& first, const TypedSet& second, u64 memory) {
    return members_of(reader_of(first), reader_of(second), memory, [this] { ++steps_; });
  }
  static std::vector<std::string> walked(const TypedSet& set, RowWalk walk) {
    std::vector<std::string> keys;
    Scan scan;
    for (bool more = true; more;)
      more = walk.next(set, scan, [&](Bytes key) { keys.emplace_back(as_text(key)); });
    return keys;
  }

  Scratch scratch_ = Scratch::fast();
  std::unique_ptr<Store> store_;
  std::vector<std::shared_ptr<Member>> members_;
  std::vector<std::unique_ptr<TypedSet>> sets_;
  u64 reads_ = 0, steps_ = 0;
};

TEST_P(TypedSetTest, IsAKindOfItsOwn) {
  add(*sets_[0], 1);
  EXPECT_STREQ(kind_name(members_[0]->kind), "typed set");
  EXPECT_EQ(region_count_of(TypedSet::kKind), TypedDict::kRegionCount);
  store_->commit();
  for (u64 i = 0; i < 2; ++i) EXPECT_FALSE(add(*sets_[0], 1));
  EXPECT_EQ(store_->stats().dirty_bytes, 0u);  // adding what is there changes no page
  Findings findings;
  verify(*store_, findings);
  EXPECT_TRUE(findings.empty());
  compact(*store_, *members_[0], [](u64, u64) {});
  EXPECT_EQ(walked(*sets_[0], RowWalk()), std::vector<std::string>{key(1)});
}

TEST_P(TypedSetTest, MembersOfAnotherInOneWalkOrInMany) {
  std::mt19937_64 random(7);
  const u64 range = GetParam() == 1 ? 200 : 12000;  // with zero, which is no free slot
  for (u64 i = 0; i < range; ++i) {
    add(*sets_[0], random() % range);
    add(*sets_[1], range / 3 + random() % range);
  }
  add(*sets_[0], 0);
  for (u64 i = 0; i < 20; ++i) {
    const Operation operation(*store_);
    sets_[0]->erase_row(sets_[0]->first_live());
    sets_[1]->erase_row(sets_[1]->next_live(50));
  }
  for (const u64 memory : {u64{64} << 20, u64{0}, u64{20000}, u64{100000}}) {
    for (const auto& [a, b] : {std::pair{0, 1}, std::pair{1, 0}, std::pair{0, 0}}) {
      const Membership found = members(*sets_[a], *sets_[b], memory);
      std::vector<std::string> both, rest;
      for (const std::string& key : walked(*sets_[a], RowWalk())) {
        const bool there = sets_[b]->find(as_bytes(key).data()) != TypedSet::kNone;
        EXPECT_EQ(found.contains(both.size() + rest.size()), there);
        (there ? both : rest).push_back(key);
      }
      EXPECT_EQ(found.count(), both.size() + rest.size());
      EXPECT_EQ(walked(*sets_[a], RowWalk(found, true)), both);
      EXPECT_EQ(walked(*sets_[a], RowWalk(found, false)), rest);
    }
  }
  if (GetParam() == 1) return;
  reads_ = 0;
  members(*sets_[0], *sets_[1], u64{64} << 20);
  const u64 once = reads_;
  reads_ = steps_ = 0;
  members(*sets_[0], *sets_[1], 0);
  EXPECT_GE(reads_, 4 * once);
  EXPECT_GE(steps_, reads_ - 3);
}

// A walk gives others their turn where it comes by many keys that are not wanted.
TEST_P(TypedSetTest, WalksStopOnTheWay) {
  if (GetParam() == 1) return;
  const u64 passed = std::min<u64>(RowWalk::kMostPassed + 100, GetParam() == 2 ? 60000 : ~u64{0});
  for (u64 i = 0; i < passed; ++i) add(*sets_[0], i);
  add(*sets_[1], passed - 1);
  RowWalk walk(members(*sets_[0], *sets_[1], 0), true);
  Scan scan;
  std::vector<std::string> keys;
  unsigned steps = 1;
  while (walk.next(*sets_[0], scan, [&](Bytes key) { keys.emplace_back(as_text(key)); })) ++steps;
  EXPECT_EQ(steps, passed > RowWalk::kMostPassed ? 2u : 1u);
  EXPECT_EQ(keys, std::vector<std::string>{key(passed - 1)});
}

INSTANTIATE_TEST_SUITE_P(Of, TypedSetTest, testing::Values(1u, 2u, 4u, 8u, 12u, 40u));

}  // namespace
}  // namespace emd
