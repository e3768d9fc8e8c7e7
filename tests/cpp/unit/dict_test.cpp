// The dict's promises one by one; dict_model_test.cpp compares it with a model, dict_damage_test.cpp breaks it.
#include "model/dict_model.h"

namespace emd {
namespace {

std::string int_key(u64 i) {
  std::string key(5, '\0');
  key[0] = 'i';
  std::memcpy(key.data() + 1, &i, 4);
  return key;
}

TEST(Dict, StartsEmptyInThreePages) {
  DictStore subject;
  EXPECT_EQ(subject.dict->size(), 0u);
  EXPECT_EQ(subject.dict->stats().index_bytes, 3 * kPageSize);
  EXPECT_FALSE(subject.dict->first() || subject.dict->last() || subject.dict->find(as_bytes("x")));
  expect_sound(*subject.dict);
}

TEST(Dict, KeepsTheFirstKeyAndItsAnnexWhenTheValueChanges) {
  DictStore subject;
  EXPECT_TRUE(subject.put("key", "one", "annex"));
  EXPECT_FALSE(subject.put("key", "two", "another"));
  const auto record = subject.dict->find(as_bytes("key"));
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(as_text(record->key), "key");
  EXPECT_EQ(as_text(record->annex), "annex");
  EXPECT_EQ(as_text(record->value), "two");
  expect_sound(*subject.dict);
}

TEST(Dict, VersionChangesWithKeysOnly) {
  DictStore subject;
  const u64 empty = subject.dict->version();
  subject.put("key", "one");
  const u64 one = subject.dict->version();
  EXPECT_NE(one, empty);
  subject.put("key", "two");
  EXPECT_EQ(subject.dict->version(), one);
  subject.erase("key");
  EXPECT_NE(subject.dict->version(), one);
}

TEST(Dict, HoldsEmptyKeysAndValues) {
  DictStore subject;
  subject.put("", "");
  EXPECT_EQ(subject.get(""), "");
  subject.put("", std::string(100, 'x'));
  EXPECT_EQ(subject.get(""), std::string(100, 'x'));
  expect_sound(*subject.dict);
}

// Around the limits of every record class and footer, and far beyond.
TEST(Dict, HoldsKeysValuesAndAnnexesOfAnySize) {
  DictStore subject;
  DictModel model;
  for (const u64 size :
       {0, 5, 6, 7, 40, 45, 46, 47, 255, 256, 2030, 2040, 2050, 65400, 65536, 70000, 1 << 20}) {
    const std::string key(size, 'k'), value(size, 'v');
    subject.put(key, "small", key);
    subject.put("v" + std::to_string(size), value);
    model.put(key, "small");
    model.put("v" + std::to_string(size), value);
    EXPECT_EQ(as_text(subject.dict->find(as_bytes(key))->annex), key);
  }
  model.expect_equal(*subject.dict);
  expect_sound(*subject.dict);
  subject.reopen();
  model.expect_equal(*subject.dict);
  for (const std::string& key : std::list<std::string>(model.order())) EXPECT_TRUE(subject.erase(key));
  expect_sound(*subject.dict);
}

TEST(Dict, AValueMovesToTheHeapAndComesBack) {
  DictStore subject;
  subject.put("a", "tiny");
  subject.put("b", "tiny");
  for (const u64 size : {10, 200, 150, 100000, 3, 50, 0}) {
    subject.put("a", std::string(size, 'x'));
    EXPECT_EQ(subject.get("a"), std::string(size, 'x'));
    expect_sound(*subject.dict);
  }
  EXPECT_EQ(subject.dict->stats().value_bytes, 0u);
  EXPECT_EQ(subject.get("b"), "tiny");
}

TEST(Dict, AnIntToIntRecordTakesSixteenBytes) {
  DictStore subject;
  for (u64 i = 0; i < 1000; ++i) subject.put(int_key(i), "seven b");
  EXPECT_EQ(subject.dict->stats().record_bytes, 16000u);
}

// The oldest goes, a new one comes: the dead front is skipped in one step and given back to the disk.
TEST(Dict, AsAQueueItStaysSmall) {
  DictStore subject;
  constexpr u64 kLength = 1000, kSteps = 400000;
  for (u64 i = 0; i < kLength; ++i) subject.put(int_key(i), "value");
  for (u64 i = 0; i < kSteps; ++i) {
    const auto record = subject.dict->first();
    ASSERT_TRUE(record.has_value());
    ASSERT_EQ(as_text(record->key), int_key(i));
    {
      Operation operation(*subject.store);
      subject.dict->erase(*record);
    }
    subject.put(int_key(kLength + i), "value");
  }
  EXPECT_EQ(subject.dict->size(), kLength);
  EXPECT_EQ(subject.dict->stats().live_record_bytes, kLength * 16);
  EXPECT_LT(subject.dict->stats().index_bytes, 40 * kPageSize);
  expect_sound(*subject.dict);
  subject.store->checkpoint();
  EXPECT_LT(subject.store->stats().disk_bytes, u64{5} << 20);  // 6.4 MB went through the log
  subject.reopen();
  expect_sound(*subject.dict);
  EXPECT_EQ(as_text(subject.dict->first()->key), int_key(kSteps));
}

// What is taken off the end leaves nothing behind.
TEST(Dict, AsAStackItStaysSmall) {
  DictStore subject;
  for (u64 i = 0; i < 1000; ++i) subject.put(int_key(i), "value");
  const u64 bytes = subject.dict->stats().record_bytes;
  for (u64 i = 0; i < 20000; ++i) {
    subject.put(int_key(5000 + i), "value");
    const auto record = subject.dict->last();
    ASSERT_EQ(as_text(record->key), int_key(5000 + i));
    Operation operation(*subject.store);
    subject.dict->erase(*record);
  }
  EXPECT_EQ(subject.dict->stats().record_bytes, bytes);
  while (const auto record = subject.dict->last()) {
    Operation operation(*subject.store);
    subject.dict->erase(*record);
  }
  EXPECT_EQ(subject.dict->stats().record_bytes, 0u);
  expect_sound(*subject.dict);
}

TEST(Dict, ErasingInTheMiddleMakesOneTombstone) {
  DictStore subject;
  for (u64 i = 0; i < 1000; ++i) subject.put(int_key(i), "value");
  std::mt19937 random(7);
  std::vector<u64> keys;
  for (u64 i = 1; i < 999; ++i) keys.push_back(i);
  std::shuffle(keys.begin(), keys.end(), random);
  for (const u64 key : keys) subject.erase(int_key(key));
  expect_sound(*subject.dict);  // no two neighbouring tombstones
  const auto second = subject.dict->next(subject.dict->first()->position);
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(as_text(second->key), int_key(999));
  EXPECT_EQ(as_text(subject.dict->previous(second->position)->key), int_key(0));
}

TEST(Dict, ClearsSmallAndLarge) {
  DictStore subject;
  for (const u64 entries : {10, 5000}) {
    for (u64 i = 0; i < entries; ++i) subject.put(int_key(i), std::string(i % 50, 'v'));
    for (u64 i = 0; i < entries; ++i) subject.put(int_key(i), std::string(i % 90, 'v'));
    {
      Operation operation(*subject.store);
      subject.dict->clear();
    }
    EXPECT_EQ(subject.dict->size(), 0u);
    EXPECT_EQ(subject.dict->stats().record_bytes, 0u);
    EXPECT_EQ(subject.dict->stats().value_bytes, 0u);
    expect_sound(*subject.dict);
    subject.reopen();
    EXPECT_EQ(subject.dict->size(), 0u);
    EXPECT_TRUE(subject.put("again", "value"));
  }
}

TEST(Dict, ARolledBackTransactionLeavesNothing) {
  DictStore subject;
  DictModel model;
  for (u64 i = 0; i < 3000; ++i) {
    subject.put(int_key(i), "old");
    model.put(int_key(i), "old");
  }
  subject.store->begin();
  const u64 version = subject.dict->version();
  for (u64 i = 2000; i < 9000; ++i) subject.put(int_key(i), "a new and longer value");
  for (u64 i = 0; i < 1000; ++i) subject.erase(int_key(i));
  subject.store->rollback();
  EXPECT_NE(subject.dict->version(), version);
  expect_sound(*subject.dict);
  model.expect_equal(*subject.dict);
}

TEST(Dict, AWrongPositionIsDamageAndNotACrash) {
  DictStore subject;
  subject.put("one", "value");
  EXPECT_THROW(subject.dict->next(RecordPos{1}), DamagedError);
  EXPECT_THROW(subject.dict->previous(RecordPos{u64{1} << 61}), DamagedError);
  EXPECT_THROW(subject.dict->next(RecordPos{~u64{0}}), DamagedError);
}

TEST(Dict, ADictOfAnotherStoreIsRefused) {
  DictStore subject;
  subject.put("one", "value");
  {
    Operation operation(*subject.store);
    subject.member->regions[0]->writable_as<IndexHeader>(0)->seed ^= 1;
  }
  EXPECT_THROW(Dict(*subject.store, *subject.member), DamagedError);
}

}  // namespace
}  // namespace emd
