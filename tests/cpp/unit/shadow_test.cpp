// Shadow memory: beside a model of runs, on commits, rollbacks and reopening; what it takes on disk; damage.
#include "structures/shadow/shadow.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <stdexcept>

#include "algorithms/compact/compact.h"
#include "base/errors.h"
#include "support/scratch.h"

namespace emd {
namespace {

constexpr u64 kMiB = u64{1} << 20;
constexpr u64 kHighest = ~u64{0};
constexpr u64 kBinary = 0x400000, kStack = 0x7ffffff00000, kKernel = ~u64{0} - (4 * kMiB - 1);
using Ranges = std::vector<AddressRange>;

// Flags by the first address of each run: 0 from address 0 on, to begin with.
class Model {
 public:
  u64 get(u64 address) const { return std::prev(runs_.upper_bound(address))->second; }
  u64 last_of_run(u64 address) const {
    const auto next = runs_.upper_bound(address);
    return next == runs_.end() ? kHighest : next->first - 1;
  }
  template <class Change>
  void change(u64 first, u64 last, const Change& change) {
    cut(first);
    if (last != kHighest) cut(last + 1);
    for (auto run = runs_.find(first); run != runs_.end() && run->first <= last; ++run)
      run->second = change(run->second);
  }

 private:
  void cut(u64 at) { runs_.emplace(at, get(at)); }
  std::map<u64, u64> runs_{{0, 0}};
};

class ShadowTest : public ::testing::TestWithParam<unsigned> {
 protected:
  void SetUp() override { open(); }
  void TearDown() override {
    shadow_.reset();
    store_.reset();
  }

  void open(Mode mode = Mode::append) {
    StoreOptions options;
    options.mode = mode;
    options.commit_interval_seconds = -1;
    store_ = Store::open(scratch_.path(), options);
    member_ = store_->find("s");
    if (member_ == nullptr) member_ = store_->create("s", Shadow::kKind, Shadow::kRegionCount);
    store_->acquire(*member_);
    shadow_.emplace(*store_, *member_);
    if (!shadow_->laid_out()) operate([&] { shadow_->lay_out(width()); });
  }
  void reopen() {
    shadow_.reset();
    store_->release(*member_);
    store_->close();
    open();
  }
  // The store as the next process finds it, after a power cut here.
  void cut_off() {
    shadow_.reset();
    store_.reset();
    open();
  }
  virtual unsigned width() const { return GetParam(); }
  unsigned stored() const { return std::bit_ceil(width()); }

  template <class Work>
  void operate(Work&& work) {
    const Operation operation(*store_);
    work();
  }
  void add(const Ranges& ranges) {
    operate([&] { shadow_->add_ranges(ranges); });
  }
  void change(u64 first, u64 last, FlagChange change) {
    for (u64 from = first;;) {
      u64 done = 0;
      operate([&] { done = shadow_->change(from, last, change); });
      if (done == last) return;
      from = done + 1;
    }
  }
  void mark(u64 first, u64 last, u64 flags) { change(first, last, {kHighest, flags}); }
  Ranges ranges() const {
    Ranges result;
    for (u64 i = 0; i < shadow_->range_count(); ++i) result.push_back(shadow_->range(i));
    return result;
  }
  void expect_sound() {
    Findings findings;
    store_->verify(findings);
    shadow_->check(findings);
    for (const Finding& finding : findings) ADD_FAILURE() << finding.where << ": " << finding.what;
  }
  ShadowTree::Stats tree() const { return shadow_->stats().tree; }
  Region& region(unsigned index) { return *member_->regions[index]; }
  template <class T>
  void damage(unsigned in, u64 at, T value) {
    operate([&] { store(region(in).writable(at, sizeof value), value); });
  }

  const Scratch scratch_;
  std::unique_ptr<Store> store_;
  std::shared_ptr<Member> member_;
  std::optional<Shadow> shadow_;
};

INSTANTIATE_TEST_SUITE_P(OfWidth, ShadowTest, ::testing::Range(1u, 9u));

class ByteShadowTest : public ShadowTest {
  unsigned width() const override { return 1; }
};
INSTANTIATE_TEST_SUITE_P(OfWidth, ByteShadowTest, ::testing::Values(1u));

// ---- Beside the model

class ShadowModelTest : public ShadowTest {
 protected:
  using Random = std::mt19937_64;

  u64 draw_address() {
    const Ranges all = ranges();
    const AddressRange& range = all[random_() % all.size()];
    const u64 count = range.last - range.first + 1;
    const u64 unit = u64{1} << (random_() % 22);
    const u64 address = range.first + (random_() % count) / unit * unit;
    return random_() % 4 == 0 ? std::min(range.last, address + random_() % 3) : address;
  }
  AddressRange draw_run() {
    const u64 first = draw_address(), last = shadow_->backing(first, first).last;
    const u64 most = random_() % 3 == 0 ? last - first : std::min(last - first, random_() % 10000);
    const u64 length = random_() % (most + 1);
    return {first, random_() % 8 == 0 ? last : first + length};
  }
  u64 draw_flags() {
    const u64 bit = u64{1} << (random_() % (8 * width()));
    return random_() % 3 == 0 ? bit | (random_() & shadow_->all_flags()) : bit;
  }

  void change_somewhere() {
    const AddressRange run = random_() % 3 == 0 ? AddressRange{draw_address(), 0} : draw_run();
    const u64 last = std::max(run.first, run.last), flags = draw_flags();
    const FlagChange changes[] = {{kHighest, flags}, {~flags, 0}, {0, flags}, {0, 0}};
    const FlagChange chosen = changes[random_() % 4];
    change(run.first, last, chosen);
    model_.change(run.first, last, chosen);
  }
  void write_somewhere() {
    const AddressRange run = draw_run();
    const bool noisy = random_() % 2 == 0;
    const u64 count = std::min<u64>(run.last - run.first + 1, 1 + random_() % (noisy ? 600 : 20000));
    std::vector<u8> bytes(count * stored());
    const u64 flags = draw_flags();
    for (u64 i = 0; i < count; ++i) {
      const u64 value = noisy ? random_() & shadow_->all_flags() : i < count / 2 ? flags : 0;
      std::memcpy(bytes.data() + i * stored(), &value, width());
      if (noisy) model_.change(run.first + i, run.first + i, FlagChange{0, value});
    }
    if (!noisy && count / 2 != 0) model_.change(run.first, run.first + count / 2 - 1, FlagChange{0, flags});
    if (!noisy) model_.change(run.first + count / 2, run.first + count - 1, FlagChange{0, 0});
    operate([&] { shadow_->write(run.first, bytes); });
  }
  void count_somewhere() {
    const AddressRange run = draw_run();
    const unsigned bits = 1 + static_cast<unsigned>(random_() % (8 * width()));
    const unsigned shift = static_cast<unsigned>(random_() % (8 * width() - bits + 1));
    const FlagCounter counter{shift, bits, random_() % 4 == 0 ? random_() : random_() % 5};
    for (u64 from = run.first, done = 0;; from = done + 1) {
      operate([&] { done = shadow_->count_up(from, run.last, counter); });
      if (done == run.last) break;
    }
    model_.change(run.first, run.last, counter);
  }
  void remove_somewhere() {
    const u64 first = draw_address(), last = first + std::min(~first, random_() % 3000);
    for (const AddressRange& range : ranges()) {
      if (range.first <= last && range.last >= first)
        change(std::max(first, range.first), std::min(last, range.last), {0, 0});
    }
    operate([&] { shadow_->remove_range(first, last); });
    model_.change(first, last, FlagChange{0, 0});
    EXPECT_THROW(shadow_->get(first), UnbackedError);
  }
  void add_somewhere() {
    const u64 bases[] = {kBinary, kStack, kKernel, 0};
    const u64 first = bases[random_() % 4] + random_() % (2 * kMiB);
    add({{first, first + random_() % kMiB}});
  }

  u64 value_in(const ShadowTree::Piece& piece, u64 index) const {
    u64 value = piece.value;
    if (piece.flags) std::memcpy(&(value = 0), piece.flags + index * stored(), stored());
    return value;
  }
  void compare_all() {
    for (const AddressRange& range : ranges()) {
      shadow_->walk(range.first, range.last, [&](const ShadowTree::Piece& piece) {
        for (u64 at = piece.first; at <= piece.last;) {
          const u64 end = std::min(piece.last, model_.last_of_run(at)), expected = model_.get(at);
          if (!piece.flags) {
            EXPECT_EQ(piece.value, expected) << "at " << at;
          } else {
            for (u64 i = 0; i <= end - at; ++i) {  // `end` may be the highest number
              if (value_in(piece, at - piece.first + i) == expected) continue;
              ADD_FAILURE() << "expected " << expected << " at " << at + i;
              return true;
            }
          }
          if (end == piece.last) break;
          at = end + 1;
        }
        return HasFailure();
      });
    }
  }
  std::optional<u64> expected_find(u64 first, u64 last, const WantedFlags& wanted) const {
    for (const AddressRange& range : ranges()) {
      u64 at = std::max(range.first, first);
      const u64 end = std::min(range.last, last);
      while (at <= end && range.last >= first) {
        if (wanted(model_.get(at))) return at;
        if (model_.last_of_run(at) >= end) break;
        at = model_.last_of_run(at) + 1;
      }
    }
    return std::nullopt;
  }
  void compare_questions() {
    const u64 mask = draw_flags();
    const WantedFlags wanted{mask, random_() % 2 == 0 ? mask : mask & random_(), random_() % 2 == 0};
    const u64 first = draw_address();
    EXPECT_EQ(shadow_->get(first), model_.get(first));
    const u64 last = random_() % 2 == 0 ? kHighest : std::max(first, draw_address());
    EXPECT_EQ(shadow_->find(first, last, wanted), expected_find(first, last, wanted));
    const AddressRange range = shadow_->backing(first, first);
    const auto end = expected_find(first, range.last, wanted.others());
    EXPECT_EQ(shadow_->run_length(first, wanted), end ? *end - first : range.last - first + 1);
    const Ranges found = shadow_->runs(first, last, wanted, 50);
    u64 total = 0, from = first;
    for (const AddressRange& run : found) {
      EXPECT_EQ(expected_find(from, last, wanted), run.first);
      total += run.last - run.first + 1;
      if (run.last == kHighest) break;
      from = run.last + 1;
    }
    if (found.size() < 50 && last <= range.last) {
      EXPECT_EQ(shadow_->count(first, last, wanted), total);
    }
    u64 at = first;
    for (const FlagRun& run : shadow_->flag_runs(first, range.last, 50)) {
      EXPECT_EQ(run.first, at);
      EXPECT_EQ(run.flags, model_.get(at));
      while (model_.last_of_run(at) < run.last) {
        at = model_.last_of_run(at) + 1;
        EXPECT_EQ(run.flags, model_.get(at));
      }
      if (run.last == kHighest) break;
      at = run.last + 1;
      if (at <= range.last) {
        EXPECT_NE(run.flags, model_.get(at));
      }
    }
  }

  Random random_;
  Model model_;
};

INSTANTIATE_TEST_SUITE_P(OfWidth, ShadowModelTest, ::testing::Range(1u, 9u));

TEST_P(ShadowModelTest, BehavesAsItsModel) {
  const u64 seed = std::random_device{}();
  RecordProperty("seed", std::to_string(seed));
  SCOPED_TRACE("seed " + std::to_string(seed));
  random_.seed(seed);
  add({{kBinary, kBinary + 9 * kMiB}, {kStack, kStack + 70000}, {kKernel, kHighest}});
  for (int step = 0; step < 200 && !HasFailure(); ++step) {
    const Model before = model_;
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
  EXPECT_EQ(tree().chunks, 1u);
  EXPECT_EQ(shadow_->find(first, last, {4, 4, false}), first + 12345);
  expect_sound();
}

TEST_P(ShadowTest, PagesThatBecomeUniformAreUsedAgain) {
  add({{0, 64 * kMiB - 1}});
  for (u64 at = 0; at < 4 * kMiB; at += 512) mark(at, at, 1);
  const u64 chunks = tree().chunks;
  EXPECT_EQ(chunks, 4 * kMiB * stored() / kShadowChunkBytes);
  mark(0, 64 * kMiB - 1, 1);  // which finds them uniform
  EXPECT_EQ(tree().chunks, 0u);
  EXPECT_EQ(tree().free_chunks, chunks);
  expect_sound();
  const u64 bytes = region(2).size();
  for (u64 at = 32 * kMiB; at < 36 * kMiB; at += 512) change(at, at, {0, 0});
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
    EXPECT_NE(tree().chunks, 0u);
    for (u64 i = 500; i-- > 0;) change(i * 0x1e3779b97f, i * 0x1e3779b97f + length - 1, {~u64{1}, 0});
    EXPECT_EQ(tree().chunks, 0u);
    EXPECT_EQ(tree().nodes, 0u);
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
  for (u64 at = 0; at < count; at += kShadowChunkBytes / stored()) mark(at, at, 1);
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
  refused(offsetof(ShadowHeader, format), 2);
  refused(offsetof(ShadowHeader, width), 0);
  refused(offsetof(ShadowHeader, width), 9);
  refused(offsetof(ShadowHeader, width), 16);
  refused(offsetof(ShadowHeader, range_count), 1);
  const Shadow sound(*store_, *member_);
}

TEST_P(ByteShadowTest, DamagedReferencesAreFound) {
  add({{0, 64 * kMiB}});
  mark(4097, 4097, 1);
  mark(5 * kMiB, 5 * kMiB, 1);
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
  for (u64 node = 0; node < region(1).size(); node += sizeof(ShadowNode)) {
    raises(1, node, 4096);                             // its first address
    raises(1, node + offsetof(ShadowNode, level), 5);  // its level
    for (u64 slot = 0; slot < 4; ++slot) {
      const auto bits = load<u64>(region(1).data() + node + offsetof(ShadowNode, is_reference));
      if (bits >> slot & 1) raises(1, node + entry + 8 * slot, ~u64{0});
    }
  }
  EXPECT_EQ(shadow_->count(0, 64 * kMiB, {1, 1, false}), 2u);
  expect_sound();
}

TEST_P(ByteShadowTest, CheckFindsWhatReadingDoesNotMeet) {
  add({{4096, 64 * kMiB}});
  for (u64 at = 4096; at < kMiB; at += 4096) mark(at, at, 1);
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
  found(0, offsetof(ShadowHeader, free_nodes), 1);
  found(0, offsetof(ShadowHeader, free_node), 1);
  found(0, offsetof(ShadowHeader, free_chunks), 0);
  found(0, offsetof(ShadowHeader, free_chunks), 1 << 20);
  found(3, 0, load<u64>(region(3).data() + 8));  // free twice
  found(3, 0, 1 << 20);
  const u64 first_page = kMiB / 2 / 4096;
  u64 leaf = 0;
  while (load<u32>(region(1).data() + leaf + offsetof(ShadowNode, level)) != 1) leaf += sizeof(ShadowNode);
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
  mark(4096, 5 * kMiB, 0xff);
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
