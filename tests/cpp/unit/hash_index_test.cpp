// The index by itself: look-ups in steps, as batches do them. Its growth and its damage are tested with the dict's.
#include <gtest/gtest.h>

#include <random>

#include "index/hash_index.h"
#include "store/store.h"
#include "structures/array/array.h"
#include "support/scratch.h"

namespace emd {
namespace {

constexpr u64 kSeed = 7;

// An index over positions 0, 1, 2, ..., whose hashes are those of `hashes`.
struct IndexOfHashes {
  explicit IndexOfHashes(u32 segment_buckets)
      : store(Store::open(scratch.path())),
        member(acquired()),
        region(*member->regions[0]),
        index(region, [this](u64 position) { return hashes[position]; }) {
    const Operation operation(*store);
    region.extend(HashIndex::kEmptyBytes);
    HashIndex::format(region.writable(0, HashIndex::kEmptyBytes), segment_buckets, 64, kSeed);
    index.open(kSeed);
  }
  std::shared_ptr<Member> acquired() {
    auto made = store->create("index", Array::kKind, 1);
    store->acquire(*made);
    return made;
  }
  void add(u64 hash) {
    const Operation operation(*store);
    hashes.push_back(hash);
    index.insert(index.make_room(hash), hash, hashes.size() - 1);
  }
  // What find() offers first; kNone: nothing.
  u64 first_offer(u64 hash) const {
    u64 first = HashIndex::kNone;
    index.find(hash, [&](u64 position) {
      first = position;
      return true;
    });
    return first;
  }

  Scratch scratch = Scratch::fast();
  std::unique_ptr<Store> store;
  std::shared_ptr<Member> member;
  std::vector<u64> hashes;
  Region& region;
  HashIndex index;
};

TEST(HashIndex, GivesTheCandidateThatFindOffersFirst) {
  for (const u32 buckets : {2u, 512u}) {
    IndexOfHashes subject(buckets);
    std::mt19937_64 random(1);
    for (int i = 0; i < 20000; ++i) subject.add(random());
    u64 wrong = 0;
    for (u64 i = 0; i < subject.hashes.size(); ++i) {
      const u64 candidate = subject.index.candidate(subject.hashes[i]);
      ASSERT_EQ(candidate, subject.first_offer(subject.hashes[i]));
      ASSERT_NE(candidate, HashIndex::kNone);
      wrong += candidate != i;
    }
    EXPECT_LT(wrong, subject.hashes.size() / 20);
    u64 offered = 0;
    for (int i = 0; i < 20000; ++i) offered += subject.index.candidate(random()) != HashIndex::kNone;
    EXPECT_LT(offered, 1000u);
  }
}

TEST(HashIndex, GivesCandidatesFromTheOverflowToo) {
  IndexOfHashes subject(1);
  for (int i = 0; i < 1000; ++i) subject.add(u64{5} << 40);
  ASSERT_GT(subject.index.header().overflow_count, 0u);
  subject.add(u64{1} << 63);
  EXPECT_EQ(subject.index.candidate(u64{1} << 63), 1000u);
  EXPECT_NE(subject.index.candidate(u64{5} << 40), HashIndex::kNone);
  EXPECT_EQ(subject.index.candidate(u64{3} << 40), HashIndex::kNone);
}

TEST(HashIndex, GivesTheBucketsAddressForTheirPagesToBeAskedFor) {
  IndexOfHashes subject(512);
  std::mt19937_64 random(2);
  for (int i = 0; i < 1000; ++i) subject.add(random());
  u64 at_home = 0;
  for (u64 i = 0; i < subject.hashes.size(); ++i) {
    const u8* const bucket = subject.index.bucket_address(subject.hashes[i]);
    ASSERT_GE(bucket, subject.region.data());
    ASSERT_LE(bucket + 64, subject.region.data() + subject.region.size());
    ASSERT_EQ((bucket - subject.region.data()) % 64, 0);
    for (unsigned slot = 0; slot < kSlotsPerBucket; ++slot) {
      at_home += (load<u64>(bucket + slot * 8) & kPositionMask) == i && load<u64>(bucket + slot * 8) != 0;
    }
    subject.index.prefetch(subject.hashes[i]);
  }
  EXPECT_GT(at_home, subject.hashes.size() * 2 / 3);
}

}  // namespace
}  // namespace emd
