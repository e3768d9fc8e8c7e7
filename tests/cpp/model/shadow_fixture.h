// What the tests of shadow memory share: a store with one, and a model of runs beside it.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "structures/shadow/shadow.h"
#include "support/scratch.h"

namespace emd::testing {

inline constexpr u64 kMiB = u64{1} << 20;
inline constexpr u64 kHighest = ~u64{0};
inline constexpr u64 kBinary = 0x400000, kStack = 0x7ffffff00000, kKernel = ~u64{0} - (4 * kMiB - 1);
using Ranges = std::vector<AddressRange>;

// Flags by the first address of each run: 0 from address 0 on, to begin with.
class ShadowModel {
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
  // What no record has room for.
  void mark_each_other(u64 first, u64 last) {
    for (u64 at = first; at <= last; at += 2) mark(at, at, 1);
  }
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

class ByteShadowTest : public ShadowTest {
  unsigned width() const override { return 1; }
};
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
  ShadowModel model_;
};

}  // namespace emd::testing
