// A dict whose bytes were changed behind its back: an answer or a DamagedError, never a crash or a hang.
#include "model/dict_model.h"
#include "store/findings.h"

namespace emd {
namespace {

class DictDamageTest : public testing::TestWithParam<unsigned> {
 protected:
  // Every other dict gathers new keys in a delta.
  DictDamageTest() : subject_({8, 64, GetParam() % 2 ? u64{50} : BufferedIndex::kNever}) {
    for (unsigned i = 0; i < kKeys; ++i) subject_.put(key(i), std::string(i % 40, 'v'));
    for (unsigned i = 0; i < kKeys; i += 3) subject_.put(key(i), std::string(i % 90, 'w'));
    for (unsigned i = 0; i < kKeys; i += 5) subject_.erase(key(i));
  }

  static std::string key(u64 i) { return "key" + std::to_string(i); }

  // Everything that is called must come back; what it says is free.
  template <class Call>
  void survive(Call&& call) {
    try {
      call();
    } catch (const DamagedError&) {
      ++refused_;
    }
  }

  void damage(Region& region, unsigned bytes, bool header) {
    Operation operation(*subject_.store);
    for (unsigned i = 0; i < bytes; ++i) {
      const u64 offset = random_() % (header ? std::min<u64>(region.size(), 256) : region.size());
      u8* at = region.writable(offset, 1);
      *at = random_() % 4 == 0 ? 0xff : random_() % 4 == 0 ? 0 : static_cast<u8>(random_());
    }
  }

  void use() {
    Dict& dict = *subject_.dict;
    for (unsigned i = 0; i < 60; ++i) {
      const std::string name = key(random_() % (kKeys + 50));
      survive([&] { dict.find(as_bytes(name)); });
      survive([&] { subject_.put(name, std::string(random_() % 120, 'x'), i % 7 ? "" : "annex"); });
      survive([&] { subject_.erase(key(random_() % kKeys)); });
    }
    survive([&] { walk(dict); });
    survive([&] {
      while (const auto record = dict.last()) {
        Operation operation(*subject_.store);
        dict.erase(*record);
      }
    });
    survive([&] { dict.stats(); });
    Findings findings;
    dict.check(findings);
  }

  void walk(const Dict& dict) {
    u64 steps = 0;
    for (auto record = dict.first(); record; record = dict.next(record->position)) ++steps;
    for (auto record = dict.last(); record; record = dict.previous(record->position)) ++steps;
    EXPECT_LE(steps, 2 * dict.stats().record_bytes / 16 + 2);
  }

  static constexpr unsigned kKeys = 400;
  DictStore subject_;
  std::mt19937_64 random_{GetParam()};
  unsigned refused_ = 0;
};

TEST_P(DictDamageTest, EveryOperationComesBack) {
  unsigned region = GetParam() / 2 % Dict::kRegionCount;
  if (subject_.member->regions[region]->size() == 0) region = 0;
  damage(*subject_.member->regions[region], 1 + static_cast<unsigned>(random_() % 60), GetParam() % 4 < 2);
  use();
}

TEST_P(DictDamageTest, ADamagedDictOpensOrIsRefused) {
  const bool delta = GetParam() % 4 == 1;
  damage(*subject_.member->regions[delta ? 3 : 0], 1 + static_cast<unsigned>(random_() % 4), true);
  try {
    Dict again(*subject_.store, *subject_.member);
    const std::string name = key(1);
    survive([&] { again.find(as_bytes(name)); });
    survive([&] { walk(again); });
  } catch (const DamagedError&) {
  } catch (const FormatError&) {
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, DictDamageTest, testing::Range(0u, 160u));

// A changed byte of a key, a tag or a count does not pass check().
TEST(DictCheck, FindsWhatWasPlanted) {
  const auto plant = [](unsigned region, u64 offset, auto change) {
    DictStore subject;
    for (unsigned i = 0; i < 100; ++i) subject.put("key" + std::to_string(i), "value");
    for (unsigned i = 40; i < 60; ++i) subject.erase("key" + std::to_string(i));
    subject.put("key1", std::string(500, 'v'));
    expect_sound(*subject.dict);
    {
      Operation operation(*subject.store);
      change(*subject.member->regions[region]->writable_as<u64>(offset));
    }
    Findings findings;
    subject.dict->check(findings);
    return findings.size();
  };
  const auto flip = [](u64& word) { word ^= u64{1} << 33; };
  const auto add = [](u64& word) { word += 1; };
  EXPECT_GT(plant(1, 0, flip), 0u);                                  // a key
  EXPECT_GT(plant(1, 40 * 16, [](u64& word) { word += 512; }), 0u);  // the tombstone's length
  EXPECT_GT(plant(0, offsetof(IndexHeader, count), add), 0u);
  EXPECT_GT(plant(0, offsetof(IndexHeader, log) + 8, add), 0u);  // dead bytes
  EXPECT_GT(plant(0, offsetof(IndexHeader, pages), add), 0u);    // free pages
  EXPECT_GT(plant(0, PageMap::kBitsOffset, [](u64& word) { word &= ~u64{4}; }),
            0u);                                                                // a page in use called free
  EXPECT_GT(plant(0, kPageSize, [](u64& word) { word |= u64{1} << 50; }), 0u);  // a directory entry
  EXPECT_GT(plant(2, kPageSize, [](u64& word) { word ^= u64{0xFA} << 56; }), 0u);  // a live block called free
}

// Each record of a dict whose index is empty is a finding: a list of all would take many times the memory of the dict.
TEST(DictCheck, ListsSoManyFindingsAndNoMore) {
  DictStore subject;
  for (u64 i = 0; i < kMostFindings + 1000; ++i) subject.put(std::to_string(i), "");
  {
    const Operation operation(*subject.store);
    Region& index = *subject.member->regions[0];
    Region::Rewrite empty = index.rewrite(HashIndex::kEmptyBytes);
    HashIndex::format(empty.data(), 512, 64, subject.store->seed());
    // The log stays as long as it is.
    store(empty.data() + offsetof(IndexHeader, log), load<IndexHeader>(index.data()).log);
    index.finish(std::move(empty));
  }
  Findings findings;
  subject.dict->check(findings);
  EXPECT_GE(findings.size(), kMostFindings);
  EXPECT_LT(findings.size(), kMostFindings + 10);
}

}  // namespace
}  // namespace emd
