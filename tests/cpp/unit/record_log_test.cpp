// The record log: formats at their limits, tombstones and their merging, walks.
#include "alloc/record_log.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "structures/list/list.h"
#include "support/scratch.h"

namespace emd {
namespace {

class RecordLogTest : public testing::Test {
 protected:
  RecordLogTest() {
    StoreOptions options;
    options.commit_interval_seconds = -1;
    store_ = Store::open(scratch_.path(), options);
    member_ = store_->create("l", List::kKind, 2);
    store_->acquire(*member_);
    Operation operation(*store_);
    member_->regions[1]->extend(kPageSize);
    log_ = std::make_unique<RecordLog>(*member_->regions[0], *member_->regions[1], 64);
  }

  u64 append(const std::string& key, const std::string& value, const std::string& annex = {}) {
    Operation operation(*store_);
    const auto shape = log_->shape(as_bytes(key), as_bytes(annex), value.size());
    log_->reserve(shape);
    return log_->append(shape, as_bytes(key), as_bytes(annex), as_bytes(value));
  }
  void erase(u64 offset) {
    Operation operation(*store_);
    log_->erase(log_->plan_erase(log_->read(offset)));
  }
  u64 live_records() {
    Findings findings;
    u64 live = 0;
    log_->check(findings, [&](const RecordView&) { ++live; });
    for (const Finding& finding : findings) ADD_FAILURE() << finding.where << ": " << finding.what;
    return live;
  }

  Scratch scratch_;
  std::unique_ptr<Store> store_;
  std::shared_ptr<Member> member_;
  std::unique_ptr<RecordLog> log_;
};

TEST_F(RecordLogTest, SmallRecordsAreCompact) {
  EXPECT_EQ(log_->shape(as_bytes("12345"), {}, 7).bytes, 16u);
  EXPECT_EQ(log_->shape(as_bytes("123456"), {}, 0).bytes, 16u);  // room for a reference
  EXPECT_EQ(log_->shape(as_bytes("123456"), {}, 7).bytes, 24u);
  EXPECT_EQ(log_->shape(as_bytes("1234567890"), {}, 42).bytes, 56u);
  EXPECT_EQ(log_->shape(as_bytes("1234567890"), {}, 43).bytes, 64u);
}

// Each size on both sides of a change of class or footer gives back what was put in, in both directions.
TEST_F(RecordLogTest, EverySizeIsReadBackInBothDirections) {
  std::vector<u64> offsets;
  std::vector<u64> sizes;
  for (u64 size = 0; size < 80; ++size) sizes.push_back(size);
  for (u64 size = 2000; size < 2080; ++size) sizes.push_back(size);
  for (u64 size = 65440; size < 65560; ++size) sizes.push_back(size);
  for (const u64 size : sizes)
    offsets.push_back(append("key", std::string(size, 'v'), size % 3 ? "" : "annex"));
  EXPECT_EQ(live_records(), sizes.size());
  RecordView view;
  for (u64 i = 0, at = 0; i < sizes.size(); ++i, at = view.offset + view.bytes) {
    ASSERT_TRUE(log_->forward(at, view));
    ASSERT_EQ(view.offset, offsets[i]);
    ASSERT_EQ(as_text({view.value, view.value_size}), std::string(sizes[i], 'v'));
    ASSERT_EQ(as_text(view.key), "key");
    ASSERT_EQ(as_text(view.annex), sizes[i] % 3 ? "" : "annex");
  }
  u64 at = log_->end();
  for (u64 i = sizes.size(); i-- != 0; at = view.offset) {
    ASSERT_TRUE(log_->backward(at, view));
    ASSERT_EQ(view.offset, offsets[i]);
  }
  EXPECT_FALSE(log_->backward(at, view));
}

TEST_F(RecordLogTest, NeighbouringDeadRecordsBecomeOne) {
  std::vector<u64> offsets;
  for (int i = 0; i < 6; ++i) offsets.push_back(append("key" + std::to_string(i), "value"));
  erase(offsets[1]);
  erase(offsets[3]);
  erase(offsets[2]);              // joins both sides
  EXPECT_EQ(live_records(), 3u);  // the check refuses neighbours
  EXPECT_EQ(log_->dead_bytes(), offsets[4] - offsets[1]);
  RecordView view;
  ASSERT_TRUE(log_->forward(offsets[1], view));
  EXPECT_EQ(view.offset, offsets[4]);
  ASSERT_TRUE(log_->backward(offsets[4], view));
  EXPECT_EQ(view.offset, offsets[0]);
}

TEST_F(RecordLogTest, ADeadEndIsCutOff) {
  std::vector<u64> offsets;
  for (int i = 0; i < 4; ++i) offsets.push_back(append("key" + std::to_string(i), "value"));
  erase(offsets[2]);
  erase(offsets[3]);
  EXPECT_EQ(log_->end(), offsets[2]);
  EXPECT_EQ(log_->dead_bytes(), 0u);
  EXPECT_EQ(append("again", "value"), offsets[2]);
  EXPECT_EQ(live_records(), 3u);
}

// Blocks that were given back to the disk are not written again, even if they come to lie at the end.
TEST_F(RecordLogTest, WhatWasGivenAwayIsNotUsedAgain) {
  std::vector<u64> offsets;
  const std::string value(1000, 'v');
  while (log_->end() < 5 * RecordLog::kDeadBlock) offsets.push_back(append("key", value));
  for (u64 i = 0; i + 1 < offsets.size(); ++i) erase(offsets[i]);
  const u64 last = offsets.back();
  erase(last);
  EXPECT_EQ(log_->end(), last);
  EXPECT_EQ(append("again", "value"), last);
  EXPECT_EQ(live_records(), 1u);
  store_->checkpoint();
  EXPECT_EQ(live_records(), 1u);
}

TEST_F(RecordLogTest, WhatIsNoRecordIsDamage) {
  const u64 first = append("key", "value");
  append("key2", "value");
  EXPECT_THROW(log_->read(first + 1), DamagedError);
  EXPECT_THROW(log_->read(log_->end()), DamagedError);
  EXPECT_THROW(log_->read(~u64{0}), DamagedError);
  erase(first);
  EXPECT_THROW(log_->read(first), DamagedError);
  EXPECT_THROW(log_->plan_erase(RecordView{8, 16, RecordState::inline_value, {}, {}, nullptr, 0, 0}),
               DamagedError);
}

}  // namespace
}  // namespace emd
