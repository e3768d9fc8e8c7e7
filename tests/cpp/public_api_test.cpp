// A C++ user's program, with the public headers alone.
#include <emd/emd.h>
#include <gtest/gtest.h>

#include "scratch.h"

namespace {

TEST(PublicApi, CountsWordsAndReopens) {
  const Scratch scratch;
  const auto open_counts = [&](emd::Store& store) {
    auto member = store.find("counts");
    if (member == nullptr) member = store.create("counts", emd::Kind::dict, emd::Dict::kRegionCount);
    store.acquire(*member);
    return member;
  };
  {
    const auto store = emd::Store::open(scratch.path());
    const auto member = open_counts(*store);
    emd::Dict counts(*store, *member);
    for (const char* word : {"to", "be", "or", "not", "to", "be"}) {
      const auto found = counts.find(emd::as_bytes(word));
      const emd::u8 count = static_cast<emd::u8>(found ? found->value[0] + 1 : 1);
      const emd::Operation operation(*store);
      counts.put(emd::as_bytes(word), {}, emd::Bytes(&count, 1));
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

}  // namespace
