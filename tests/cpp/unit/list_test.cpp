// Lists: each operation, in place and by rewriting; damage; atomicity.
#include "structures/list/list.h"

#include <algorithm>
#include <random>
#include <stdexcept>

#include "model/list_fixture.h"

namespace emd::test {
namespace {

// More than twice what a change in place may mark.
constexpr u64 kLarge = 3 * List::kRewriteThreshold / sizeof(Word);

class ListTest : public ListFixture {
 protected:
  // `count` committed words: all of them in the private window.
  std::vector<Word> committed(u64 count) {
    extend(counting(count));
    store_->commit();
    return counting(count);
  }
  Word block(const std::string& bytes) { return list().store_block(as_bytes(bytes)); }
  void expect_contents(const std::vector<Word>& expected) {
    ASSERT_EQ(list().size(), expected.size());
    ASSERT_TRUE(std::ranges::equal(list().words(), expected));
    expect_sound();
  }
};

TEST_F(ListTest, IsEmptyAtFirst) {
  EXPECT_EQ(list().size(), 0u);
  EXPECT_TRUE(list().words().empty());
  change([&] {
    list().clear();
    list().extend({});
    list().splice(0, 0, {});
    list().reverse();
    list().remove_strided(0, 1, 0);
  });
  reopen();
  expect_contents({});
}

TEST_F(ListTest, AppendsAndReopens) {
  for (i64 i = 0; i < 3000; ++i) change([&] { list().append(Word::integer(i)); });
  expect_contents(counting(3000));
  reopen();
  expect_contents(counting(3000));
  EXPECT_EQ(list().get(2999), Word::integer(2999));
}

TEST_F(ListTest, ExtendsByManyWordsIntoUnusedAndNewSpace) {
  std::vector<Word> expected = committed(kLarge);
  change([&] { list().splice(kLarge / 2, kLarge, {}); });
  expected.resize(kLarge / 2);
  expect_contents(expected);
  extend(counting(kLarge));
  const std::vector<Word> more = counting(kLarge);
  expected.insert(expected.end(), more.begin(), more.end());
  expect_contents(expected);
  reopen();
  expect_contents(expected);
}

TEST_F(ListTest, LargeInsertAtFrontDoesNotDirtyTheList) {
  std::vector<Word> expected = committed(kLarge);
  change([&] { list().insert(0, Word::none()); });
  expected.insert(expected.begin(), Word::none());
  expect_contents(expected);
  EXPECT_LT(store_->stats().dirty_bytes, List::kRewriteThreshold);
  reopen();
  expect_contents(expected);
}

TEST_F(ListTest, LargeReverseDoesNotDirtyTheList) {
  std::vector<Word> expected = committed(kLarge + 5);
  change([&] { list().reverse(); });
  std::ranges::reverse(expected);
  expect_contents(expected);
  EXPECT_LT(store_->stats().dirty_bytes, List::kRewriteThreshold);
  reopen();
  expect_contents(expected);
}

TEST_F(ListTest, LargeStridedRemoval) {
  std::vector<Word> expected = committed(kLarge);
  change([&] { list().remove_strided(1, 3, kLarge / 3); });
  u64 position = 0;
  std::erase_if(expected, [&](Word) { return position++ % 3 == 1; });
  expect_contents(expected);
  EXPECT_LT(store_->stats().dirty_bytes, List::kRewriteThreshold);
}

TEST_F(ListTest, SmallChangesOfALargeListStayInPlace) {
  committed(kLarge);
  const std::string path = words_region().path();
  change([&] { list().insert(kLarge - 10, Word::none()); });
  change([&] { list().set(0, Word::none()); });
  change([&] { list().splice(5, 7, std::vector{Word::none(), Word::none()}); });
  EXPECT_EQ(words_region().path(), path);
  EXPECT_LT(store_->stats().dirty_bytes, 8 * kPageSize);
}

TEST_F(ListTest, ChangesAsAWholeWithinASmallBudget) {
  const u64 before = memory_budget();
  const u64 budget = u64{2} << 20;
  const u64 count = 4 * budget / sizeof(Word);
  std::vector<Word> expected = committed(count);
  set_memory_budget(budget);
  store_->begin();  // in a transaction a full budget is an error
  change([&] { list().insert(0, Word::none()); });
  change([&] { list().reverse(); });
  change([&] { list().splice(1000, count / 2, {}); });
  change([&] {
    list().permute([&](std::span<Word> to) { std::ranges::reverse_copy(list().words(), to.begin()); });
  });
  EXPECT_LT(store_->stats().dirty_bytes, budget);
  store_->commit_transaction();
  set_memory_budget(before);
  expected.insert(expected.begin(), Word::none());
  std::ranges::reverse(expected);
  expected.erase(expected.begin() + 1000, expected.begin() + static_cast<std::ptrdiff_t>(count / 2));
  std::ranges::reverse(expected);
  expect_contents(expected);
}

TEST_F(ListTest, PoppingGivesSpaceBack) {
  std::vector<Word> expected = committed(kLarge);
  const u64 full = words_region().size();
  while (list().size() > kLarge / 8) {
    const u64 length = list().size();
    change([&] { list().splice(length - 1000, length, {}); });
  }
  EXPECT_LT(words_region().size(), full / 2);
  expected.resize(list().size());
  expect_contents(expected);
}

TEST_F(ListTest, RollbackBringsTheListBack) {
  const std::vector<Word> expected = committed(kLarge);
  const u64 version = list().version();
  store_->begin();
  change([&] { list().reverse(); });
  change([&] { list().append(block("gone again")); });
  change([&] { list().insert(7, Word::none()); });
  const u64 version_inside = list().version();
  store_->rollback();
  expect_contents(expected);
  EXPECT_NE(list().version(), version_inside);
  for (int i = 0; i < 5; ++i) {  // no version that was seen inside comes again
    change([&] { list().append(Word::none()); });
    EXPECT_NE(list().version(), version_inside);
    EXPECT_NE(list().version(), version);
  }
}

TEST_F(ListTest, RollbackOfTheFirstChange) {
  store_->begin();
  extend(counting(100));
  store_->rollback();
  expect_contents({});
  extend(counting(3));
  expect_contents(counting(3));
}

TEST_F(ListTest, EveryChangeChangesTheVersion) {
  u64 last = list().version();
  const auto expect_new = [&](auto&& make) {
    change(make);
    EXPECT_NE(list().version(), last);
    last = list().version();
  };
  expect_new([&] { list().append(Word::none()); });
  expect_new([&] { list().extend(counting(10)); });
  expect_new([&] { list().set(3, Word::none()); });
  expect_new([&] { list().insert(3, Word::none()); });
  expect_new([&] { list().splice(0, 2, {}); });
  expect_new([&] { list().remove_strided(0, 2, 3); });
  expect_new([&] { list().reverse(); });
  expect_new(
      [&] { list().permute([&](std::span<Word> to) { std::ranges::copy(list().words(), to.begin()); }); });
  expect_new([&] { list().clear(); });
}

TEST_F(ListTest, ReplacedAndRemovedBlocksAreFreed) {
  for (int i = 0; i < 100; ++i) {
    change([&] { list().append(block("block number " + std::to_string(i))); });
  }
  expect_sound();
  change([&] { list().set(0, Word::none()); });
  change([&] { list().set(1, block("another")); });
  change([&] { list().splice(10, 20, std::vector{Word::none(), block("a third")}); });
  change([&] { list().remove_strided(20, 4, 10); });
  expect_sound();
  EXPECT_EQ(as_text(list().block(list().get(1))), "another");
  EXPECT_EQ(as_text(list().block(list().get(11))), "a third");
  EXPECT_EQ(as_text(list().block(list().get(12))), "block number 20");
  change([&] { list().clear(); });
  EXPECT_EQ(list().stats().heap_live_bytes, 0u);
  expect_contents({});
}

TEST_F(ListTest, ClearingALargeListGivesItsFilesBack) {
  committed(kLarge);
  const std::string long_text(100, 'x');
  change([&] { list().append(block(long_text)); });
  const u64 version = list().version();
  change([&] { list().clear(); });
  EXPECT_LT(words_region().size(), kPageSize);
  EXPECT_NE(list().version(), version);
  expect_contents({});
  change([&] { list().append(block(long_text)); });
  reopen();
  EXPECT_EQ(as_text(list().block(list().get(0))), long_text);
  expect_sound();
}

TEST_F(ListTest, DiscardFreesAWordThatDidNotGetIn) {
  change([&] {
    const Word word = block("not to be");
    list().discard(word);
    list().discard(Word::none());
  });
  EXPECT_EQ(list().stats().heap_live_bytes, 0u);
  expect_sound();
}

TEST_F(ListTest, PermuteThatThrowsChangesNothing) {
  for (const u64 count : {u64{100}, kLarge}) {
    change([&] { list().clear(); });
    const std::vector<Word> expected = committed(count);
    const auto fill = [](std::span<Word> to) {
      to[0] = Word::none();
      throw std::runtime_error("halfway");
    };
    EXPECT_THROW(change([&] { list().permute(fill); }), std::runtime_error);
    expect_contents(expected);
  }
}

TEST_F(ListTest, AnOrderOfAnOlderVersionIsRefused) {
  const std::vector<Word> before = committed(100);
  List::Reordering order = list().reorder();
  change([&] { list().set(0, Word::none()); });
  EXPECT_THROW(change([&] { list().adopt(std::move(order)); }), StateError);
  EXPECT_EQ(list().get(0), Word::none());
  EXPECT_EQ(list().get(99), before[99]);
}

// ---- Damage

class ListDamageTest : public ListTest {
 protected:
  void SetUp() override {
    ListTest::SetUp();
    extend(counting(50));
    for (int i = 0; i < 50; ++i) change([&] { list().append(block("block " + std::to_string(i))); });
    store_->commit();
  }
  template <class T>
  void plant(Region& region, u64 offset, T value) {
    change([&] { emd::store(region.writable(offset, sizeof value), value); });
  }
  bool finds_damage() {
    Findings findings;
    list().check(findings);
    return !findings.empty();
  }
};

TEST_F(ListDamageTest, ALengthBeyondTheRegion) {
  for (const u64 length : {u64{101}, ~u64{0}, u64{1} << 61, u64{1} << 63}) {
    plant(words_region(), 8, length);
    EXPECT_THROW(list().size(), DamagedError);
    EXPECT_THROW(list().words(), DamagedError);
    EXPECT_THROW(change([&] { list().append(Word::none()); }), DamagedError);
    EXPECT_THROW(List(*store_, *member_), DamagedError);
    EXPECT_TRUE(finds_damage());
  }
}

TEST_F(ListDamageTest, AForeignHeader) {
  plant(words_region(), 4, u32{99});
  EXPECT_THROW(List(*store_, *member_), FormatError);
  EXPECT_TRUE(finds_damage());
  plant(words_region(), 0, u32{0});
  EXPECT_THROW(List(*store_, *member_), DamagedError);
}

TEST_F(ListDamageTest, ABadReferenceStopsTheChangeThatWouldFreeIt) {
  const std::vector<Word> before = contents();
  const u64 at = List::kHeaderBytes + 60 * sizeof(Word);
  for (const u64 ref : {u64{0}, u64{3}, u64{1} << 30, (u64{1} << 45) - 1}) {
    plant(words_region(), at, Word::reference(HeapRef{ref}));
    const std::vector<Word> damaged = contents();
    EXPECT_THROW(list().block(list().get(60)), DamagedError);
    EXPECT_THROW(change([&] { list().set(60, Word::none()); }), DamagedError);
    EXPECT_THROW(change([&] { list().splice(55, 65, {}); }), DamagedError);
    EXPECT_THROW(change([&] { list().remove_strided(50, 2, 25); }), DamagedError);
    EXPECT_THROW(change([&] { list().clear(); }), DamagedError);
    EXPECT_EQ(contents(), damaged);
    EXPECT_TRUE(finds_damage());
  }
  plant(words_region(), at, before[60]);
  expect_sound();  // and nothing was freed on the way
}

TEST_F(ListDamageTest, CheckFindsEachKindOfDamage) {
  const u64 at = List::kHeaderBytes;
  const Word first = list().get(0);
  plant(words_region(), at, Word{~u64{0}});  // no such tag
  EXPECT_TRUE(finds_damage());
  plant(words_region(), at, list().get(70));  // a shared block
  EXPECT_TRUE(finds_damage());
  plant(words_region(), at, first);
  expect_sound();
  plant(words_region(), 16, u64{49});  // the count of references
  EXPECT_TRUE(finds_damage());
  plant(words_region(), 16, u64{50});
  expect_sound();
  change([&] { block("nobody's"); });  // a block without a word
  EXPECT_TRUE(finds_damage());
}

TEST_F(ListDamageTest, RandomBytesNeverCrash) {
  std::mt19937_64 random(4);
  const auto attempt = [](auto&& use) {
    try {
      use();
    } catch (const DamagedError&) {
    } catch (const FormatError&) {
    } catch (const SystemError&) {
    }
  };
  for (int round = 0; round < 400; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    store_->begin();
    for (u64 hits = 1 + random() % 8; hits != 0; --hits) {
      Region& region = random() % 3 == 0 ? heap_region() : words_region();
      const u64 reach = random() % 2 ? 64 : region.size();
      plant(region, random() % reach, static_cast<u8>(random()));
    }
    Findings findings;
    list().check(findings);
    attempt([&] { List again(*store_, *member_); });
    attempt([&] {
      for (const Word word : list().words()) {
        if (word.is_reference()) attempt([&] { list().block(word); });
      }
    });
    attempt([&] { change([&] { list().append(block("one more")); }); });
    attempt([&] {
      if (list().size() != 0) change([&] { list().set(random() % list().size(), Word::none()); });
    });
    attempt([&] { change([&] { list().remove_strided(0, 3, list().size() / 3); }); });
    attempt([&] { change([&] { list().splice(0, list().size() / 2, counting(7)); }); });
    attempt([&] { change([&] { list().reverse(); }); });
    attempt([&] { change([&] { list().clear(); }); });
    store_->rollback();
  }
  expect_sound();
}

}  // namespace
}  // namespace emd::test
