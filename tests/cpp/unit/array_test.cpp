// Arrays: items, growth, views that are stored through, what a commit and a rollback make of that, and damage.
#include "structures/array/array.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <optional>
#include <random>

#include "algorithms/compact/compact.h"
#include "base/errors.h"
#include "store/budget.h"
#include "structures/array/header.h"
#include "support/scratch.h"

namespace emd {
namespace {

constexpr u64 kMiB = u64{1} << 20;
const Array::Type kNumbers{"<u8", 8, {}};
using Numbers = std::vector<u64>;

Bytes bytes_of(const Numbers& numbers) {
  return {reinterpret_cast<const u8*>(numbers.data()), numbers.size() * sizeof(u64)};
}

Numbers counting(u64 count, u64 from = 0) {
  Numbers numbers(count);
  for (u64 i = 0; i < count; ++i) numbers[i] = from + i;
  return numbers;
}

class ArrayTest : public ::testing::Test {
 protected:
  void SetUp() override { open(); }
  void TearDown() override {
    array_.reset();
    store_.reset();
  }

  void open(Mode mode = Mode::append) {
    StoreOptions options;
    options.mode = mode;
    options.commit_interval_seconds = -1;
    store_ = Store::open(scratch_.path(), options);
    member_ = store_->find("a");
    if (member_ == nullptr) member_ = store_->create("a", Array::kKind, Array::kRegionCount);
    store_->acquire(*member_);
    array_.emplace(*store_, *member_);
    if (!array_->laid_out()) change([&] { array_->lay_out(kNumbers); });
  }
  void close() {
    array_.reset();
    store_->release(*member_);
    store_->close();
  }
  // The store as the next process finds it, after a power cut here.
  void cut_off() {
    array_.reset();
    store_.reset();
    open();
  }
  void reopen() {
    close();
    open();
  }

  template <class Change>
  void change(Change&& make) {
    const Operation operation(*store_);
    make();
  }
  void extend(const Numbers& numbers) {
    change([&] { array_->extend(bytes_of(numbers)); });
  }
  void resize(u64 count) {
    change([&] { array_->resize(count); });
  }
  void set(u64 index, u64 value) {
    change([&] { array_->set(index, bytes_of({value})); });
  }
  Numbers contents() const {
    const auto all = array_->as<u64>();
    return {all.begin(), all.end()};
  }
  void expect_sound() {
    Findings findings;
    store_->verify(findings);
    array_->check(findings);
    for (const Finding& finding : findings) ADD_FAILURE() << finding.where << ": " << finding.what;
  }
  Region& region() { return *member_->regions[0]; }
  static u64* numbers(Region::View& view) { return reinterpret_cast<u64*>(view.data()); }

  const Scratch scratch_;
  std::unique_ptr<Store> store_;
  std::shared_ptr<Member> member_;
  std::optional<Array> array_;
};

TEST_F(ArrayTest, KeepsItsItemsAndItsType) {
  extend(counting(5000));
  set(17, 4711);
  reopen();
  Numbers expected = counting(5000);
  expected[17] = 4711;
  EXPECT_EQ(contents(), expected);
  EXPECT_EQ(array_->type(), kNumbers);
  expect_sound();
}

// As when the process died between the commits of the two.
TEST_F(ArrayTest, IsLaidOutAgainWhenARollbackHasTakenItsLayoutBack) {
  const auto member = store_->create("b", Array::kKind, Array::kRegionCount);
  store_->acquire(*member);
  store_->commit();
  Array array(*store_, *member);
  for (int round = 0; round < 2; ++round) {
    EXPECT_FALSE(array.laid_out());
    store_->begin();
    change([&] { array.lay_out(kNumbers); });
    change([&] { array.extend(bytes_of(counting(3))); });
    EXPECT_TRUE(array.laid_out());
    store_->rollback();
  }
  store_->release(*member);
}

TEST_F(ArrayTest, ItemsMayBeBlocks) {
  const auto member = store_->create("b", Array::kKind, 1);
  store_->acquire(*member);
  Array blocks(*store_, *member);
  change([&] { blocks.lay_out({"<f4", 4, {3, 2}}); });
  EXPECT_EQ(blocks.item_bytes(), 24u);
  change([&] { blocks.resize(10); });
  EXPECT_EQ(blocks.items(0, 10).size(), 240u);
  store_->commit();
  Array again(*store_, *member);
  EXPECT_EQ(again.type().shape, (std::vector<u64>{3, 2}));
}

TEST_F(ArrayTest, RefusesTypesThatDoNotFit) {
  EXPECT_EQ((Array::Type{"x", 0, {}}.item_bytes()), 0u);
  EXPECT_EQ((Array::Type{"x", 8, {0}}.item_bytes()), 0u);
  EXPECT_EQ((Array::Type{"x", 8, {~u64{0}, ~u64{0}}}.item_bytes()), 0u);
  EXPECT_EQ((Array::Type{"x", 8, std::vector<u64>(17, 1)}.item_bytes()), 0u);
  EXPECT_EQ((Array::Type{"", 8, {}}.item_bytes()), 0u);
  EXPECT_EQ((Array::Type{std::string(4000, 'x'), 8, {}}.item_bytes()), 0u);
}

TEST_F(ArrayTest, ShrinksAndWhatItGrowsByIsZero) {
  extend(counting(300000));
  store_->commit();
  resize(200000);  // in place
  EXPECT_EQ(array_->used_room(), 100000u);
  resize(250000);
  Numbers expected = counting(200000);
  expected.resize(250000);
  EXPECT_EQ(contents(), expected);
  resize(10);  // written anew
  EXPECT_EQ(array_->used_room(), 0u);
  resize(1000000);
  expected = counting(10);
  expected.resize(1000000);
  EXPECT_EQ(contents(), expected);
  reopen();
  EXPECT_EQ(contents(), expected);
  expect_sound();
}

TEST_F(ArrayTest, ExtendsIntoRoomThatWasUsed) {
  extend(counting(100000));
  store_->commit();
  resize(60000);
  extend(counting(70000, 1));
  Numbers expected = counting(60000);
  for (const u64 number : counting(70000, 1)) expected.push_back(number);
  EXPECT_EQ(contents(), expected);
  reopen();
  EXPECT_EQ(contents(), expected);
}

TEST_F(ArrayTest, ScattersToIndices) {
  extend(counting(100));
  change([&] { array_->scatter(Numbers{3, 99, 3}, bytes_of({7, 8, 9})); });
  EXPECT_EQ(contents()[3], 9u);
  EXPECT_EQ(contents()[99], 8u);
}

TEST_F(ArrayTest, RefusesMoreItemsThanAddressesHold) {
  EXPECT_THROW(resize(~u64{0} / 8), SystemError);
  EXPECT_THROW(resize(~u64{0} - 5), SystemError);
  EXPECT_EQ(array_->size(), 0u);
}

// ---- Views

TEST_F(ArrayTest, ViewsStayWhereTheyAreThroughGrowth) {
  extend(counting(1000));
  Region::View view = array_->view(false);
  const u8* const data = view.data();
  for (u64 round = 0; round < 12; ++round) {  // past the 64 MiB that a window begins with
    extend(counting(kMiB, round));
    if (round % 3 == 0) store_->commit();
  }
  EXPECT_EQ(array_->items(0, 1).data(), data);
  EXPECT_EQ(std::memcmp(view.data(), bytes_of(counting(1000)).data(), 8000), 0);
}

TEST_F(ArrayTest, ACommitTakesWhatWasStoredThroughAView) {
  extend(counting(100000));
  store_->commit();
  std::optional<Region::View> view = array_->view(true);
  numbers(*view)[5] = 1;
  numbers(*view)[90000] = 2;
  store_->commit();
  numbers(*view)[6] = 3;  // not committed
  cut_off();
  Numbers expected = counting(100000);
  expected[5] = 1;
  expected[90000] = 2;
  EXPECT_EQ(contents(), expected);
  expect_sound();
  numbers(*view)[7] = 4;  // the old window: it goes nowhere
  view.reset();
  EXPECT_EQ(contents(), expected);
}

TEST_F(ArrayTest, ACommitAfterTheViewHasGoneTakesItToo) {
  extend(counting(100000));
  store_->commit();
  {
    Region::View view = array_->view(true);
    numbers(view)[777] = 1;
  }
  EXPECT_EQ(store_->stats().dirty_bytes, kPageSize);
  reopen();
  EXPECT_EQ(contents()[777], 1u);
  expect_sound();
}

TEST_F(ArrayTest, EachCommitTakesWhatCameSinceTheLast) {
  extend(counting(100000));
  Region::View view = array_->view(true);
  numbers(view)[50000] = 0;  // in the fresh window
  for (u64 round = 1; round <= 5; ++round) {
    numbers(view)[100] = round;
    numbers(view)[round * 10000] = round;
    store_->commit();
    EXPECT_EQ(store_->stats().dirty_bytes, 0u);
  }
  const Numbers expected = contents();
  EXPECT_EQ(expected[100], 5u);
  EXPECT_EQ(expected[50000], 5u);
  cut_off();
  EXPECT_EQ(contents(), expected);
  expect_sound();
}

TEST_F(ArrayTest, ARollbackTakesBackWhatWasStoredThroughAView) {
  extend(counting(100000));
  store_->commit();
  Region::View view = array_->view(true);
  store_->begin();
  numbers(view)[5] = 1;
  set(50000, 2);
  extend(counting(100000));
  store_->rollback();
  EXPECT_EQ(contents(), counting(100000));
  EXPECT_EQ(numbers(view)[5], 5u);
  numbers(view)[6] = 3;  // goes on working
  reopen();
  EXPECT_EQ(contents()[6], 3u);
  expect_sound();
}

TEST_F(ArrayTest, GrowsByZerosAlsoWhereAViewOfRolledBackGrowthStored) {
  extend(counting(10));
  store_->commit();
  store_->begin();
  extend(counting(200000));
  std::optional<Region::View> view = array_->view(true);
  store_->rollback();
  for (const u64 index : {10, 600, 100000, 199999}) numbers(*view)[index] = 1;
  EXPECT_EQ(array_->size(), 10u);
  resize(200010);
  Numbers expected = counting(10);
  expected.resize(200010);
  EXPECT_EQ(contents(), expected);
  view.reset();
  reopen();
  EXPECT_EQ(contents(), expected);
  expect_sound();
}

TEST_F(ArrayTest, DoesNotShrinkUnderViews) {
  extend(counting(1000));
  {
    const Region::View view = array_->view(false);
    EXPECT_THROW(resize(999), ViewError);
    EXPECT_THROW(compact(*store_, *member_, [](u64, u64) {}), ViewError);
    extend(counting(10));
    resize(1005);  // which the view does not reach
  }
  resize(5);
  EXPECT_EQ(contents(), counting(5));
}

// The transaction shrinks the array into a file of its own, and a view of that is made.
TEST_F(ArrayTest, ViewsOfWhatATransactionWroteAnewShowTheOldItemsAfterItsRollback) {
  extend(counting(100000));
  store_->commit();
  store_->begin();
  resize(0);
  extend(counting(3, 7));
  std::optional<Region::View> view = array_->view(true);
  EXPECT_EQ(numbers(*view)[0], 7u);
  store_->rollback();
  EXPECT_EQ(numbers(*view)[0], 0u);
  EXPECT_EQ(numbers(*view)[2], 2u);
  numbers(*view)[1] = 11;
  EXPECT_EQ(contents()[1], 11u);
  store_->commit();
  view.reset();
  reopen();
  EXPECT_EQ(contents()[1], 11u);
  EXPECT_EQ(contents().size(), 100000u);
  expect_sound();
}

// The old items are fewer than the view has: it can be read to its end.
TEST_F(ArrayTest, ViewsLongerThanWhatARollbackBringsBackCanBeRead) {
  extend(counting(40000));
  store_->commit();
  store_->begin();
  resize(0);
  extend(counting(200000, 7));
  Region::View view = array_->view(true);
  store_->rollback();
  EXPECT_EQ(numbers(view)[39999], 39999u);
  numbers(view)[199999] = 1;  // goes nowhere
  extend(counting(200000));
  EXPECT_EQ(contents()[40000], 0u);
  EXPECT_EQ(contents().back(), 199999u);
  store_->commit();
  expect_sound();
}

TEST_F(ArrayTest, ViewsOutliveTheStore) {
  extend(counting(100000));
  Region::View view = array_->view(true);
  numbers(view)[1] = 11;
  close();
  EXPECT_EQ(numbers(view)[1], 11u);
  EXPECT_EQ(numbers(view)[99999], 99999u);
  numbers(view)[2] = 12;
  open();
  EXPECT_EQ(contents()[1], 11u);
  EXPECT_EQ(contents()[2], 2u);
  expect_sound();
}

TEST_F(ArrayTest, ViewsOfWhatWasNeverCommittedOutliveTheStoreAsZeros) {
  extend(counting(10));
  store_->commit();
  extend(counting(100000));
  Region::View view = array_->view(true);
  cut_off();  // cuts the file
  EXPECT_EQ(numbers(view)[3], 3u);
  EXPECT_EQ(numbers(view)[100000], 0u);
  EXPECT_EQ(contents(), counting(10));
}

TEST_F(ArrayTest, PagesUnderAViewToStoreThroughAreNotOfTheBudget) {
  const u64 budget = memory_budget();
  set_memory_budget(kMiB);
  extend(counting(kMiB));
  store_->commit();
  std::optional<Region::View> view = array_->view(true);
  for (u64 i = 0; i < kMiB; i += 256) numbers(*view)[i] = 1;
  store_->commit();
  EXPECT_FALSE(Budget::instance().exceeded());
  view.reset();
  set(0, 2);  // the pages count again: they are let go
  store_->commit();
  EXPECT_FALSE(Budget::instance().exceeded());
  EXPECT_EQ(contents()[256], 1u);
  set_memory_budget(budget);
}

TEST_F(ArrayTest, CompactsToWhatIsInUse) {
  extend(counting(120000));
  resize(100000);
  EXPECT_NE(array_->used_room(), 0u);
  compact(*store_, *member_, [](u64, u64) {});
  EXPECT_EQ(array_->used_room(), 0u);
  EXPECT_EQ(contents(), counting(100000));
  expect_sound();
}

// ---- Random operations against a vector

class ArrayModel : public ArrayTest {
 protected:
  void step(std::mt19937_64& random) {
    switch (random() % 16) {
      case 0:
      case 1:
        return grow(random() % 4 == 0 ? random() % 40000 : random() % 50, random());
      case 2:
        return resize_both(model_.size() + random() % 9000);
      case 3:
        if (!view_) resize_both(random() % (model_.size() + 1));
        return;
      case 4:
      case 5:
      case 6:
        return store_one(random);
      case 7:
        if (view_) {
          view_.reset();
        } else {
          view_ = array_->view(true);
          viewed_ = model_.size();
        }
        return;
      case 8:
        return store_->in_transaction() ? void() : store_->commit();
      case 9:
        return begin_or_end(random);
      case 10:
        if (random() % 4 == 0) restart(random() % 2 == 0);
        return;
      default:
        return store_through_view(random);
    }
  }
  void grow(u64 count, u64 from) {
    const Numbers more = counting(count, from);
    extend(more);
    model_.insert(model_.end(), more.begin(), more.end());
  }
  void resize_both(u64 count) {
    resize(count);
    model_.resize(count);
  }
  void store_one(std::mt19937_64& random) {
    if (model_.empty()) return;
    const u64 index = random() % model_.size();
    set(index, model_[index] = random());
  }
  void store_through_view(std::mt19937_64& random) {
    const u64 reach = std::min<u64>(viewed_, model_.size());
    if (!view_ || reach == 0) return;
    const u64 index = random() % reach;
    numbers(*view_)[index] = model_[index] = random();
  }
  void begin_or_end(std::mt19937_64& random) {
    if (!store_->in_transaction()) {
      store_->begin();
      before_ = model_;
    } else if (random() % 2 == 0) {
      store_->commit_transaction();
    } else {
      store_->rollback();
      model_ = before_;
    }
  }
  void restart(bool in_order) {
    if (store_->in_transaction()) {
      store_->rollback();
      model_ = before_;
    }
    if (in_order) {
      close();
      open();
    } else {
      store_->commit();
      cut_off();
    }
    view_.reset();
  }

  // The view shows what is there, whatever was committed or rolled back since it was made.
  void expect_view_shows_model() const {
    const u64 reach = std::min<u64>(viewed_, model_.size());
    if (view_ && reach != 0) {
      ASSERT_EQ(std::memcmp(view_->data(), model_.data(), reach * sizeof(u64)), 0);
    }
  }

  Numbers model_, before_;
  std::optional<Region::View> view_;
  u64 viewed_ = 0;
};

TEST_F(ArrayModel, BehavesAsAVector) {
  const u64 base = std::random_device{}();
  for (u64 run = 0; run < 6; ++run) {
    SCOPED_TRACE("seed " + std::to_string(base + run));
    std::mt19937_64 random(base + run);
    for (int i = 0; i < 200; ++i) {
      step(random);
      ASSERT_EQ(contents(), model_) << "step " << i;
      expect_view_shows_model();
    }
    if (store_->in_transaction()) begin_or_end(random);
    restart(true);
    ASSERT_EQ(contents(), model_);
    expect_sound();
  }
}

// ---- Damage

TEST_F(ArrayTest, AHostileHeaderIsDamage) {
  extend(counting(100));
  store_->commit();
  const auto tamper = [&](u64 offset, auto value) {
    const auto before = load<decltype(value)>(region().data() + offset);
    change([&] { emd::store(region().writable(offset, sizeof value), value); });
    EXPECT_THROW(Array(*store_, *member_).size(), Error) << "at " << offset;
    Findings findings;
    array_->check(findings);
    EXPECT_FALSE(findings.empty()) << "at " << offset;
    change([&] { emd::store(region().writable(offset, sizeof value), before); });
  };
  tamper(0, u32{7});
  tamper(4, u32{2});
  tamper(offsetof(ArrayHeader, count), u64{101});
  tamper(offsetof(ArrayHeader, count), ~u64{0});
  tamper(offsetof(ArrayHeader, element_bytes), u64{0});
  tamper(offsetof(ArrayHeader, element_bytes), ~u64{0});
  tamper(offsetof(ArrayHeader, element_bytes), u64{16});
  tamper(offsetof(ArrayHeader, dimensions), u32{1});  // of length zero
  tamper(offsetof(ArrayHeader, dimensions), ~u32{0});
  tamper(offsetof(ArrayHeader, type_bytes), u32{0});
  tamper(offsetof(ArrayHeader, type_bytes), ~u32{0});
  Array(*store_, *member_).size();
}

TEST_F(ArrayTest, StrayBytesInTheHeaderAreFound) {
  for (const u64 offset : {u64{40}, u64{4000}}) {
    change([&] { *region().writable(offset, 1) = 1; });
    Findings findings;
    array_->check(findings);
    EXPECT_EQ(findings.size(), 1u) << "at " << offset;
    change([&] { *region().writable(offset, 1) = 0; });
  }
}

TEST_F(ArrayTest, ARegionWithoutAWholeHeaderIsDamage) {
  const auto member = store_->create("short", Array::kKind, 1);
  store_->acquire(*member);
  change([&] { member->regions[0]->append(as_bytes("EMDA")); });
  EXPECT_THROW(Array(*store_, *member), DamagedError);
}

}  // namespace
}  // namespace emd
