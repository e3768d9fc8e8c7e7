// Shadow memory: beside a model of runs, on commits, rollbacks and reopening; what it takes on disk; damage.
#include <stdexcept>

#include "algorithms/compact/compact.h"
#include "base/errors.h"
#include "model/shadow_fixture.h"

namespace emd {
namespace {

using namespace testing;

INSTANTIATE_TEST_SUITE_P(OfWidth, ShadowTest, ::testing::Range(1u, 9u));

INSTANTIATE_TEST_SUITE_P(OfWidth, ByteShadowTest, ::testing::Values(1u));

INSTANTIATE_TEST_SUITE_P(OfWidth, ShadowModelTest, ::testing::Range(1u, 9u));

TEST_P(ShadowModelTest, BehavesAsItsModel) {
  const u64 seed = std::random_device{}();
  RecordProperty("seed", std::to_string(seed));
  SCOPED_TRACE("seed " + std::to_string(seed));
  random_.seed(seed);
  add({{kBinary, kBinary + 9 * kMiB}, {kStack, kStack + 70000}, {kKernel, kHighest}});
  for (int step = 0; step < 200 && !HasFailure(); ++step) {
    const ShadowModel before = model_;
    const Ranges ranges_before = ranges();
    const bool transaction = random_() % 10 == 0;
    if (transaction) store_->begin();
    for (u64 i = random_() % 6; i-- > 0;) {
      const u64 draw = random_() % 16;
      draw == 0   ? add_somewhere()
      : draw < 5  ? write_somewhere()
      : draw == 5 ? count_somewhere()
      : draw == 6 ? remove_somewhere()
                  : change_somewhere();
    }
    if (transaction && random_() % 2 == 0) {
      store_->rollback();
      model_ = before;
      ASSERT_EQ(ranges(), ranges_before);
    } else if (transaction) {
      store_->commit_transaction();
    }
    compare_questions();
    if (step % 40 == 0) {
      compare_all();
      expect_sound();
    }
    if (step % 50 == 0) reopen();
    if (step % 90 == 89) {
      shadow_.reset();
      compact(*store_, *member_, [](u64, u64) {});
      shadow_.emplace(*store_, *member_);
    }
  }
  compare_all();
  expect_sound();
}

// ---- Ranges

TEST_P(ShadowTest, RangesAreMergedWhereTheyOverlapOrTouch) {
  add({{0x3000, 0x3fff}, {0x1000, 0x1fff}});
  EXPECT_EQ(ranges(), (Ranges{{0x1000, 0x1fff}, {0x3000, 0x3fff}}));
  mark(0x3000, 0x3fff, 1);
  add({{0x2000, 0x2ffe}});
  EXPECT_EQ(ranges(), (Ranges{{0x1000, 0x2ffe}, {0x3000, 0x3fff}}));
  add({{0x2fff, 0x2fff}});
  EXPECT_EQ(ranges(), (Ranges{{0x1000, 0x3fff}}));
  add({{0, 0x10}, {0x5, 0x500}, {0x1800, 0x1900}, {kHighest, kHighest}});
  EXPECT_EQ(ranges(), (Ranges{{0, 0x500}, {0x1000, 0x3fff}, {kHighest, kHighest}}));
  EXPECT_EQ(shadow_->count(0x1000, 0x3fff, {1, 1, false}), 0x1000u);
  reopen();
  EXPECT_EQ(ranges().size(), 3u);
  expect_sound();
  EXPECT_THROW(add({{5, 4}}), std::invalid_argument);
  EXPECT_THROW(add({{0, kHighest}}), std::invalid_argument);
  EXPECT_EQ(ranges().size(), 3u);
}

TEST_P(ShadowTest, ASearchOfAllAddressesFindsWhatBeginsAtTheFirst) {
  operate([&] {
    const AddressRange range{0, 9'999};
    shadow_->add_ranges({&range, 1});
    shadow_->change(0, 1, {~u64{0}, 1});
    shadow_->change(100, 102, {~u64{0}, 1});
  });
  const WantedFlags marked{1, 1};
  EXPECT_EQ(shadow_->find_run(0, ~u64{0}, marked, 2), 0u);
  EXPECT_EQ(shadow_->find_run(0, ~u64{0}, marked, 3), 100u);
  EXPECT_EQ(shadow_->find_run(0, ~u64{0}, marked, 4), std::nullopt);
  EXPECT_EQ(shadow_->runs(0, ~u64{0}, marked, 9), (std::vector<AddressRange>{{0, 1}, {100, 102}}));
}

TEST_P(ShadowTest, AnUnbackedAddressIsNamed) {
  EXPECT_THROW(shadow_->get(0), UnbackedError);
  add({{0x1000, 0x1fff}, {0x2001, 0x2fff}});
  const auto message = [](auto&& work) -> std::string {
    try {
      work();
    } catch (const UnbackedError& error) {
      return error.what();
    }
    return "nothing was thrown";
  };
  const std::string text = message([&] { mark(0x1ff0, 0x2010, 1); });
  EXPECT_NE(text.find("address 0x2000 is not backed"), std::string::npos) << text;
  EXPECT_NE(text.find("0x1000 to 0x1fff, 0x2001 to 0x2fff"), std::string::npos) << text;
  EXPECT_NE(message([&] { shadow_->get(0xfff); }).find("0xfff is"), std::string::npos);
  EXPECT_NE(message([&] {
              shadow_->count(0x2fff, kHighest, {1, 1, false});
            }).find("0x3000 is"),
            std::string::npos);
  EXPECT_THROW(operate([&] { shadow_->write(0x2fff, std::vector<u8>(2 * stored())); }), UnbackedError);
  EXPECT_THROW(operate([&] { shadow_->write(kHighest, std::vector<u8>(2 * stored())); }), UnbackedError);
  EXPECT_EQ(shadow_->find(0, kHighest, {1, 1, false}), std::nullopt);
  expect_sound();
}

// ---- Space

TEST_P(ShadowTest, WholeRunsTakeNoPages) {
  const u64 first = kBinary, last = kBinary + 1024 * kMiB - 1;
  add({{first, last}});
  EXPECT_EQ(region(1).size() + region(2).size(), 0u);
  mark(first, first + 100 * kMiB - 1, 1);
  EXPECT_EQ(tree().chunks, 0u);
  EXPECT_LE(tree().nodes, 8u);
  mark(first, last, 2);
  EXPECT_EQ(shadow_->count(first, last, {3, 3, false}), 100 * kMiB);
  mark(first + 12345, first + 12345, 4);
  EXPECT_EQ(tree().chunks + tree().nodes, 0u);
  EXPECT_EQ(tree().records, 1u);
  EXPECT_EQ(shadow_->find(first, last, {4, 4, false}), first + 12345);
  expect_sound();
}

TEST_P(ShadowTest, PagesThatBecomeUniformAreUsedAgain) {
  add({{0, 64 * kMiB - 1}});
  const u64 step = kShadowChunkBytes / stored() / 32;  // so many runs are no record
  for (u64 at = 0; at < kMiB; at += step) mark(at, at, 1);
  const u64 chunks = tree().chunks;
  EXPECT_EQ(chunks, kMiB * stored() / kShadowChunkBytes);
  mark(0, 64 * kMiB - 1, 1);  // which finds them uniform
  EXPECT_EQ(tree().chunks, 0u);
  EXPECT_EQ(tree().free_chunks, chunks);
  expect_sound();
  const u64 bytes = region(2).size();
  for (u64 at = 32 * kMiB; at < 33 * kMiB; at += step) change(at, at, {0, 0});
  EXPECT_EQ(region(2).size(), bytes);
  change(0, 64 * kMiB - 1, {0, 0});  // which need not look
  EXPECT_EQ(tree().chunks, 0u);
  EXPECT_EQ(shadow_->find(0, kHighest, {1, 1, false}), std::nullopt);
  expect_sound();
}

TEST_P(ShadowTest, WhatIsUnmarkedHereAndThereIsGivenBack) {
  add({{0, (u64{1} << 48) - 1}});
  for (const u64 length : {1u, 3u}) {
    for (u64 i = 0; i < 500; ++i) mark(i * 0x1e3779b97f, i * 0x1e3779b97f + length - 1, 1);
    EXPECT_NE(tree().records, 0u);
    for (u64 i = 500; i-- > 0;) change(i * 0x1e3779b97f, i * 0x1e3779b97f + length - 1, {~u64{1}, 0});
    EXPECT_EQ(tree().chunks + tree().nodes + tree().records + tree().blocks, 0u);
    expect_sound();
  }
}

TEST_P(ShadowTest, MarkingWhatIsMarkedChangesNothing) {
  add({{0, 16 * kMiB}});
  for (u64 at = 0; at < kMiB; at += 3) mark(at, at, 1);
  store_->commit();
  for (u64 at = 0; at < kMiB; at += 3) mark(at, at, 1);
  change(0, kMiB, {~u64{2}, 0});
  mark(0, 0, 1);
  for (const RegionStats& stats : store_->region_stats(*member_)) EXPECT_EQ(stats.dirty_bytes, 0u);
}

TEST_P(ShadowTest, ALargeChangeOfPagesIsDoneInParts) {
  const u64 count = (ShadowTree::kPagesAtOnce + 100) * kShadowChunkBytes / stored();
  add({{0, count - 1}});
  const u64 page = kShadowChunkBytes / stored();
  std::vector<u8> bytes(kShadowChunkBytes);  // of more runs than a record has
  for (u64 at = 0; at < bytes.size(); at += 2 * stored()) bytes[at] = 1;
  for (u64 at = 0; at < count; at += page) operate([&] { shadow_->write(at, bytes); });
  EXPECT_EQ(tree().chunks, count / page);
  u64 done = 0;
  operate([&] { done = shadow_->change(0, count - 1, {kHighest, 2}); });
  EXPECT_LT(done, count - 1);
  EXPECT_EQ(shadow_->count(0, count - 1, {2, 2, false}), done + 1);
  mark(done + 1, count - 1, 2);
  EXPECT_EQ(shadow_->count(0, count - 1, {2, 2, false}), count);
  expect_sound();
}

TEST_P(ShadowTest, WhatWasNotCommittedIsGone) {
  add({{0, 8 * kMiB}});
  mark(100, 5 * kMiB, 1);
  store_->commit();
  mark(0, 8 * kMiB, 2);
  add({{kStack, kStack}});
  cut_off();
  EXPECT_EQ(shadow_->count(0, 8 * kMiB, {3, 1, false}), 5 * kMiB - 99);
  EXPECT_EQ(ranges().size(), 1u);
  expect_sound();
}

TEST_P(ShadowTest, ALayoutThatWasRolledBackIsMadeAgain) {
  const auto member = store_->create("b", Shadow::kKind, Shadow::kRegionCount);
  store_->acquire(*member);
  Shadow shadow(*store_, *member);
  store_->commit();
  store_->begin();
  operate([&] { shadow.lay_out(8); });
  store_->rollback();
  EXPECT_FALSE(shadow.laid_out());
  const AddressRange range{5, 5000};
  operate([&] {
    shadow.lay_out(width());
    shadow.add_ranges({&range, 1});
    shadow.change(5, 100, {0, 1});
  });
  store_->commit();
  EXPECT_EQ(Shadow(*store_, *member).count(5, 5000, {1, 1, false}), 96u);
  expect_sound();
}

TEST_P(ShadowTest, CompactionKeepsFlagsAndGivesBackPages) {
  add({{0, 64 * kMiB}, {kStack, kHighest}});
  for (const u64 odd : {0u, 1u}) {  // so that all pages are needed at once
    for (u64 at = odd; at < kMiB; at += 2) mark(at, at, 1);
  }
  mark(kStack + 5, kHighest - 5, 2);
  const u64 chunks = tree().chunks + tree().free_chunks;
  shadow_.reset();
  compact(*store_, *member_, [](u64, u64) {});
  shadow_.emplace(*store_, *member_);
  EXPECT_LT(tree().chunks + tree().free_chunks, chunks / 4);
  EXPECT_EQ(shadow_->run_length(0, {1, 1, false}), kMiB);
  EXPECT_EQ(shadow_->count(kStack, kHighest, {2, 2, false}), kHighest - kStack - 9);
  expect_sound();
}

// ---- Damage

TEST_P(ByteShadowTest, ADamagedHeaderIsRefused) {
  const auto refused = [&](u64 at, u32 value) {
    const auto before = load<u32>(region(0).data() + at);
    damage(0, at, value);
    EXPECT_THROW(Shadow(*store_, *member_), Error) << "at " << at;
    damage(0, at, before);
  };
  refused(offsetof(ShadowHeader, magic), 1);
  refused(offsetof(ShadowHeader, format), 0);
  refused(offsetof(ShadowHeader, format), 3);
  refused(offsetof(ShadowHeader, width), 0);
  refused(offsetof(ShadowHeader, width), 9);
  refused(offsetof(ShadowHeader, width), 16);
  refused(offsetof(ShadowHeader, range_count), 1);
  const Shadow sound(*store_, *member_);
}

TEST_P(ByteShadowTest, DamagedReferencesAreFound) {
  add({{0, 64 * kMiB}});
  mark_each_other(4097, 4097 + 80);
  mark_each_other(5 * kMiB, 5 * kMiB + 80);
  const auto raises = [&](unsigned in, u64 at, u64 value) {
    const auto before = load<u64>(region(in).data() + at);
    damage(in, at, value);
    EXPECT_THROW(shadow_->count(0, 64 * kMiB, {1, 1, false}), DamagedError) << in << " at " << at;
    EXPECT_THROW(mark(0, 64 * kMiB, 1), DamagedError) << in << " at " << at;
    Findings findings;
    shadow_->check(findings);
    EXPECT_FALSE(findings.empty()) << in << " at " << at;
    damage(in, at, before);
  };
  raises(0, offsetof(ShadowHeader, root), 99);
  raises(0, offsetof(ShadowHeader, height), 1);  // what is behind is 0
  raises(0, offsetof(ShadowHeader, height) - 4, u64{8} << 32 | 1);
  const u64 entry = offsetof(ShadowNode, entries);
  unsigned met = 0;
  for (u64 node = 0; node < region(1).size(); node += sizeof(ShadowNode)) {
    if (load<u32>(region(1).data() + node + offsetof(ShadowNode, level)) > 2) continue;  // free, or a block
    ++met;
    raises(1, node, 4096);                             // its first address
    raises(1, node + offsetof(ShadowNode, level), 5);  // its level
    for (u64 slot = 0; slot < 4; ++slot) {
      const auto bits = load<u64>(region(1).data() + node + offsetof(ShadowNode, is_reference));
      if (bits >> slot & 1) raises(1, node + entry + 8 * slot, ~u64{0});
    }
  }
  EXPECT_EQ(met, 3u);
  EXPECT_EQ(shadow_->count(0, 64 * kMiB, {1, 1, false}), 82u);
  expect_sound();
}

TEST_P(ByteShadowTest, CheckFindsWhatReadingDoesNotMeet) {
  add({{4096, 64 * kMiB}});
  for (u64 at = 4096; at < kMiB; at += 4096) mark_each_other(at, at + 80);
  mark(4096, kMiB / 2 - 1, 0xff);
  const auto found = [&](unsigned in, u64 at, u64 value) {
    const auto before = load<u64>(region(in).data() + at);
    damage(in, at, value);
    Findings findings;
    shadow_->check(findings);
    EXPECT_FALSE(findings.empty()) << in << " at " << at;
    damage(in, at, before);
  };
  ASSERT_GT(tree().free_chunks, 1u);
  found(0, kShadowRangesAt, 8192);          // flags are behind the first address
  found(0, kShadowRangesAt, u64{1} << 60);  // first behind last
  found(0, offsetof(ShadowHeader, range_count), 0);
  found(0, offsetof(ShadowHeader, free_nodes), tree().free_nodes + 1);
  found(0, offsetof(ShadowHeader, free_chunks), 0);
  found(0, offsetof(ShadowHeader, free_chunks), 1 << 20);
  found(3, 0, load<u64>(region(3).data() + 8));  // free twice
  found(3, 0, 1 << 20);
  const u64 first_page = kMiB / 2 / 4096;
  u64 leaf = 0;
  while (load<u32>(region(1).data() + leaf + offsetof(ShadowNode, level)) != 1) leaf += sizeof(ShadowNode);
  found(0, offsetof(ShadowHeader, free_node), leaf / sizeof(ShadowNode) + 1);
  const u64 entries = leaf + offsetof(ShadowNode, entries);
  found(1, entries + 8 * first_page,
        load<u64>(region(1).data() + entries + 8 * first_page + 8));  // used twice
  found(1, entries + 8, 0x1ff);                                       // flags of two bytes
  expect_sound();
}

class PaddedShadowTest : public ShadowTest {};
INSTANTIATE_TEST_SUITE_P(OfWidth, PaddedShadowTest, ::testing::Values(3u, 5u, 6u, 7u));

TEST_P(PaddedShadowTest, BytesAboveTheWidthAreFoundAndPassedOver) {
  add({{0, 64 * kMiB}});
  mark(100, 102, 1);
  mark(101, 101, shadow_->all_flags());
  for (u64 at = 110; at < 200; at += 2) mark(at, at, 2);  // so that it is a page
  const auto expect_flags = [&](u64 at_101) {
    EXPECT_EQ(shadow_->get(100), 1u);
    EXPECT_EQ(shadow_->get(101), at_101);
    std::vector<u8> bytes(3 * stored());
    shadow_->read(100, 102, bytes.data());
    u64 flags = 0;
    std::memcpy(&flags, bytes.data() + stored(), stored());
    EXPECT_EQ(flags, at_101);
    std::memcpy(&(flags = 0), bytes.data() + 2 * stored(), stored());
    EXPECT_EQ(flags, 1u);
    EXPECT_EQ(shadow_->count(0, 64 * kMiB, {1, 1}), 3u);
    EXPECT_EQ(shadow_->find(0, 64 * kMiB, {shadow_->all_flags(), 1}), 100u);
  };
  expect_flags(shadow_->all_flags());
  expect_sound();
  for (const u64 address : {100, 101, 102}) damage(2, address * stored() + width(), u8{0xee});
  expect_flags(shadow_->all_flags());
  Findings findings;
  shadow_->check(findings);
  ASSERT_FALSE(findings.empty());
  EXPECT_NE(findings[0].what.find("at address 100"), std::string::npos) << findings[0].what;
  change(101, 101, {1, 0});
  change(101, 102, {1, 0});
  expect_flags(1);
  change(0, 64 * kMiB, {~shadow_->all_flags(), 0});  // all flags are taken away: pages are given up
  EXPECT_EQ(tree().chunks, 0u);
  expect_sound();
}

TEST_P(ByteShadowTest, AnyBytesOfTheRegionsAreReadWithoutHarm) {
  const u64 seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  add({{4096, 64 * kMiB}, {kStack, kHighest}});
  for (u64 at = 4096; at < 3 * kMiB; at += 5000) mark(at, at + 3, 1 + random() % 3);
  mark_each_other(20'000, 30'000);
  mark_each_other(2 * kMiB, 2 * kMiB + 9000);
  mark(kMiB, 5 * kMiB, 0xff);
  for (u64 at = kStack; at < kStack + 3 * kMiB; at += 5000) mark(at, at + 3, 1 + random() % 3);
  store_->commit();
  unsigned noticed = 0;
  for (int run = 0; run < 150; ++run) {
    store_->begin();
    for (u64 i = 1 + random() % 3; i-- > 0;) {
      const unsigned in = static_cast<unsigned>(random() % 4);
      const u64 reach = region(in).size();
      const u64 value = random() % 3 == 0   ? random()
                        : random() % 2 == 0 ? u64{1} << random() % 64
                                            : random() % 9;
      damage(in, random() % (reach / 8) * 8, value);
    }
    Findings findings;
    shadow_->check(findings);
    noticed += !findings.empty();
    for (int i = 0; i < 12; ++i) {
      const u64 first = random() % 2 == 0 ? random() % (64 * kMiB) : kStack + random() % (4 * kMiB);
      const u64 last = random() % 4 == 0 ? kHighest : first + random() % (2 * kMiB);
      try {
        switch (random() % 5) {
          case 0:
            change(first, last, {random(), random()});
            break;
          case 1:
            shadow_->runs(first, last, {1, 1, random() % 2 == 0}, 100);
            break;
          case 2:
            shadow_->count(first, last, {1, 1, false});
            break;
          case 3:
            operate(
                [&] { shadow_->write(first, std::vector<u8>(random() % 9000, static_cast<u8>(random()))); });
            break;
          default:
            add({{first, first + random() % 10000}});
        }
      } catch (const Error&) {  // damage, an address that is not backed, more than fits
      } catch (const std::invalid_argument&) {
      }
    }
    store_->rollback();
  }
  EXPECT_GT(noticed, 50u);
  expect_sound();
}

}  // namespace
}  // namespace emd
