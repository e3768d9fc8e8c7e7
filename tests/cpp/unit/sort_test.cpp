// Sorting lists: against std::stable_sort, with budgets that make one run and many.
#include "algorithms/sort/sort.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <stdexcept>

#include "algorithms/sort/merge.h"
#include "model/list_fixture.h"
#include "structures/list/list.h"

namespace emd::test {
namespace {

constexpr u64 kTiny = 1;  // the least that a run may be
constexpr u64 kAmple = u64{64} << 20;

// The value of a numeric word, exact: a long double of 64 bits of mantissa holds both kinds.
long double value_of(Word word) {
  if (word.tag() == Word::Tag::real) return word.as_real();
  return word.tag() == Word::Tag::boolean ? word.as_boolean() : word.as_integer();
}
bool value_less(Word a, Word b) { return value_of(a) < value_of(b); }

std::string text_of(Word word) {
  u8 bytes[Word::kMaxText];
  const unsigned count = word.as_text(bytes);
  return {bytes, bytes + count};
}
bool text_less(Word a, Word b) { return text_of(a) < text_of(b); }

class SortTest : public ListFixture {
 protected:
  using Less = std::function<bool(Word, Word)>;

  void fill(const std::vector<Word>& words) {
    change([&] {
      list().clear();
      list().extend(words);
    });
  }
  // Sorts both ways and with both budgets; equal words of different bits show whether it is stable.
  void expect_sorts(const std::vector<Word>& words, const Less& less) {
    for (const Order order : {Order::ascending, Order::descending}) {
      std::vector<Word> expected = words;
      std::ranges::stable_sort(
          expected, [&](Word a, Word b) { return order == Order::ascending ? less(a, b) : less(b, a); });
      for (const u64 budget : {kTiny, kAmple}) {
        fill(words);
        ASSERT_TRUE(sort_native(*store_, list(), order, budget));
        ASSERT_EQ(contents(), expected);
      }
    }
  }
  std::vector<Word> generate(u64 count, const std::function<Word(u64)>& make) {
    std::vector<Word> words;
    for (u64 i = 0; i < count; ++i) words.push_back(make(i));
    return words;
  }
  i64 random_integer(unsigned bits) { return static_cast<i64>(random_()) >> (64 - bits); }

  std::mt19937_64 random_{5};
};

TEST_F(SortTest, EmptyAndSingle) {
  EXPECT_TRUE(sort_native(*store_, list(), Order::ascending, kTiny));
  expect_sorts({Word::integer(3)}, value_less);
}

TEST_F(SortTest, IntegersOfAllWidths) {
  for (const unsigned bits : {1u, 7u, 8u, 9u, 20u, 33u, 48u}) {
    expect_sorts(generate(20000, [&](u64) { return Word::integer(random_integer(bits)); }), value_less);
  }
}

TEST_F(SortTest, SortedReversedEqualAndSawtooth) {
  const u64 count = 10000;
  expect_sorts(counting(count), value_less);
  expect_sorts(generate(count, [](u64 i) { return Word::integer(-static_cast<i64>(i)); }), value_less);
  expect_sorts(generate(count, [](u64) { return Word::integer(7); }), value_less);
  expect_sorts(generate(count, [](u64 i) { return Word::integer(static_cast<i64>(i % 10)); }), value_less);
  expect_sorts(
      generate(count, [](u64 i) { return Word::integer(static_cast<i64>(i == count - 1 ? 0 : i + 1)); }),
      value_less);
}

TEST_F(SortTest, LargerThanTheRewriteThreshold) {
  expect_sorts(generate(300000, [&](u64) { return Word::integer(random_integer(48)); }), value_less);
  reopen();
  EXPECT_TRUE(std::ranges::is_sorted(list().words(), [](Word a, Word b) { return value_less(b, a); }));
  expect_sound();
}

TEST_F(SortTest, Reals) {
  expect_sorts(generate(20000,
                        [&](u64) {
                          double value = std::bit_cast<double>(random_());
                          return Word::real(std::isnan(value) ? 0.0 : value);
                        }),
               value_less);
}

TEST_F(SortTest, MixedNumbersAreComparedExactlyAndStably) {
  // Few values, in up to four forms each: 0, 0.0, -0.0 and False are equal.
  const auto few = [&](u64) {
    const i64 value = random_integer(3);
    switch (random_() % 4) {
      case 0:
        return Word::integer(value);
      case 1:
        return Word::boolean(value & 1);
      case 2:
        return Word::real(value == 0 ? -0.0 : static_cast<double>(value));
      default:
        return Word::real(static_cast<double>(value) + static_cast<double>(random_() % 3) / 4);
    }
  };
  expect_sorts(generate(20000, few), value_less);
  // Neighbours of large integers.
  const auto near = [&](u64) {
    const i64 value = (i64{1} << 46) + random_integer(4);
    return random_() % 2 ? Word::integer(value) : Word::real(static_cast<double>(value) + 1.0 / 64);
  };
  expect_sorts(generate(5000, near), value_less);
}

TEST_F(SortTest, IntegersAndBooleansStably) {
  expect_sorts(generate(5000,
                        [&](u64) {
                          const i64 value = random_integer(2);
                          return value == 0 || value == 1
                                     ? (random_() % 2 ? Word::boolean(value) : Word::integer(value))
                                     : Word::integer(value);
                        }),
               value_less);
}

TEST_F(SortTest, Extremes) {
  const i64 most = (i64{1} << 47) - 1;
  const double infinity = std::numeric_limits<double>::infinity();
  const double largest = std::numeric_limits<double>::max();
  const double smallest = std::numeric_limits<double>::denorm_min();
  std::vector<Word> words;
  for (int copies = 0; copies < 200; ++copies) {
    for (const i64 value : {most, -most - 1, i64{0}, i64{-1}, i64{1}}) words.push_back(Word::integer(value));
  }
  std::ranges::shuffle(words, random_);
  expect_sorts(words, value_less);
  for (int copies = 0; copies < 200; ++copies) {
    for (const double value : {infinity, -infinity, largest, -largest, smallest, -smallest, 0.0, -0.0}) {
      words.push_back(Word::real(value));
    }
    words.push_back(Word::boolean(copies % 2));
  }
  std::ranges::shuffle(words, random_);
  expect_sorts(words, value_less);
}

TEST_F(SortTest, ShortTexts) {
  const auto make = [&](u64) {
    std::string text;
    for (u64 length = random_() % 7; text.size() < length;)
      text += static_cast<char>(random_() % 2 ? 'a' : 0xf0);
    return Word::text(as_bytes(text));
  };
  expect_sorts(generate(5000, make), [](Word a, Word b) { return text_less(a, b); });
}

TEST_F(SortTest, WhatIsNotComparableHereIsLeftAlone) {
  const Word nan = Word::real(std::nan(""));
  const std::vector<std::vector<Word>> lists = {
      {Word::integer(2), Word::none(), Word::integer(1)},
      {Word::real(2), nan, Word::real(1)},
      {Word::text(as_bytes("b")), Word::integer(1)},
      {Word::integer(2), Word{~u64{0}}, Word::integer(1)},
  };
  for (const std::vector<Word>& words : lists) {
    fill(words);
    EXPECT_FALSE(sort_native(*store_, list(), Order::ascending, kAmple));
    EXPECT_EQ(contents(), words);
  }
  change([&] {
    list().clear();
    list().append(list().store_block(as_bytes("long text")));
  });
  EXPECT_FALSE(sort_native(*store_, list(), Order::ascending, kAmple));
}

TEST_F(SortTest, ASortedListIsNotChanged) {
  fill(counting(1000));
  const u64 version = list().version();
  EXPECT_TRUE(sort_native(*store_, list(), Order::ascending, kTiny));
  EXPECT_EQ(list().version(), version);
}

TEST_F(SortTest, WithinASmallBudgetInATransaction) {
  const u64 before = memory_budget();
  const u64 budget = u64{2} << 20;
  std::vector<Word> words =
      generate(4 * budget / sizeof(Word), [&](u64) { return Word::integer(random_integer(48)); });
  fill(words);
  store_->commit();
  set_memory_budget(budget);
  store_->begin();
  EXPECT_TRUE(sort_native(*store_, list(), Order::ascending, budget / 4));
  EXPECT_LT(store_->stats().dirty_bytes, budget);
  store_->rollback();
  EXPECT_EQ(contents(), words);
  store_->begin();
  EXPECT_TRUE(sort_native(*store_, list(), Order::ascending, budget / 4));
  store_->commit_transaction();
  set_memory_budget(before);
  std::ranges::stable_sort(words, value_less);
  EXPECT_EQ(contents(), words);
}

// ---- Sorting by callbacks

// Sorts texts in blocks by their first two bytes only, so that stability shows; can run something before any call.
class PrefixSorter : public RunSorter {
 public:
  explicit PrefixSorter(List& list) : list_(list) {}
  void sort_run(std::span<Word> run) override {
    ++runs;
    tick();
    std::stable_sort(run.begin(), run.end(), [&](Word a, Word b) { return prefix(a) < prefix(b); });
  }
  void load(std::size_t run, Word head) override {
    tick();
    if (run >= heads_.size()) heads_.resize(run + 1);
    heads_[run] = prefix(head);
  }
  bool less(std::size_t a, std::size_t b) override {
    tick();
    return heads_[a] < heads_[b];
  }

  int runs = 0;
  int calls = 0;
  std::function<void(int call)> before_call = [](int) {};

 private:
  std::string prefix(Word word) const { return std::string(as_text(list_.block(word)).substr(0, 2)); }
  void tick() { before_call(calls++); }

  List& list_;
  std::vector<std::string> heads_;
};

class GeneralSortTest : public SortTest {
 protected:
  void fill_with_blocks(u64 count) {
    change([&] {
      for (u64 i = 0; i < count; ++i) {
        texts_.push_back(std::string(1, static_cast<char>('a' + random_() % 5)) + "x" + std::to_string(i));
        list().append(list().store_block(as_bytes(texts_.back())));
      }
    });
    store_->commit();
  }
  std::vector<std::string> texts() {
    std::vector<std::string> result;
    for (const Word word : list().words()) result.emplace_back(as_text(list().block(word)));
    return result;
  }
  std::vector<std::string> sorted_texts() {
    std::vector<std::string> sorted = texts_;
    std::ranges::stable_sort(sorted,
                             [](const auto& a, const auto& b) { return a.substr(0, 2) < b.substr(0, 2); });
    return sorted;
  }
  std::vector<std::string> texts_;
};

TEST_F(GeneralSortTest, StableWithAnyNumberOfRuns) {
  fill_with_blocks(1000);
  const std::vector<Word> unsorted = contents();
  for (const u64 run_words : {1, 2, 3, 64, 333, 999, 1000, 5000}) {
    change([&] { list().permute([&](std::span<Word> to) { std::ranges::copy(unsorted, to.begin()); }); });
    PrefixSorter sorter(list());
    sort_general(*store_, list(), run_words, sorter);
    EXPECT_EQ(sorter.runs, static_cast<int>((1000 + run_words - 1) / run_words));
    EXPECT_EQ(texts(), sorted_texts());
    expect_sound();
  }
}

TEST_F(GeneralSortTest, LargerThanTheRewriteThreshold) {
  fill_with_blocks(200000);
  PrefixSorter sorter(list());
  sort_general(*store_, list(), 30000, sorter);
  EXPECT_EQ(texts(), sorted_texts());
  reopen();
  EXPECT_EQ(texts(), sorted_texts());
  expect_sound();
}

TEST_F(GeneralSortTest, AnEmptyList) {
  PrefixSorter sorter(list());
  sort_general(*store_, list(), 10, sorter);
  EXPECT_EQ(sorter.calls, 0);
}

TEST_F(GeneralSortTest, AThrowAtAnyCallLeavesTheListAsItWas) {
  fill_with_blocks(60);
  const std::vector<Word> before = contents();
  const u64 version = list().version();
  PrefixSorter complete(list());
  int call = 0;
  for (bool thrown = true; thrown; ++call) {
    PrefixSorter sorter(list());
    sorter.before_call = [&](int now) {
      if (now == call) throw std::runtime_error("the comparison failed");
    };
    try {
      sort_general(*store_, list(), 10, sorter);
      thrown = false;
    } catch (const std::runtime_error&) {
      ASSERT_EQ(contents(), before);
      ASSERT_EQ(list().version(), version);
    }
  }
  EXPECT_GT(call, 100);
  EXPECT_EQ(texts(), sorted_texts());
}

TEST_F(GeneralSortTest, ChangingTheListMeanwhileIsAnError) {
  fill_with_blocks(60);
  for (const int call : {0, 3, 30, 150}) {
    PrefixSorter sorter(list());
    sorter.before_call = [&](int now) {
      if (now == call) change([&] { list().append(Word::none()); });
    };
    EXPECT_THROW(sort_general(*store_, list(), 10, sorter), StateError);
    EXPECT_EQ(list().get(list().size() - 1), Word::none());
    const u64 length = list().size();
    change([&] { list().splice(length - 1, length, {}); });
    EXPECT_EQ(texts(), texts_);
  }
}

TEST_F(GeneralSortTest, UsingTheStoreMeanwhileIsAllowed) {
  fill_with_blocks(60);
  const std::shared_ptr<Member> other = store_->create("other", List::kKind, List::kRegionCount);
  store_->acquire(*other);
  List log(*store_, *other);
  PrefixSorter sorter(list());
  sorter.before_call = [&](int now) {
    change([&] { log.append(Word::integer(now)); });
    if (now % 50 == 0) store_->commit();
  };
  sort_general(*store_, list(), 10, sorter);
  EXPECT_EQ(texts(), sorted_texts());
  EXPECT_EQ(log.size(), static_cast<u64>(sorter.calls));
  expect_sound();
}

TEST(Merge, ComparesAboutLogarithmically) {
  constexpr std::size_t kRuns = 64;
  constexpr std::size_t kLength = 100;
  struct Cursor {
    void load(std::size_t run, Word head) { heads[run] = head.as_integer(); }
    bool less(std::size_t a, std::size_t b) {
      ++comparisons;
      return heads[a] < heads[b];
    }
    std::vector<i64> heads = std::vector<i64>(kRuns);
    u64 comparisons = 0;
  };
  std::mt19937_64 random(6);
  std::vector<std::vector<Word>> runs(kRuns);
  std::vector<std::span<const Word>> spans;
  std::vector<Word> expected;
  for (std::vector<Word>& run : runs) {
    for (std::size_t i = 0; i < kLength; ++i) run.push_back(Word::integer(static_cast<i64>(random() % 1000)));
    std::ranges::sort(run, {}, &Word::as_integer);
    spans.push_back(run);
    expected.insert(expected.end(), run.begin(), run.end());
  }
  std::ranges::sort(expected, {}, &Word::as_integer);
  Cursor cursor;
  std::vector<Word> merged;
  merge_runs(spans, cursor, [&](Word word) { merged.push_back(word); });
  EXPECT_EQ(merged, expected);
  EXPECT_LE(cursor.comparisons, kRuns + 6 * kRuns * kLength);
}

TEST(Merge, RunsMayBeEmptyOrNone) {
  struct Cursor {
    void load(std::size_t, Word) {}
    bool less(std::size_t, std::size_t) { return false; }
  } cursor;
  std::vector<Word> merged;
  const auto emit = [&](Word word) { merged.push_back(word); };
  merge_runs({}, cursor, emit);
  const std::vector<Word> one = {Word::none()};
  merge_runs(std::vector<std::span<const Word>>{{}, one, {}}, cursor, emit);
  EXPECT_EQ(merged, one);
}

}  // namespace
}  // namespace emd::test
