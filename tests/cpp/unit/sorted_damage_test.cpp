// A sorted dict whose bytes were changed behind its back: an answer or a DamagedError, never a crash or a hang.
#include "model/sorted_model.h"
#include "store/findings.h"

namespace emd {
namespace {

class SortedDamageTest : public testing::TestWithParam<unsigned> {
 protected:
  SortedDamageTest() : subject_({GetParam() % 3 == 0 ? 4 : GetParam() % 3 == 1 ? 20 : kMostEntries}) {
    for (unsigned i = 0; i < kKeys; ++i) subject_.put(key(i), std::string(i % 40, 'v'), i % 9 ? "" : "annex");
    for (unsigned i = 0; i < kKeys; i += 3) subject_.put(key(i), std::string(i % 90, 'w'));
    for (unsigned i = 0; i < kKeys; i += 5) subject_.erase(key(i));
    for (unsigned i = 0; i < kKeys; i += 50)
      subject_.put(key(i) + std::string(500, 'k'), std::string(2'000, 'l'));
  }

  static std::string key(u64 i) { return "key" + std::to_string(i * 7919 % 1009); }

  // Everything that is called must come back; what it says is free.
  template <class Call>
  void survive(Call&& call) {
    try {
      call();
    } catch (const DamagedError&) {
    }
  }

  void damage(Region& region, unsigned bytes, bool header) {
    const Operation operation(*subject_.store);
    for (unsigned i = 0; i < bytes; ++i) {
      // Where nodes begin is what everything else depends on.
      u64 offset = random_() % (header ? std::min<u64>(region.size(), 256) : region.size());
      if (!header && random_() % 2) offset = page_down(offset) + random_() % 64;
      u8* at = region.writable(offset, 1);
      *at = random_() % 4 == 0 ? 0xff : random_() % 4 == 0 ? 0 : static_cast<u8>(random_());
    }
  }

  void use(const Sorted& sorted) {
    for (unsigned i = 0; i < 60; ++i) {
      const std::string name = key(random_() % (kKeys + 50));
      survive([&] { sorted.find(as_bytes(name)); });
      survive([&] { subject_.put(name, std::string(random_() % 120, 'x'), i % 7 ? "" : "annex"); });
      survive([&] { subject_.put(name + std::string(450, 'y'), std::string(900, 'x')); });
      survive([&] { subject_.erase(key(random_() % kKeys)); });
      survive([&] { sorted.select(random_() % (kKeys + 10)); });
      survive([&] {
        std::vector<u8> neighbour;
        const Sorted::Place place = sorted.seek(as_bytes(name));
        sorted.rank(place);
        sorted.key_before(place, neighbour);
        sorted.key_from(place, neighbour);
      });
    }
    survive([&] { walk(sorted); });
    survive([&] {
      for (u64 left = std::min<u64>(sorted.size(), 2 * kKeys); left > 0; --left) {
        const Operation operation(*subject_.store);
        subject_.sorted->erase(sorted.select(random_() % 3 ? 0 : left - 1));
      }
    });
    survive([&] { sorted.stats(); });
    Findings findings;
    sorted.check(findings);
  }

  void walk(const Sorted& sorted) {
    Scan scan;
    const u64 count = std::min<u64>(sorted.size(), 10 * kKeys);
    SortedWalk forwards(0, count, 1), backwards(count - 1, count, -1);
    while (forwards.next(sorted, scan)) {
    }
    while (backwards.next(sorted, scan)) {
    }
  }

  static constexpr unsigned kKeys = 400;
  SortedStore subject_;
  std::mt19937_64 random_{GetParam()};
};

TEST_P(SortedDamageTest, EveryOperationComesBack) {
  damage(*subject_.member->regions[GetParam() % 8 == 7], 1 + static_cast<unsigned>(random_() % 60),
         GetParam() % 5 == 0);
  use(*subject_.sorted);
}

TEST_P(SortedDamageTest, ADamagedOneOpensOrIsRefused) {
  damage(*subject_.member->regions[0], 1 + static_cast<unsigned>(random_() % 4), true);
  try {
    const Sorted again(*subject_.store, *subject_.member);
    const std::string name = key(1);
    survive([&] { again.find(as_bytes(name)); });
    survive([&] { walk(again); });
  } catch (const DamagedError&) {
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, SortedDamageTest, testing::Range(0u, 240u));

// What contradicts the rest does not pass check().
TEST(SortedCheck, FindsWhatWasPlanted) {
  const auto plant = [](u64 offset, auto change) {
    SortedStore subject;
    for (unsigned i = 0; i < 1'000; ++i) subject.put("key" + std::to_string(i * 7919 % 1000), "value");
    for (unsigned i = 40; i < 60; ++i) subject.erase("key" + std::to_string(i));
    expect_sound(*subject.sorted);
    {
      const Operation operation(*subject.store);
      change(*subject.member->regions[0]->writable(offset, 8));
    }
    Findings findings;
    subject.sorted->check(findings);
    return findings.size();
  };
  const auto flip = [](u8& byte) { byte ^= 1; };
  EXPECT_EQ(plant(0, [](u8&) {}), 0u);
  EXPECT_GT(plant(offsetof(SortedHeader, root), flip), 0u);
  EXPECT_GT(plant(offsetof(SortedHeader, levels), flip), 0u);
  EXPECT_GT(plant(offsetof(SortedHeader, count), flip), 0u);
  EXPECT_GT(plant(offsetof(SortedHeader, map), flip), 0u);                     // free pages
  EXPECT_GT(plant(PageMap::kBitsOffset, [](u8& byte) { byte &= 0xfb; }), 0u);  // a node's page called free
  EXPECT_GT(plant(kPageSize + offsetof(NodeHeader, level), flip), 0u);
  EXPECT_GT(plant(kPageSize + offsetof(NodeHeader, count), flip), 0u);
  EXPECT_GT(plant(kPageSize + offsetof(NodeHeader, dead), flip), 0u);
  EXPECT_GT(plant(kPageSize + sizeof(NodeHeader) + 3, flip), 0u);           // the permutation
  EXPECT_GT(plant(2 * kPageSize - 30, [](u8& byte) { byte = 0xff; }), 0u);  // a record
}

}  // namespace
}  // namespace emd
