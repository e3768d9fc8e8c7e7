// Shadow memory of marks far apart: the records in which a few runs lie, in place of pages and nodes.
#include <algorithm>
#include <set>

#include "algorithms/compact/compact.h"
#include "base/errors.h"
#include "model/shadow_fixture.h"

namespace emd {
namespace {

using namespace testing;

// ---- Beside the model

class ScatteredModelTest : public ShadowModelTest {
 protected:
  // Places of all densities: many are near to others, at some scale, and are drawn again.
  u64 draw_place(u64 reach) {
    if (places_.size() > 40 && random_() % 3 == 0) return places_[random_() % places_.size()];
    u64 place = random_() % reach;
    if (!places_.empty() && random_() % 2 == 0)
      place = (places_[random_() % places_.size()] + (random_() >> (random_() % 40 + 24))) % reach;
    places_.push_back(place);
    return place;
  }
  void change_place(u64 first, u64 last, bool undo) {
    const u64 flags = random_() % 4 != 0 ? 1 : draw_flags();
    const FlagChange chosen = undo ? FlagChange{0, 0} : FlagChange{kHighest, flags};
    change(first, last, chosen);
    model_.change(first, last, chosen);
  }
  void run(u64 base, u64 reach);

 private:
  std::vector<u64> places_;
};

void ScatteredModelTest::run(u64 base, u64 reach) {
  const u64 seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  random_.seed(seed);
  add({{base, base + reach - 1}});
  u64 most_records = 0;
  for (int step = 0; step < 600 && !HasFailure(); ++step) {
    const ShadowModel before = model_;
    const bool transaction = random_() % 30 == 0;
    if (transaction) store_->begin();
    for (u64 i = 1 + random_() % 3; i-- > 0;) {
      const u64 place = draw_place(reach), left = reach - 1 - place;
      const u64 length = random_() % 20 == 0 ? random_() % (left + 1) : std::min(left, random_() % 4);
      const u64 first = base + place, last = first + length;
      if (random_() % 50 == 0) {
        const FlagCounter counter{0, 8, 1};
        operate([&] { EXPECT_EQ(shadow_->count_up(first, last, counter), last); });
        model_.change(first, last, counter);
      } else {
        change_place(first, last, random_() % 3 == 0 || (length > 4 && random_() % 3 != 0));
      }
    }
    if (random_() % 10 == 0) write_somewhere();
    if (transaction) {
      store_->rollback();
      model_ = before;
    }
    most_records = std::max(most_records, tree().records);
    if (step % 3 == 0) compare_questions();
    if (step % 100 == 0) {
      compare_all();
      expect_sound();
    }
    if (step % 150 == 149) reopen();
    if (step == 300) {
      shadow_.reset();
      compact(*store_, *member_, [](u64, u64) {});
      shadow_.emplace(*store_, *member_);
    }
  }
  EXPECT_GT(most_records, 3u);
  compare_all();
  // Whatever is unmarked, in whatever order, gives back all that it took.
  std::shuffle(places_.begin(), places_.end(), random_);
  for (const u64 place : places_) change(base + place, base + std::min(reach - 1, place + 3), {0, 0});
  expect_sound();
  change(base, base + reach - 1, {0, 0});
  EXPECT_EQ(tree().nodes + tree().records + tree().blocks + tree().chunks, 0u);
  expect_sound();
}

INSTANTIATE_TEST_SUITE_P(OfWidth, ScatteredModelTest, ::testing::Values(1u, 3u, 8u));

TEST_P(ScatteredModelTest, InASmallSpace) { run(kBinary, 300'000); }
TEST_P(ScatteredModelTest, InAProgramsAddressSpace) { run(0, u64{1} << 47); }
TEST_P(ScatteredModelTest, InAllAddresses) { run(1, kHighest); }

// ---- What they take

class ScatteredTest : public ShadowTest {
 protected:
  u64 used_bytes() { return region(1).size() + region(2).size() + region(3).size(); }
};

INSTANTIATE_TEST_SUITE_P(OfWidth, ScatteredTest, ::testing::Values(1u, 8u));

TEST_P(ScatteredTest, AMarkFarFromOthersTakesSomeHundredBytes) {
  constexpr u64 kMarks = 20'000;
  for (const u64 reach : {u64{1} << 47, 100 * kMiB, u64{1} << 42}) {
    SCOPED_TRACE(std::to_string(reach) + " addresses");
    std::mt19937_64 random(7);
    const std::string name = "of " + std::to_string(reach);
    const auto made = store_->create(name, Shadow::kKind, Shadow::kRegionCount);
    store_->acquire(*made);
    member_ = made;
    shadow_.emplace(*store_, *made);
    operate([&] { shadow_->lay_out(width()); });
    add({{0, reach - 1}});
    std::vector<u64> places(kMarks);
    for (u64& place : places) place = random() % reach;
    for (const u64 place : places) mark(place, place, 1);
    EXPECT_EQ(shadow_->count(0, reach - 1, {1, 1}), std::set<u64>(places.begin(), places.end()).size());
    const u64 used = used_bytes();
    EXPECT_LT(used, 400 * kMarks);
    expect_sound();
    // Unmarked in another order, they leave nothing, and what they took is taken again.
    std::shuffle(places.begin(), places.end(), random);
    for (const u64 place : places) change(place, place, {~u64{1}, 0});
    EXPECT_EQ(tree().nodes + tree().records + tree().blocks + tree().chunks, 0u);
    EXPECT_EQ(tree().free_nodes * sizeof(ShadowNode) + tree().free_chunks * kShadowChunkBytes,
              region(1).size() + region(2).size());
    expect_sound();
    for (const u64 place : places) mark(place ^ 1, place ^ 1, 2);
    EXPECT_LT(used_bytes(), used + used / 50);
    store_->commit();
  }
}

TEST_P(ScatteredTest, ATreeThatGrowsHigherNeedsNoNodesAboveARecord) {
  add({{0, 4095}});
  mark(10, 20, 1);
  for (const u64 last : {u64{1} << 30, u64{1} << 47, kHighest - 1}) {
    add({{0, last}});
    EXPECT_EQ(tree().nodes, 0u);
    EXPECT_EQ(tree().records, 1u);
    EXPECT_EQ(shadow_->runs(0, kHighest, {1, 1}, 9), (Ranges{{10, 20}}));
    expect_sound();
  }
  EXPECT_EQ(region(1).size(), sizeof(ShadowBlock));  // though it has been three records
}

TEST_P(ScatteredTest, ATreeThatGrowsHigherKeepsWhatIsMarkedOfAllItHas) {
  const u64 page = kShadowChunkBytes / stored();
  add({{0, page - 1}});
  mark(0, page - 1, 1);
  for (u64 i = 0; i < kShadowMostRuns; ++i) change(3 + 5 * i, 3 + 5 * i, {0, 0});  // a full record of holes
  EXPECT_EQ(tree().records, 1u);
  EXPECT_EQ(shadow_->count(0, page - 1, {1, 1}), page - kShadowMostRuns);
  add({{0, 100 * page}});  // the marks, of one run more, do not fit a record
  EXPECT_EQ(shadow_->count(0, 100 * page, {1, 1}), page - kShadowMostRuns);
  EXPECT_EQ(shadow_->runs(0, kHighest, {1, 1}, 99).size(), kShadowMostRuns + 1u);
  expect_sound();
}

TEST_P(ScatteredTest, ARunMoreThanARecordHoldsMakesAPageOrANode) {
  const u64 page = kShadowChunkBytes / stored();
  add({{0, 512 * 512 * page - 1}});
  mark_each_other(0, 2 * (kShadowMostRuns - 1));
  EXPECT_EQ(tree().records, 1u);
  EXPECT_EQ(tree().nodes + tree().chunks, 0u);
  mark(100 * page, 100 * page, 1);
  // All but the last are of one entry on each level.
  EXPECT_EQ(tree().nodes, 2u);
  EXPECT_EQ(tree().records, 2u);
  EXPECT_EQ(tree().chunks, 0u);
  expect_sound();
  mark(2 * kShadowMostRuns, 2 * kShadowMostRuns, 1);
  EXPECT_EQ(tree().records, 1u);
  EXPECT_EQ(tree().chunks, 1u);
  EXPECT_EQ(shadow_->count(0, 512 * page, {1, 1}), kShadowMostRuns + 2u);
  expect_sound();
}

// What lies between runs becomes runs as well.
TEST_P(ScatteredTest, AChangeOverAllRunsOfARecordMakesTwiceAsMany) {
  for (const u64 last : {kShadowChunkBytes / stored() - 1, u64{1} << 40}) {
    SCOPED_TRACE(last);
    add({{0, last}});
    for (u64 i = 0; i < kShadowMostRuns; ++i) mark(10 + 4 * i, 10 + 4 * i, 1);
    EXPECT_EQ(tree().records, 1u);
    mark(1, 400, 2);
    std::vector<FlagRun> expected{{0, 0, 0}, {1, 9, 2}};
    for (u64 i = 0; i < kShadowMostRuns; ++i) {
      expected.push_back({10 + 4 * i, 10 + 4 * i, 3});
      expected.push_back({11 + 4 * i, i + 1 == kShadowMostRuns ? 400 : 13 + 4 * i, 2});
    }
    expected.push_back({401, last, 0});
    EXPECT_EQ(shadow_->flag_runs(0, last, 99), expected);
    expect_sound();
    change(0, last, {0, 0});
    EXPECT_EQ(tree().nodes + tree().records + tree().chunks, 0u);
  }
}

TEST_P(ScatteredTest, CompactionMakesRecordsOfPagesThatHaveFewRuns) {
  add({{0, 100 * kMiB}});
  mark_each_other(0, 100);
  EXPECT_EQ(tree().chunks, 1u);
  change(8, 100, {0, 0});
  EXPECT_EQ(tree().chunks, 1u);
  shadow_.reset();
  compact(*store_, *member_, [](u64, u64) {});
  shadow_.emplace(*store_, *member_);
  EXPECT_EQ(tree().chunks + tree().nodes, 0u);
  EXPECT_EQ(tree().records, 1u);
  EXPECT_EQ(shadow_->runs(0, kHighest, {1, 1}, 9), (Ranges{{0, 0}, {2, 2}, {4, 4}, {6, 6}}));
  expect_sound();
}

// ---- Stores of format 1, and damage

class RecordTest : public ShadowTest {
 protected:
  unsigned width() const override { return 1; }
  u32 format() { return load<u32>(region(0).data() + offsetof(ShadowHeader, format)); }
  // As versions before records made them: two nodes and a page.
  void make_format_1() {
    add({{0, 64 * kMiB - 1}});
    operate([&] {
      region(1).extend(2 * sizeof(ShadowNode));
      region(2).extend(kShadowChunkBytes);
      ShadowNode top, leaf;
      top.level = 2;
      top.is_reference[0] = 1;
      top.entries[0] = 1;
      leaf.level = 1;
      leaf.is_reference[0] = 1 << 3;
      leaf.entries[5] = 7;
      store(region(1).writable_as<u8>(0), top);
      store(region(1).writable_as<u8>(sizeof top), leaf);
      region(2).writable(0, kShadowChunkBytes)[9] = 2;
      const u64 root = offsetof(ShadowHeader, root);
      store(region(0).writable(root, 12), u64{0});
      store(region(0).writable(root + 8, 4), u32{1});
      // Nobody looked at what is behind.
      const u64 behind = offsetof(ShadowHeader, blocks_with_room);
      std::memset(region(0).writable(behind, kShadowRangesAt - behind), 0xee, kShadowRangesAt - behind);
    });
    store_->commit();
  }
  void expect_format_1_content() {
    EXPECT_EQ(shadow_->get(3 * 4096 + 9), 2u);
    EXPECT_EQ(shadow_->count(0, 64 * kMiB - 1, {7, 7}), 4096u);
    EXPECT_EQ(shadow_->runs(0, kHighest, {2, 2}, 9), (Ranges{{12297, 12297}, {20480, 24575}}));
  }
  // What check() and the calls say of this damage, which is then taken back.
  template <class Value>
  void expect_found(unsigned in, u64 at, Value value, bool raised) {
    SCOPED_TRACE("region " + std::to_string(in) + ", at " + std::to_string(at));
    store_->begin();
    damage(in, at, value);
    Findings findings;
    shadow_->check(findings);
    EXPECT_FALSE(findings.empty());
    if (raised) {
      EXPECT_THROW(shadow_->count(0, 64 * kMiB, {1, 1}), DamagedError);
      EXPECT_THROW(mark(0, 64 * kMiB, 2), DamagedError);
    }
    store_->rollback();
  }
};

INSTANTIATE_TEST_SUITE_P(OfWidth, RecordTest, ::testing::Values(1u));

TEST_P(RecordTest, AStoreOfFormat1IsReadAndWrittenAndConvertedByTheFirstRecord) {
  make_format_1();
  expect_format_1_content();
  expect_sound();
  EXPECT_EQ(tree().records, 0u);
  // What needs no record leaves the format.
  mark(3 * 4096 + 100, 3 * 4096 + 200, 4);
  mark(40 * 4096, 41 * 4096 - 1, 4);
  change(3 * 4096 + 100, 3 * 4096 + 200, {~u64{4}, 0});
  change(40 * 4096, 41 * 4096 - 1, {~u64{4}, 0});
  EXPECT_EQ(format(), kShadowFormat);
  expect_format_1_content();
  expect_sound();
  store_->commit();
  // The first record changes it, in the same operation: with it, or not at all.
  mark(40 * kMiB, 40 * kMiB, 8);
  EXPECT_EQ(format(), kShadowRecordFormat);
  EXPECT_EQ(tree().records, 1u);
  expect_format_1_content();
  expect_sound();
  cut_off();
  EXPECT_EQ(format(), kShadowFormat);
  EXPECT_EQ(shadow_->get(40 * kMiB), 0u);
  expect_sound();
  mark(40 * kMiB, 40 * kMiB, 8);
  reopen();
  EXPECT_EQ(format(), kShadowRecordFormat);
  EXPECT_EQ(shadow_->get(40 * kMiB), 8u);
  expect_format_1_content();
  change(40 * kMiB, 40 * kMiB, {0, 0});
  EXPECT_EQ(tree().records + tree().blocks, 0u);
  expect_format_1_content();
  expect_sound();
}

TEST_P(RecordTest, ANewOneIsOfFormat1UntilItHasARecord) {
  add({{0, 4095}});
  mark(0, 4095, 1);
  EXPECT_EQ(format(), kShadowFormat);
  mark(5, 5, 2);
  EXPECT_EQ(format(), kShadowRecordFormat);
  // Records that its format has not are found.
  expect_found(0, offsetof(ShadowHeader, format), u32{kShadowFormat}, false);
}

TEST_P(RecordTest, DamagedRecordsAndBlocksAreFound) {
  add({{0, 64 * kMiB}});
  // A page, and records of all sizes, in blocks that are full and that have room.
  mark_each_other(0, 200);
  for (u64 i = 100; i < 170; ++i) mark(i * 8192, i * 8192, 1);
  for (u64 i = 0; i < 6; ++i) mark(8 * kMiB + 9 * i, 8 * kMiB + 9 * i, 1);
  for (u64 i = 0; i < 15; ++i) mark(10 * kMiB + 9 * i, 10 * kMiB + 9 * i, 1);
  expect_sound();
  ASSERT_EQ(tree().blocks, 5u);
  unsigned records_met = 0, full = 0;
  for (u64 at = 0; at < region(1).size(); at += sizeof(ShadowBlock)) {
    const auto block = load<ShadowBlock>(region(1).data() + at);
    const u32 size = kShadowBlockLevel - block.level;
    if (size >= kShadowSizes) continue;
    SCOPED_TRACE("records of " + std::to_string(shadow_record_bytes(size)));
    const bool is_full = block.used == ~u32{0};
    full += is_full;
    const unsigned index = static_cast<unsigned>(std::countr_zero(block.used));
    ++records_met;
    const u64 record = at + offsetof(ShadowBlock, records) + index * shadow_record_bytes(size);
    const auto header = load<ShadowRecord>(region(1).data() + record);
    const u64 run = record + sizeof(ShadowRecord);
    expect_found(1, record, header.base + 4096, true);  // for other addresses
    expect_found(1, record + offsetof(ShadowRecord, level), header.level + 1, true);
    expect_found(1, record + offsetof(ShadowRecord, count), u32{shadow_record_runs(size) + 1}, true);
    expect_found(1, record + offsetof(ShadowRecord, count), ~u32{0}, true);
    expect_found(1, run, header.base - 1, true);                            // a run begins before the entry
    expect_found(1, run + 8, ~u64{0}, true);                                // ends behind it
    expect_found(1, run, load<u64>(region(1).data() + run + 8) + 1, true);  // ends before it begins
    if (header.count > 1) {
      expect_found(1, run + sizeof(FlagRun), load<u64>(region(1).data() + run), true);  // they overlap
      // Neighbours that touch and have the same flags.
      expect_found(1, run + 8, load<u64>(region(1).data() + run + sizeof(FlagRun)) - 1, false);
    }
    expect_found(1, run + 16, u64{0}, false);      // the flags of all others
    expect_found(1, run + 16, u64{0x100}, false);  // more than a byte
    expect_found(1, record + offsetof(ShadowRecord, count), u32{0}, false);
    expect_found(1, at + offsetof(ShadowBlock, level), kShadowBlockLevel - kShadowSizes, true);
    expect_found(1, at + offsetof(ShadowBlock, level), kShadowFreeLevel, true);
    expect_found(1, at + offsetof(ShadowBlock, used), block.used & ~(u32{1} << index), true);
    if (is_full) continue;
    const unsigned unused = static_cast<unsigned>(std::countr_one(block.used));
    expect_found(1, at + offsetof(ShadowBlock, used), block.used | u32{1} << unused, false);
    expect_found(1, at + offsetof(ShadowBlock, next), at / sizeof(ShadowBlock) + 1, false);  // a circle
    expect_found(1, at + offsetof(ShadowBlock, next), ~u64{0}, false);
    expect_found(1, at + offsetof(ShadowBlock, previous), u64{1}, false);
    expect_found(0, offsetof(ShadowHeader, blocks_with_room) + 8 * size, u64{0}, false);
    expect_found(0, offsetof(ShadowHeader, blocks_with_room) + 8 * size, ~u64{0}, false);
  }
  EXPECT_EQ(records_met, 5u);
  EXPECT_EQ(full, 2u);
  expect_found(0, offsetof(ShadowHeader, records), tree().records + 1, false);
  expect_found(0, offsetof(ShadowHeader, blocks), tree().blocks + 1, false);
  expect_sound();
}

// A list of blocks that is damaged where it is not followed: nothing is torn by what goes on, and the damage stays
// known.
TEST_P(RecordTest, ADamagedListOfBlocksHarmsNoMarks) {
  add({{0, u64{1} << 40}});
  const auto place = [](u64 i) { return i * 0x3fff1001; };
  for (u64 i = 0; i < 200; ++i) mark(place(i), place(i), 1);
  store_->commit();
  for (u64 at = 0; at < region(1).size(); at += sizeof(ShadowBlock)) {
    if (load<u32>(region(1).data() + at + offsetof(ShadowBlock, level)) != kShadowBlockLevel) continue;
    for (const u64 value : {~u64{0}, u64{1}, at / sizeof(ShadowBlock) + 1}) {
      for (const u64 field : {offsetof(ShadowBlock, next), offsetof(ShadowBlock, previous)}) {
        store_->begin();
        damage(1, at + field, value);
        u64 unmarked = 0, marked = 0;
        for (u64 i = 0; i < 200; i += 2) {
          try {
            change(place(i), place(i), {0, 0});
            ++unmarked;
          } catch (const DamagedError&) {
          }
        }
        for (u64 i = 1000; i < 1040; ++i) {
          try {
            mark(place(i) / 8 + 1, place(i) / 8 + 1, 1);
            ++marked;
          } catch (const DamagedError&) {
          }
        }
        EXPECT_EQ(shadow_->count(0, u64{1} << 40, {1, 1}), 200 - unmarked + marked);
        store_->rollback();
      }
    }
  }
  expect_sound();
}

}  // namespace
}  // namespace emd
