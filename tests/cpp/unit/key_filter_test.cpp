// KeyFilter: no key that is there is called new, and few of the others are not.
#include "index/key_filter.h"

#include <gtest/gtest.h>

#include <random>

namespace emd {
namespace {

constexpr u64 kBudget = u64{4} << 20;

// A filter of this many keys, each of a record of 16 bytes.
class Filled {
 public:
  explicit Filled(u64 keys) : keys_(keys) {
    std::mt19937_64 random(1);
    for (u64 i = 0; i < keys; ++i) {
      EXPECT_TRUE(filter.make_room(kBudget));
      hashes.push_back(random());
      filter.cover(hashes.back(), 16 * (i + 1));
    }
  }
  u64 end() const { return 16 * keys_; }
  // Of keys that were not added, in a thousand.
  double perhaps() const {
    std::mt19937_64 random(2);
    u64 found = 0;
    for (u64 i = 0; i < 100000; ++i) found += !filter.excludes(random(), end());
    return static_cast<double>(found) / 100;
  }

  KeyFilter filter;
  std::vector<u64> hashes;

 private:
  u64 keys_;
};

TEST(KeyFilter, ExcludesNoKeyThatWasAddedAndNearlyAllOthers) {
  const Filled filled(1000000);  // two parts, within half of the budget
  for (const u64 hash : filled.hashes) ASSERT_FALSE(filled.filter.excludes(hash, filled.end()));
  EXPECT_LT(filled.perhaps(), 30);
  EXPECT_LE(filled.filter.bytes(), kBudget / 2);
}

TEST(KeyFilter, StaysWithinItsPartOfTheBudgetAndSaysPerhapsMoreOften) {
  const Filled filled(4000000);
  for (const u64 hash : filled.hashes) ASSERT_FALSE(filled.filter.excludes(hash, filled.end()));
  EXPECT_LE(filled.filter.bytes(), kBudget / 2);
  EXPECT_LT(filled.perhaps(), 900);
}

TEST(KeyFilter, ExcludesNothingUntilAllIsCovered) {
  Filled filled(1000);
  u64 absent = 0;
  while (!filled.filter.excludes(absent, filled.end())) ++absent;
  EXPECT_FALSE(filled.filter.excludes(absent, filled.end() + 16));  // a record that it does not know
  filled.filter.note_appended(absent, filled.end(), filled.end() + 16);
  EXPECT_FALSE(filled.filter.excludes(absent, filled.end() + 16));
  filled.filter.reset();
  EXPECT_FALSE(filled.filter.excludes(absent, filled.end()));
}

TEST(KeyFilter, FollowsRecordsThatDie) {
  KeyFilter filter;
  ASSERT_TRUE(filter.make_room(kBudget));
  filter.cover(1, 160);
  filter.note_dead(144, 320, 800);  // one dead run over the end of what is covered: its middle is no boundary
  EXPECT_EQ(filter.covered(), 320u);
  filter.note_dead(100, 200, 800);
  EXPECT_EQ(filter.covered(), 320u);
  filter.note_dead(160, 800, 160);  // cut off
  EXPECT_EQ(filter.covered(), 160u);
}

}  // namespace
}  // namespace emd
