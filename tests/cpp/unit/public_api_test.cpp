// A C++ user's program, with the public headers alone.
#include <emd/emd.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "structures/dict/dict.h"
#include "support/scratch.h"

namespace {

std::shared_ptr<emd::Member> open_counts(emd::Store& store) {
  auto member = store.find("counts");
  if (member == nullptr) member = store.create("counts", emd::Dict::kKind, emd::Dict::kRegionCount);
  store.acquire(*member);
  return member;
}

void put(emd::Store& store, emd::Dict& counts, std::string_view word, emd::u8 count) {
  const emd::Operation operation(store);
  counts.put(emd::as_bytes(word), {}, emd::Bytes(&count, 1));
}

TEST(PublicApi, CountsWordsAndReopens) {
  const Scratch scratch;
  {
    const auto store = emd::Store::open(scratch.path());
    const auto member = open_counts(*store);
    emd::Dict counts(*store, *member);
    for (const char* word : {"to", "be", "or", "not", "to", "be"}) {
      const auto found = counts.find(emd::as_bytes(word));
      put(*store, counts, word, static_cast<emd::u8>(found ? found->value[0] + 1 : 1));
    }
    store->commit();
  }
  const auto store = emd::Store::open(scratch.path());
  const auto member = open_counts(*store);
  const emd::Dict counts(*store, *member);
  EXPECT_EQ(counts.size(), 4u);
  EXPECT_EQ(counts.find(emd::as_bytes("be"))->value[0], 2);
  EXPECT_EQ(emd::as_text(counts.first()->key), "to");
  EXPECT_FALSE(counts.find(emd::as_bytes("that")));
}

TEST(PublicApi, CompactsAndBacksUp) {
  const Scratch scratch;
  const std::string path = scratch.path("words"), copy = scratch.path("copy");
  {
    const auto store = emd::Store::open(path);
    const auto member = open_counts(*store);
    emd::Dict counts(*store, *member);
    for (emd::u8 i = 0; i < 100; ++i) put(*store, counts, std::string(50, 'w') + std::to_string(i), i);
    for (int i = 0; i < 99; ++i) {
      const emd::Operation operation(*store);
      counts.erase(emd::as_bytes(std::string(50, 'w') + std::to_string(i)));
    }
    const emd::u64 wide = counts.stats().record_bytes;
    emd::compact(*store, *member, {});
    EXPECT_LT(counts.stats().record_bytes, wide);
    emd::backup(path, copy, {}, {});
  }
  const auto store = emd::Store::open(copy);
  const auto member = open_counts(*store);
  const emd::Dict counts(*store, *member);
  EXPECT_EQ(counts.size(), 1u);
  EXPECT_EQ(counts.first()->value[0], 99);
}

}  // namespace
