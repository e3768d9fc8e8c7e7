// The delta index of a dict: what gathers, when it is merged, and that nothing else shows.
#include <algorithm>

#include "model/dict_model.h"

namespace emd {
namespace {

std::string key(u64 i) { return "key" + std::to_string(i); }

void fill(DictStore& subject, DictModel& model, u64 first, u64 count) {
  for (u64 i = first; i < first + count; ++i) {
    model.put(key(i), std::to_string(i));
    subject.put(key(i), std::to_string(i));
  }
}

TEST(BufferedIndex, GathersUpToItsLimitAndMergesARangeAtATime) {
  DictStore subject({8, 64, 500});
  DictModel model;
  fill(subject, model, 0, 500);
  EXPECT_EQ(subject.dict->stats().delta_entries, 500u);
  u64 least = 500, most = 0;
  for (u64 i = 500; i < 20000; ++i) {
    fill(subject, model, i, 1);
    least = std::min(least, subject.dict->stats().delta_entries);
    most = std::max(most, subject.dict->stats().delta_entries);
  }
  EXPECT_LE(most, 501u);
  EXPECT_GE(least, 350u);  // a segment of eight buckets at a time
  expect_sound(*subject.dict);
  model.expect_equal(*subject.dict);
}

TEST(BufferedIndex, AnEntryIsFoundReplacedAndErasedWhereverItIs) {
  DictStore subject({8, 64, 200});
  DictModel model;
  fill(subject, model, 0, 3000);
  for (u64 i = 0; i < 3000; i += 3) {
    model.put(key(i), "another");
    EXPECT_FALSE(subject.put(key(i), "another"));
  }
  for (u64 i = 0; i < 3000; i += 2) {
    EXPECT_TRUE(subject.erase(key(i)));
    EXPECT_FALSE(subject.erase(key(i)));
    model.erase(key(i));
  }
  fill(subject, model, 2000, 500);
  expect_sound(*subject.dict);
  model.expect_equal(*subject.dict);
}

TEST(BufferedIndex, IsKeptOverCloseAndGoesOnFromThere) {
  DictStore subject({8, 64, 300});
  DictModel model;
  for (u64 round = 0; round < 8; ++round) {
    fill(subject, model, round * 700, 700);
    const u64 gathered = subject.dict->stats().delta_entries;
    subject.reopen();
    EXPECT_EQ(subject.dict->stats().delta_entries, gathered);
    EXPECT_GT(gathered, 200u);
    model.expect_equal(*subject.dict);
  }
  expect_sound(*subject.dict);
}

TEST(BufferedIndex, ARollbackUndoesMergesToo) {
  DictStore subject({4, 64, 100});
  DictModel model;
  fill(subject, model, 0, 1000);
  subject.store->begin();
  for (u64 i = 1000; i < 3000; ++i) subject.put(key(i), "gone");
  for (u64 i = 0; i < 1000; i += 2) subject.erase(key(i));
  subject.store->rollback();
  expect_sound(*subject.dict);
  model.expect_equal(*subject.dict);
  fill(subject, model, 1000, 2000);  // keys that a filter must not hold for known, nor for absent
  fill(subject, model, 0, 1000);
  expect_sound(*subject.dict);
  model.expect_equal(*subject.dict);
}

TEST(BufferedIndex, ClearEmptiesBothAndTheFilter) {
  DictStore subject({8, 64, 100});
  DictModel model;
  fill(subject, model, 0, 2000);
  EXPECT_GT(subject.dict->stats().filter_bytes, 0u);
  {
    Operation operation(*subject.store);
    subject.dict->clear();
  }
  model.clear();
  EXPECT_EQ(subject.dict->stats().delta_entries, 0u);
  EXPECT_EQ(subject.dict->stats().filter_bytes, 0u);
  fill(subject, model, 1000, 500);
  expect_sound(*subject.dict);
  model.expect_equal(*subject.dict);
}

// A dict that is large against the budget begins to gather, and a larger budget makes it merge what it has.
TEST(BufferedIndex, TheBudgetSaysWhetherToGather) {
  const u64 usual = memory_budget();
  DictStore subject;
  DictModel model;
  fill(subject, model, 0, 5000);
  EXPECT_EQ(subject.dict->stats().delta_entries, 0u);
  set_memory_budget(u64{1} << 20);
  fill(subject, model, 5000, 40000);
  EXPECT_GT(subject.dict->stats().delta_entries, 2000u);
  EXPECT_LE(subject.dict->stats().delta_entries, 8192u);
  set_memory_budget(usual);
  fill(subject, model, 45000, 60000);
  EXPECT_EQ(subject.dict->stats().delta_entries, 0u);
  expect_sound(*subject.dict);
  model.expect_equal(*subject.dict);
}

// The index knows some bits of a hash only. What it does with them shows when the delta is deep and the main index
// flat, and the other way round.
TEST(BufferedIndex, KnownBitsOfHashesAreEnoughAtAnyDepth) {
  for (const u64 limit : {1, 64, 1000, 8000}) {
    DictStore subject({1, 64, limit});
    DictModel model;
    fill(subject, model, 0, 12000);
    expect_sound(*subject.dict);
    model.expect_equal(*subject.dict);
  }
}

}  // namespace
}  // namespace emd
