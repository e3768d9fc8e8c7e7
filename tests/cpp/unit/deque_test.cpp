// Deques: both ends, against a model; what they cost; limits; damage.
#include "structures/deque/deque.h"

#include <algorithm>
#include <deque>
#include <random>

#include "model/list_fixture.h"
#include "structures/list/header.h"

namespace emd::test {
namespace {

// With these a few thousand words do what takes millions with the usual ones.
constexpr Deque::Sizes kTiny{40, 600, 8, 4000};

Word number(u64 value) { return Word::integer(static_cast<i64>(value)); }

class DequeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string path = (std::filesystem::temp_directory_path() / "emd-deque-XXXXXX").string();
    ASSERT_NE(::mkdtemp(path.data()), nullptr);
    directory_ = path;
  }
  void TearDown() override {
    deque_.reset();
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  void open(const Deque::Sizes& sizes = {}, const Deque::OpenAs& wanted = {}) {
    sizes_ = sizes;
    store_ = Store::open(directory_ + "/store");
    member_ = store_->find("d");
    const Operation operation(*store_);
    if (member_ == nullptr) member_ = store_->create("d", Deque::kKind, Deque::kRegionCount);
    store_->acquire(*member_);
    deque_.emplace(*store_, *member_, sizes);
    if (!deque_->laid_out()) deque_->lay_out_as(wanted);
    deque_->require(wanted);
  }
  void close() {
    deque_.reset();
    store_->release(*member_);
    store_->close();
    member_.reset();
    store_.reset();
  }
  void reopen() {
    close();
    open(sizes_);
  }
  void settle() {
    store_->commit();
    store_->checkpoint();
  }

  Deque& deque() { return *deque_; }
  Region& words_region() { return *member_->regions[0]; }
  u64 disk_bytes() { return store_->region_stats(*member_)[0].disk_bytes; }
  u64 header(u64 offset) { return load<u64>(words_region().data() + offset); }
  template <class T>
  void plant(u64 offset, T value) {
    change([&] { emd::store(words_region().writable(offset, sizeof value), value); });
  }

  template <class Change>
  void change(Change&& make) {
    Operation operation(*store_);
    make();
  }
  std::vector<Word> contents() { return {deque().words().begin(), deque().words().end()}; }
  void expect_contents(const std::vector<Word>& expected) {
    ASSERT_EQ(contents(), expected);
    expect_sound();
  }
  void expect_sound() {
    Findings findings;
    deque().check(findings);
    for (const Finding& finding : findings) ADD_FAILURE() << finding.where << ": " << finding.what;
  }
  bool finds_damage() {
    Findings findings;
    deque().check(findings);
    return !findings.empty();
  }

  std::string directory_;
  Deque::Sizes sizes_;
  std::unique_ptr<Store> store_;
  std::shared_ptr<Member> member_;
  std::optional<Deque> deque_;
};

// ---- Both ends

TEST_F(DequeTest, IsEmptyAtFirst) {
  open();
  change([&] {
    deque().clear();
    deque().extend({});
    deque().extend_front({});
    deque().remove_front(0);
    deque().rotate(0);
    deque().reverse();
  });
  reopen();
  expect_contents({});
  EXPECT_EQ(deque().limit(), std::nullopt);
}

TEST_F(DequeTest, PutsAndTakesAtBothEnds) {
  open();
  for (u64 i = 0; i < 3000; ++i) change([&] { deque().append(number(3000 + i)); });
  for (u64 i = 3000; i-- > 0;) change([&] { deque().append_front(number(i)); });
  expect_contents(counting(6000));
  reopen();
  expect_contents(counting(6000));
  for (u64 i = 0; i < 2000; ++i) {
    change([&] { deque().remove_front(1); });
    change([&] { deque().remove_back(1); });
  }
  std::vector<Word> left = counting(4000);
  left.erase(left.begin(), left.begin() + 2000);
  expect_contents(left);
}

TEST_F(DequeTest, ManyInFrontKeepTheirOrder) {
  open();
  std::vector<Word> expected;
  for (u64 round = 0; round < 20; ++round) {
    const std::vector<Word> some = counting(40000 + round);
    change([&] { deque().extend_front(some); });
    expected.insert(expected.begin(), some.begin(), some.end());
  }
  expect_contents(expected);
  reopen();
  expect_contents(expected);
}

TEST_F(DequeTest, FreesTheBlocksOfWhatGoes) {
  open();
  change([&] {
    for (u64 i = 0; i < 100; ++i) deque().append(deque().store_block(as_bytes(std::string(50, 'x'))));
    deque().remove_front(30);
    deque().remove_back(30);
    deque().splice(3, 13, {});
  });
  expect_sound();
  change([&] { deque().remove_front(30); });
  EXPECT_EQ(deque().stats().heap_live_bytes, 0u);
  expect_sound();
}

TEST_F(DequeTest, AssignmentIsNoChangeOfTheSequence) {
  open();
  change([&] { deque().extend(counting(10)); });
  const u64 before = deque().version();
  change([&] { deque().set(3, deque().store_block(as_bytes("long enough for a block"))); });
  EXPECT_EQ(deque().version(), before);
  change([&] { deque().set(3, Word::none()); });
  EXPECT_EQ(deque().version(), before);
  expect_sound();
  change([&] { deque().rotate(1); });
  EXPECT_NE(deque().version(), before);
}

// ---- Cost

TEST_F(DequeTest, AQueueStaysAsLargeAsItsElements) {
  constexpr u64 kLive = 50000;
  open();
  change([&] { deque().extend(counting(kLive)); });
  u64 added = kLive, most = 0;
  for (int round = 0; round < 60; ++round) {
    for (u64 i = 0; i < kLive; ++i, ++added) {
      change([&] { deque().append(number(added)); });
      change([&] { deque().remove_front(1); });
    }
    settle();
    most = std::max(most, disk_bytes());
  }
  ASSERT_EQ(deque().size(), kLive);
  EXPECT_EQ(deque().get(0), number(added - kLive));
  EXPECT_EQ(deque().get(kLive - 1), number(added - 1));
  expect_sound();
  // Twice the elements, the room in front and what the file grows by at a time.
  EXPECT_LT(most, 2 * kLive * sizeof(Word) + (u64{2} << 20));
}

TEST_F(DequeTest, TheFileOfAQueueDoesNotGrowForEver) {
  open(kTiny);
  change([&] { deque().extend(counting(100)); });
  u64 largest = 0;
  for (int round = 0; round < 300; ++round) {
    const std::vector<Word> more = counting(100);
    change([&] { deque().extend(more); });
    change([&] { deque().remove_front(100); });
    largest = std::max(largest, words_region().size());
  }
  expect_contents(counting(100));
  EXPECT_LT(largest, (16 * 100 + kTiny.given_up + 4 * kTiny.reserve) * sizeof(Word));
  EXPECT_GT(largest, kTiny.given_up * sizeof(Word));  // it slid, and was written anew
}

TEST_F(DequeTest, ASmallQueueStaysWhereItIs) {
  open();
  for (u64 i = 0; i < 100000; ++i) {
    change([&] { deque().append(number(i)); });
    if (i >= 10) change([&] { deque().remove_front(1); });
  }
  EXPECT_EQ(deque().size(), 10u);
  EXPECT_LE(words_region().size(), 2 * kPageSize);
  for (u64 i = 0; i < 100000; ++i) {
    change([&] { deque().append_front(number(i)); });
    change([&] { deque().remove_back(1); });
  }
  EXPECT_EQ(deque().size(), 10u);
  EXPECT_LE(words_region().size(), 2 * kPageSize);
  expect_sound();
}

TEST_F(DequeTest, AStackGivesItsSpaceBackAtEitherEnd) {
  constexpr u64 kMany = u64{1} << 20;
  for (const bool front : {false, true}) {
    open();
    change([&] { deque().clear(); });
    for (u64 i = 0; i < kMany; i += 1 << 14) {
      const std::vector<Word> some = counting(1 << 14);
      change([&] { front ? deque().extend_front(some) : deque().extend(some); });
    }
    settle();
    EXPECT_GE(disk_bytes(), kMany * sizeof(Word));
    for (u64 i = 100; i < kMany; i += 100) {
      change([&] { front ? deque().remove_front(100) : deque().remove_back(100); });
    }
    settle();
    EXPECT_LT(disk_bytes(), u64{2} << 20) << (front ? "front" : "back");
    expect_sound();
    close();
  }
}

TEST_F(DequeTest, GoingToAndFroInFrontCopiesNothing) {
  constexpr u64 kLarge = u64{1} << 17;
  open();
  change([&] { deque().extend(counting(kLarge)); });
  change([&] { deque().append_front(Word::none()); });
  change([&] { deque().remove_front(1); });
  const std::string path = words_region().path();
  for (u64 round = 0; round < 5; ++round) {
    for (u64 i = 0; i < 20000; ++i) change([&] { deque().append_front(Word::none()); });
    for (u64 i = 0; i < 20000; ++i) change([&] { deque().remove_front(1); });
  }
  EXPECT_EQ(words_region().path(), path);
  expect_contents(counting(kLarge));
}

TEST_F(DequeTest, RotatesByTheShorterWay) {
  constexpr u64 kLarge = u64{3} << 17;
  open();
  change([&] { deque().extend(counting(kLarge)); });
  store_->commit();
  std::vector<Word> expected = counting(kLarge);
  const auto rotate = [&](u64 count) {
    change([&] { deque().rotate(count); });
    std::rotate(expected.begin(), expected.end() - static_cast<std::ptrdiff_t>(count), expected.end());
    expect_contents(expected);
  };
  rotate(1);
  rotate(kLarge - 1);
  store_->commit();
  rotate(1);
  rotate(kLarge - 3);
  EXPECT_LT(store_->stats().dirty_bytes, 16 * kPageSize);
  rotate(kLarge / 2);
  rotate(kLarge / 2 + 1000);
  reopen();
  expect_contents(expected);
}

// A rotation that goes on and on, in either direction, stays within what the deque takes.
TEST_F(DequeTest, RotatesForEver) {
  open(kTiny);
  std::vector<Word> expected = counting(500);
  change([&] { deque().extend(expected); });
  for (const u64 count : {u64{1}, u64{499}, u64{30}, u64{470}}) {
    for (int i = 0; i < 6000; ++i) {
      change([&] { deque().rotate(count); });
      std::rotate(expected.begin(), expected.end() - static_cast<std::ptrdiff_t>(count), expected.end());
    }
    expect_contents(expected);
    EXPECT_LT(words_region().size(), u64{40000} * sizeof(Word));
  }
}

TEST_F(DequeTest, ChangesTheShorterSide) {
  constexpr u64 kLarge = u64{3} << 17;
  open();
  change([&] { deque().extend(counting(kLarge)); });
  change([&] { deque().append_front(Word::none()); });
  store_->commit();
  const std::string path = words_region().path();
  change([&] { deque().splice(3, 4, {}); });
  change([&] { deque().insert(5, Word::none()); });
  change([&] { deque().insert(deque().size() - 3, Word::none()); });
  std::vector<Word> expected = counting(kLarge);
  expected.insert(expected.begin(), Word::none());
  expected.erase(expected.begin() + 3);
  expected.insert(expected.begin() + 5, Word::none());
  expected.insert(expected.end() - 3, Word::none());
  expect_contents(expected);
  EXPECT_EQ(words_region().path(), path);
  EXPECT_LT(store_->stats().dirty_bytes, 8 * kPageSize);
}

// ---- Limits

TEST_F(DequeTest, AFullOnePushesOutAtTheOtherEnd) {
  open({}, {true, 5});
  change([&] { deque().extend(counting(3)); });
  EXPECT_EQ(deque().leaving(2), 0u);
  EXPECT_EQ(deque().leaving(4), 2u);
  EXPECT_EQ(deque().leaving(100), 3u);
  change([&] { deque().extend(std::vector{number(3), number(4), number(5)}); });
  expect_contents({number(1), number(2), number(3), number(4), number(5)});
  change([&] { deque().append_front(number(9)); });
  expect_contents({number(9), number(1), number(2), number(3), number(4)});
  change([&] { deque().extend(counting(100)); });
  expect_contents({number(95), number(96), number(97), number(98), number(99)});
  change([&] { deque().extend_front(counting(100)); });
  expect_contents(counting(5));
  change([&] {
    std::vector<Word> blocks;
    for (int i = 0; i < 12; ++i) blocks.push_back(deque().store_block(as_bytes("a block of the heap")));
    deque().extend(blocks);
    deque().append_front(number(1));
  });
  expect_sound();
  reopen();
  EXPECT_EQ(deque().limit(), 5u);
  EXPECT_EQ(deque().size(), 5u);
}

TEST_F(DequeTest, OneWithoutRoomStaysEmpty) {
  open({}, {true, 0});
  change([&] {
    deque().append(number(1));
    deque().append_front(deque().store_block(as_bytes("a block of the heap")));
    deque().extend(counting(9));
  });
  expect_contents({});
}

TEST_F(DequeTest, RefusesAnotherLimit) {
  open({}, {true, 5});
  EXPECT_NO_THROW(deque().require({}));
  EXPECT_NO_THROW(deque().require({true, 5}));
  EXPECT_THROW(deque().require({true, 6}), FormatError);
  EXPECT_THROW(deque().require({true, std::nullopt}), FormatError);
}

// ---- A model

struct Element {
  Word word;
  std::optional<std::string> block;
};
using Elements = std::deque<Element>;

class DequeModelTest : public DequeTest, public ::testing::WithParamInterface<int> {
 protected:
  void run(const Deque::Sizes& sizes, std::optional<u64> limit, int steps, u64 most_at_once) {
    random_.seed(static_cast<u64>(GetParam()));
    limit_ = limit;
    most_at_once_ = most_at_once;
    open(sizes, {limit.has_value(), limit});
    store_->commit();
    for (int i = 0; i < steps && !HasFatalFailure(); ++i) {
      SCOPED_TRACE("seed " + std::to_string(GetParam()) + ", step " + std::to_string(i));
      step();
      compare();
    }
  }

 private:
  u64 below(u64 end) { return end == 0 ? 0 : random_() % end; }
  u64 some() { return below(4) == 0 ? below(most_at_once_) : below(12); }
  Elements make(u64 count) {
    Elements made(count);
    for (Element& element : made) {
      if (below(5) == 0) element.block = std::string(below(60), static_cast<char>('a' + below(26)));
      element.word = number(random_() % 1000000);
    }
    return made;
  }
  std::vector<Word> words_of(const Elements& elements) {
    std::vector<Word> words;
    for (const Element& element : elements)
      words.push_back(element.block ? deque().store_block(as_bytes(*element.block)) : element.word);
    return words;
  }
  auto at(u64 index) { return model_.begin() + static_cast<std::ptrdiff_t>(index); }
  void cut(bool front) {
    while (limit_ && model_.size() > *limit_) front ? model_.pop_front() : model_.pop_back();
  }
  void extend(bool front) {
    const Elements more = make(some());
    change([&] { front ? deque().extend_front(words_of(more)) : deque().extend(words_of(more)); });
    model_.insert(front ? model_.begin() : model_.end(), more.begin(), more.end());
    cut(!front);
  }
  void remove(bool front) {
    const u64 count = std::min(some(), model_.size());
    change([&] { front ? deque().remove_front(count) : deque().remove_back(count); });
    front ? model_.erase(model_.begin(), at(count)) : model_.erase(at(model_.size() - count), model_.end());
  }
  void splice() {
    const u64 from = below(model_.size() + 1), to = from + below(std::min(model_.size() - from + 1, some()));
    const u64 room = limit_ ? *limit_ - (model_.size() - (to - from)) : ~u64{0};
    const Elements more = make(std::min(room, below(20)));
    change([&] { deque().splice(from, to, words_of(more)); });
    model_.erase(at(from), at(to));
    // libstdc++ moves elements onto themselves where nothing is inserted, which empties strings.
    if (!more.empty()) model_.insert(at(from), more.begin(), more.end());
  }
  void durability() {
    if (store_->in_transaction()) {
      if (below(2) == 0) return store_->commit_transaction();
      store_->rollback();
      model_ = committed_;
      return;
    }
    committed_ = model_;
    switch (below(4)) {
      case 0:
        return store_->commit();
      case 1:
        return settle();
      case 2:
        return reopen();
      default:
        return store_->begin();
    }
  }
  void step() {
    switch (below(16)) {
      case 0:
      case 1:
      case 2:
        return extend(false);
      case 3:
      case 4:
      case 5:
        return extend(true);
      case 6:
      case 7:
        return remove(true);
      case 8:
      case 9:
        return remove(false);
      case 10:
        return splice();
      case 11: {
        const u64 count = below(model_.size() + 1);
        change([&] { deque().rotate(count); });
        std::rotate(model_.begin(), at(model_.size() - count), model_.end());
        return;
      }
      case 12:
        change([&] { deque().reverse(); });
        return std::reverse(model_.begin(), model_.end());
      case 13:
        if (model_.empty()) return;
        {
          const u64 index = below(model_.size());
          const Elements one = make(1);
          change([&] { deque().set(index, words_of(one)[0]); });
          model_[index] = one[0];
        }
        return;
      case 14:
        if (below(15) != 0) return;
        change([&] { deque().clear(); });
        return model_.clear();
      default:
        return durability();
    }
  }
  void compare() {
    ASSERT_EQ(deque().size(), model_.size());
    const std::span<const Word> words = deque().words();
    for (u64 i = 0; i < model_.size(); ++i) {
      ASSERT_EQ(words[i].is_reference(), model_[i].block.has_value()) << i;
      if (model_[i].block) {
        ASSERT_EQ(as_text(deque().block(words[i])), *model_[i].block) << i;
      } else {
        ASSERT_EQ(words[i], model_[i].word) << i;
      }
    }
    expect_sound();
  }

  std::mt19937_64 random_;
  std::optional<u64> limit_;
  u64 most_at_once_ = 0;
  Elements model_, committed_;
};

TEST_P(DequeModelTest, Tiny) { run(kTiny, std::nullopt, 600, 1500); }
TEST_P(DequeModelTest, TinyAndBounded) { run(kTiny, 900, 400, 1500); }
TEST_P(DequeModelTest, Usual) { run({}, std::nullopt, 300, 20); }
TEST_P(DequeModelTest, UsualAndLarge) { run({}, std::nullopt, 60, 200000); }
TEST_P(DequeModelTest, Bounded) { run({}, 7, 300, 20); }

INSTANTIATE_TEST_SUITE_P(Seeds, DequeModelTest, ::testing::Range(0, 4));

// ---- Damage

class DequeDamageTest : public DequeTest {
 protected:
  void SetUp() override {
    DequeTest::SetUp();
    open(kTiny, {true, 5000});
    change([&] {
      for (u64 i = 0; i < 3000; ++i)
        deque().append(i % 3 == 0 ? deque().store_block(as_bytes(std::to_string(i) + " in a block"))
                                  : number(i));
    });
    for (int i = 0; i < 20; ++i) change([&] { deque().remove_front(100); });
    store_->commit();
    ASSERT_GT(header(kDeadAt), 0u);
  }
  static constexpr u64 kLengthAt = offsetof(ListHeader, length), kFirstAt = offsetof(ListHeader, first),
                       kDeadAt = offsetof(ListHeader, dead), kLimitAt = offsetof(ListHeader, limit);
};

TEST_F(DequeDamageTest, AHeaderThatContradictsItselfIsRefused) {
  const u64 first = header(kFirstAt);
  const struct {
    u64 offset, value;
  } plants[] = {{0, 0x4c444d45},  {kLengthAt, ~u64{0}}, {kFirstAt, ~u64{0}},  {kFirstAt, first + 5000},
                {kFirstAt, 0},    {kDeadAt, ~u64{0}},   {kDeadAt, first + 1}, {kLimitAt, 1},
                {kLimitAt, 1000}, {kLimitAt, ~u64{0}}};
  for (const auto& [offset, value] : plants) {
    SCOPED_TRACE(std::to_string(offset) + ": " + std::to_string(value));
    store_->begin();
    plant(offset, value);
    EXPECT_THROW(Deque(*store_, *member_), DamagedError);
    EXPECT_TRUE(finds_damage());
    store_->rollback();
    expect_sound();
  }
}

TEST_F(DequeDamageTest, PagesAreGivenUpToTheirEnd) {
  plant(kDeadAt, header(kDeadAt) - 1);
  EXPECT_TRUE(finds_damage());
}

TEST_F(DequeDamageTest, ABrokenBlockStopsWhatWouldFreeIt) {
  const std::vector<Word> before = contents();
  const u64 at =
      static_cast<u64>(before[1].is_reference() ? before[1].as_reference() : before[2].as_reference()) * 8;
  change([&] { emd::store(member_->regions[1]->writable(at, 8), u64{0}); });
  EXPECT_THROW(change([&] { deque().remove_front(3); }), DamagedError);
  EXPECT_THROW(change([&] { deque().splice(0, 3, {}); }), DamagedError);
  EXPECT_THROW(change([&] { deque().extend(counting(4003)); }), DamagedError);
  EXPECT_EQ(contents(), before);
}

TEST_F(DequeDamageTest, RandomBytesNeverCrash) {
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
      Region& region = *member_->regions[random() % 4 == 0 ? 1 : 0];
      const u64 reach = random() % 4 ? 64 : region.size();
      change([&] { *region.writable(random() % reach, 1) = static_cast<u8>(random()); });
    }
    Findings findings;
    deque().check(findings);
    attempt([&] { Deque again(*store_, *member_); });
    attempt([&] {
      for (const Word word : deque().words()) {
        if (word.is_reference()) attempt([&] { deque().block(word); });
      }
    });
    for (int use = 0; use < 6; ++use) {
      attempt([&] { change([&] { deque().append(number(7)); }); });
      attempt([&] { change([&] { deque().append_front(number(7)); }); });
      attempt([&] { change([&] { deque().remove_front(deque().size() / 5); }); });
      attempt([&] { change([&] { deque().rotate(deque().size() / 7); }); });
      attempt([&] { change([&] { deque().splice(deque().size() / 9, deque().size() / 8, counting(3)); }); });
      attempt([&] { change([&] { deque().extend(counting(2000)); }); });
      attempt([&] { deque().stats(); });
    }
    attempt([&] { change([&] { deque().reverse(); }); });
    attempt([&] { change([&] { deque().clear(); }); });
    store_->rollback();
  }
  expect_sound();
}

}  // namespace
}  // namespace emd::test
