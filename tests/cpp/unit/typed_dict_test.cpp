// The typed dict: its promises one by one, against a model, and with bytes changed behind its back.
#include "structures/typed_dict/sweep.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "algorithms/compact/compact.h"
#include "model/dict_model.h"
#include "store/findings.h"
#include "structures/typed_dict/typed_dict.h"
#include "support/scratch.h"

namespace emd {
namespace {

TypedDict::Layout layout_of(u32 key_bytes, u32 value_bytes, u32 segment_buckets = 512, u32 hash_bits = 64,
                            u64 delta_limit = BufferedIndex::kAutomatic) {
  TypedDict::Layout layout;
  layout.key_bytes = key_bytes;
  layout.value_bytes = value_bytes;
  layout.value_offset = static_cast<u32>(round_up(key_bytes, 4));
  layout.row_bytes = static_cast<u32>(round_up(layout.value_offset + value_bytes, 4));
  layout.key_text = "the keys' type";
  if (value_bytes != 0) layout.value_text = "the values'";
  layout.max_segment_buckets = segment_buckets;
  layout.hash_bits = hash_bits;
  layout.delta_limit = delta_limit;
  return layout;
}

// Bytes of a number, of any size: what is longer repeats it.
std::string bytes_of(u64 number, u32 size) {
  std::string bytes(size, '\0');
  for (u32 i = 0; i < size; ++i) bytes[i] = static_cast<char>(number >> (8 * (i % 8)) ^ (i / 8) * 91);
  return bytes;
}

// A store in a directory of its own with one typed dict in it.
class TypedStore {
 public:
  explicit TypedStore(const TypedDict::Layout& layout = layout_of(8, 8)) : layout_(layout) {
    options.commit_interval_seconds = -1;
    store = Store::open(scratch.path(), options);
    open();
  }
  ~TypedStore() {
    dict.reset();
    if (store) store->close();
  }
  void open() {
    member = store->find("t");
    if (member == nullptr) member = store->create("t", TypedDict::kKind, TypedDict::kRegionCount);
    store->acquire(*member);
    dict = std::make_unique<TypedDict>(*store, *member, layout_);
  }
  void reopen() {
    dict.reset();
    store->release(*member);
    store->close();
    store = Store::open(scratch.path(), options);
    open();
  }

  std::string key(u64 i) const { return bytes_of(i, layout_.key_bytes); }
  std::string value(u64 i) const { return bytes_of(i * 7 + 1, layout_.value_bytes); }
  static const u8* raw(const std::string& bytes) { return reinterpret_cast<const u8*>(bytes.data()); }
  bool put(const std::string& k, const std::string& v) {
    const Operation operation(*store);
    return dict->put(raw(k), raw(v));
  }
  bool put(u64 k, u64 v) { return put(key(k), value(v)); }
  bool erase(const std::string& k) {
    const Operation operation(*store);
    return dict->erase(raw(k));
  }
  bool erase(u64 k) { return erase(key(k)); }
  std::optional<std::string> get(const std::string& k) const {
    const u64 row = dict->find(raw(k));
    if (row == TypedDict::kNone) return std::nullopt;
    return std::string(reinterpret_cast<const char*>(dict->value_at(row)), layout_.value_bytes);
  }
  std::string key_at(u64 row) const {
    return std::string(reinterpret_cast<const char*>(dict->key_at(row)), layout_.key_bytes);
  }

  Scratch scratch = Scratch::fast();
  StoreOptions options;
  std::unique_ptr<Store> store;
  std::shared_ptr<Member> member;
  std::unique_ptr<TypedDict> dict;

 private:
  TypedDict::Layout layout_;
};

void expect_sound(const TypedDict& dict) {
  Findings findings;
  dict.check(findings);
  for (const Finding& finding : findings) ADD_FAILURE() << finding.where << ": " << finding.what;
}

// Same entries, same order from both ends, each found by its key.
void expect_equal(const DictModel& model, const TypedStore& subject) {
  const TypedDict& dict = *subject.dict;
  ASSERT_EQ(dict.size(), model.size());
  u64 row = dict.first_live();
  for (const std::string& key : model.order()) {
    ASSERT_NE(row, TypedDict::kNone);
    ASSERT_EQ(subject.key_at(row), key);
    ASSERT_EQ(subject.get(key), *model.find(key));
    row = dict.next_live(row + 1);
  }
  ASSERT_EQ(row, TypedDict::kNone);
  row = dict.last_live();
  for (auto key = model.order().rbegin(); key != model.order().rend(); ++key, row = dict.previous_live(row)) {
    ASSERT_NE(row, TypedDict::kNone);
    ASSERT_EQ(subject.key_at(row), *key);
  }
  ASSERT_EQ(row, TypedDict::kNone);
  expect_sound(dict);
}

// ---- promises

TEST(TypedDict, StartsEmptyAndKeepsItsTypes) {
  TypedStore subject(layout_of(5, 3));
  EXPECT_EQ(subject.dict->size(), 0u);
  EXPECT_EQ(subject.dict->first_live(), TypedDict::kNone);
  EXPECT_EQ(subject.dict->last_live(), TypedDict::kNone);
  subject.reopen();
  const TypedDict::Layout layout = subject.dict->layout();
  EXPECT_EQ(layout.key_bytes, 5u);
  EXPECT_EQ(layout.value_offset, 8u);
  EXPECT_EQ(layout.row_bytes, 12u);
  EXPECT_EQ(layout.key_text, "the keys' type");
  EXPECT_EQ(layout.value_text, "the values'");
  expect_sound(*subject.dict);
}

TEST(TypedDict, KeepsTextsLongerThanAPage) {
  TypedDict::Layout layout = layout_of(8, 8);
  layout.value_text.assign(10000, 'x');
  TypedStore subject(layout);
  subject.put(1, 2);
  subject.reopen();
  EXPECT_EQ(subject.dict->layout().value_text.size(), 10000u);
  EXPECT_EQ(subject.get(subject.key(1)), subject.value(2));
  expect_sound(*subject.dict);
}

TEST(TypedDict, RefusesRowsThatCannotBe) {
  TypedDict::Layout layout = layout_of(8, 8);
  EXPECT_TRUE(TypedDict::is_possible(layout));
  layout.value_offset = 7;
  EXPECT_FALSE(TypedDict::is_possible(layout));
  layout = layout_of(8, 8);
  layout.row_bytes = 15;
  EXPECT_FALSE(TypedDict::is_possible(layout));
  layout = layout_of(8, TypedDict::kMaxRowBytes);
  EXPECT_FALSE(TypedDict::is_possible(layout));
  EXPECT_FALSE(TypedDict::is_possible(layout_of(0, 8)));
}

TEST(TypedDict, VersionChangesWithKeysOnly) {
  TypedStore subject;
  const u64 empty = subject.dict->version();
  subject.put(1, 1);
  const u64 one = subject.dict->version();
  EXPECT_NE(one, empty);
  subject.put(1, 2);
  EXPECT_EQ(subject.dict->version(), one);
  subject.erase(1);
  EXPECT_NE(subject.dict->version(), one);
  const u64 erased = subject.dict->version();
  for (u64 i = 0; i < 100; ++i) subject.put(i, i);
  {
    const Operation operation(*subject.store);
    subject.dict->clear();
  }
  EXPECT_GT(subject.dict->version(), erased + 100);
}

TEST(TypedDict, CutsOffADeadEnd) {
  TypedStore subject;
  for (u64 i = 0; i < 300; ++i) subject.put(i, i);
  for (u64 i = 100; i < 299; ++i) subject.erase(i);
  EXPECT_EQ(subject.dict->row_count(), 300u);
  EXPECT_EQ(subject.dict->dead_count(), 199u);
  subject.erase(299);
  EXPECT_EQ(subject.dict->row_count(), 100u);
  EXPECT_EQ(subject.dict->dead_count(), 0u);
  expect_sound(*subject.dict);
  subject.put(1000, 1);  // where a dead row was
  EXPECT_EQ(subject.key_at(subject.dict->last_live()), subject.key(1000));
  expect_sound(*subject.dict);
}

// Rows of 64 KiB: 16 in a block that is given back.
TEST(TypedDict, GivesDeadBlocksBackAndNeverWritesThemAgain) {
  TypedStore subject(layout_of(8, (u32{1} << 16) - 8));
  for (u64 i = 0; i < 100; ++i) subject.put(i, i);
  subject.store->commit();
  for (u64 i = 0; i < 99; ++i) subject.erase(i);
  subject.store->commit();
  EXPECT_GT(subject.store->region_stats(*subject.member)[1].awaiting_bytes, u64{3} << 20);
  subject.erase(99);
  // The block of the last dead rows was given back: the end is not cut before it.
  EXPECT_GT(subject.dict->row_count(), 0u);
  EXPECT_EQ(subject.dict->size(), 0u);
  expect_sound(*subject.dict);
  const u64 end = subject.dict->row_count();
  subject.put(7, 7);
  EXPECT_EQ(subject.dict->first_live(), end);
  subject.store->checkpoint();
  expect_sound(*subject.dict);
  EXPECT_EQ(subject.get(subject.key(7)), subject.value(7));
  subject.erase(7);
  EXPECT_EQ(subject.dict->row_count(), end);
  subject.reopen();
  expect_sound(*subject.dict);
}

TEST(TypedDict, FindsTheFrontOfAQueueAtOnce) {
  TypedStore subject;
  u64 front = 0;
  for (u64 i = 0; i < 5000; ++i) {
    subject.put(i, i);
    if (i % 2 == 1) subject.erase(front++);
    ASSERT_EQ(subject.key_at(subject.dict->first_live()), subject.key(front));
  }
  expect_sound(*subject.dict);
}

TEST(TypedDict, IsCompactedInPlace) {
  TypedStore subject;
  DictModel model;
  for (u64 i = 0; i < 3000; ++i) {
    subject.put(i, i);
    model.put(subject.key(i), subject.value(i));
  }
  for (u64 i = 0; i < 3000; i += 3) {
    subject.erase(i);
    model.erase(subject.key(i));
  }
  const u64 version = subject.dict->version();
  compact(*subject.store, *subject.member, nullptr);
  EXPECT_EQ(subject.dict->row_count(), 2000u);
  EXPECT_GT(subject.dict->version(), version);
  expect_equal(model, subject);
  compact_to(*subject.store, subject.scratch.path("copy"), nullptr);
  const auto copy = Store::open(subject.scratch.path("copy"));
  const auto member = copy->find("t");
  copy->acquire(*member);
  EXPECT_EQ(TypedDict(*copy, *member).size(), 2000u);
}

TEST(TypedDict, IsRolledBack) {
  TypedStore subject;
  DictModel model;
  for (u64 i = 0; i < 500; ++i) {
    subject.put(i, i);
    model.put(subject.key(i), subject.value(i));
  }
  subject.store->begin();
  for (u64 i = 0; i < 500; i += 2) subject.erase(i);
  for (u64 i = 400; i < 900; ++i) subject.put(i, i + 1);
  subject.store->rollback();
  expect_equal(model, subject);
}

// The delta index is BufferedIndex's; here only that rows, the filter of their keys and the delta go together.
TEST(TypedDict, GathersEntriesInTheDeltaAndTellsNewKeys) {
  TypedStore subject(layout_of(8, 8, 8, 64, 300));
  DictModel model;
  const auto put = [&](u64 i) {
    model.put(subject.key(i), subject.value(i));
    EXPECT_TRUE(subject.put(i, i));
  };
  for (u64 i = 0; i < 3000; ++i) put(i);
  EXPECT_GT(subject.dict->stats().delta_entries, 200u);
  EXPECT_GT(subject.dict->stats().filter_bytes, 0u);
  for (u64 i = 2000; i < 3000; ++i) {  // the end is cut off, and its keys come again
    EXPECT_TRUE(subject.erase(i));
    model.erase(subject.key(i));
  }
  for (u64 i = 2500; i < 4000; ++i) put(i);
  subject.reopen();
  for (u64 i = 4000; i < 4100; ++i) put(i);  // the filter knows the rows again after these
  for (u64 i = 0; i < 2000; ++i) EXPECT_FALSE(subject.put(i, i));
  expect_equal(model, subject);
  subject.store->begin();
  {
    const Operation operation(*subject.store);
    subject.dict->clear();
  }
  for (u64 i = 10000; i < 10050; ++i) subject.put(i, i);
  subject.store->rollback();
  for (u64 i = 0; i < 2000; ++i) EXPECT_FALSE(subject.put(i, i));
  expect_equal(model, subject);
}

// As when the process died between the commits of the member and of its layout.
TEST(TypedDict, KnowsWhenARollbackHasTakenItsLayoutBack) {
  TypedStore subject;
  const auto member = subject.store->create("u", TypedDict::kKind, TypedDict::kRegionCount);
  subject.store->acquire(*member);
  subject.store->commit();
  subject.store->begin();
  TypedDict dict(*subject.store, *member, layout_of(8, 8));
  EXPECT_TRUE(dict.laid_out());
  subject.store->rollback();
  EXPECT_FALSE(dict.laid_out());
  subject.store->release(*member);
}

// ---- batches against single calls

// As find_many(), in the order of index and rows.
u64 sweep(const TypedDict& dict, const u8* keys, u64 count, u8* out, u8* found, const u8* missing) {
  TypedDict::Sweep sweep(dict, keys, count);
  for (u64 at = 0; at < count;) at = sweep.name_rows(dict, at);
  sweep.turn();
  u64 hits = 0;
  for (u64 at = 0, here = 0; at < count; hits += here)
    at = sweep.take_values(dict, at, out, found, missing, here);
  return hits;
}

class TypedBatchTest : public testing::TestWithParam<TypedDict::Layout> {
 protected:
  TypedBatchTest() : subject_(GetParam()) {}
  std::string keys(const std::vector<u64>& numbers) const {
    std::string all;
    for (const u64 i : numbers) all += subject_.key(i);
    return all;
  }
  TypedStore subject_;
};

TEST_P(TypedBatchTest, DoWhatSingleCallsDo) {
  const u32 value_bytes = GetParam().value_bytes;
  std::mt19937_64 random(5);
  DictModel model;
  for (int round = 0; round < 30; ++round) {
    std::vector<u64> numbers(random() % 300);
    for (u64& number : numbers) number = random() % 200;
    const std::string all = keys(numbers);
    std::string values;
    for (const u64 number : numbers) values += subject_.value(number + static_cast<u64>(round));
    {
      const Operation operation(*subject_.store);
      subject_.dict->put_many(TypedStore::raw(all), TypedStore::raw(values), numbers.size());
    }
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      model.put(subject_.key(numbers[i]), values.substr(i * value_bytes, value_bytes));
    }
    expect_equal(model, subject_);

    for (u64& number : numbers) number = random() % 260;
    const std::string wanted = keys(numbers);
    const std::string missing(value_bytes, '\x5a');
    std::string out(numbers.size() * value_bytes, '?'), found(numbers.size(), '?');
    std::string contained = found;
    u64 hits = 0;
    for (const u64 number : numbers) hits += model.find(subject_.key(number)) != nullptr;
    ASSERT_EQ(
        subject_.dict->find_many(TypedStore::raw(wanted), numbers.size(), reinterpret_cast<u8*>(out.data()),
                                 reinterpret_cast<u8*>(found.data()), TypedStore::raw(missing)),
        hits);
    ASSERT_EQ(subject_.dict->contains_many(TypedStore::raw(wanted), numbers.size(),
                                           reinterpret_cast<u8*>(contained.data())),
              hits);
    ASSERT_EQ(contained, found);
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      const std::string* const value = model.find(subject_.key(numbers[i]));
      ASSERT_EQ(found[i] != 0, value != nullptr);
      ASSERT_EQ(out.substr(i * value_bytes, value_bytes), value ? *value : missing);
    }
    std::string swept(out.size(), '!'), swept_found(found.size(), '!');
    ASSERT_EQ(
        sweep(*subject_.dict, TypedStore::raw(wanted), numbers.size(), reinterpret_cast<u8*>(swept.data()),
              reinterpret_cast<u8*>(swept_found.data()), TypedStore::raw(missing)),
        hits);
    ASSERT_EQ(swept, out);
    ASSERT_EQ(swept_found, found);

    numbers.resize(numbers.size() / 3);  // some of them twice
    const std::string removed = keys(numbers);
    {
      const Operation operation(*subject_.store);
      subject_.dict->erase_many(TypedStore::raw(removed), numbers.size(), reinterpret_cast<u8*>(out.data()),
                                reinterpret_cast<u8*>(found.data()), nullptr);
    }
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      const std::string* const value = model.find(subject_.key(numbers[i]));
      ASSERT_EQ(found[i] != 0, value != nullptr);
      if (value) {
        ASSERT_EQ(out.substr(i * value_bytes, value_bytes), *value);
      }
      model.erase(subject_.key(numbers[i]));
    }
    expect_equal(model, subject_);
  }
}

INSTANTIATE_TEST_SUITE_P(Of, TypedBatchTest,
                         testing::Values(layout_of(8, 8, 16), layout_of(4, 4, 16), layout_of(16, 8, 16),
                                         layout_of(1, 1, 16), layout_of(13, 100, 16),
                                         layout_of(8, 8, 4, 64, 40), layout_of(8, 0, 16),
                                         layout_of(3, 0, 16)));

template <class T>
void expect_sums(TypedDict::Number number) {
  TypedStore subject(layout_of(8, sizeof(T)));
  std::map<u64, T> model;
  std::mt19937_64 random(3);
  for (int round = 0; round < 20; ++round) {
    std::vector<u64> keys(200);
    std::vector<T> deltas(200);
    for (std::size_t i = 0; i < keys.size(); ++i) {
      keys[i] = random() % 70;
      deltas[i] = static_cast<T>(random() % 1000);
      model[keys[i]] = static_cast<T>(model[keys[i]] + deltas[i]);
    }
    const Operation operation(*subject.store);
    subject.dict->add_many(reinterpret_cast<const u8*>(keys.data()),
                           reinterpret_cast<const u8*>(deltas.data()), keys.size(), number);
  }
  ASSERT_EQ(subject.dict->size(), model.size());
  for (const auto& [key, sum] : model) {
    const u64 row = subject.dict->find(reinterpret_cast<const u8*>(&key));
    ASSERT_NE(row, TypedDict::kNone);
    ASSERT_EQ(load<T>(subject.dict->value_at(row)), sum);
  }
  expect_sound(*subject.dict);
}

TEST(TypedDict, AddsNumbersAndIntegersWrap) {
  expect_sums<u8>(TypedDict::Number::integer8);
  expect_sums<u16>(TypedDict::Number::integer16);
  expect_sums<u32>(TypedDict::Number::integer32);
  expect_sums<u64>(TypedDict::Number::integer64);
  expect_sums<float>(TypedDict::Number::float32);
  expect_sums<double>(TypedDict::Number::float64);
}

// ---- random operations

// One batch in which segments grow, split and overflow while keys of a block wait for their turn, and keys come twice.
void put_many_that_grow(const TypedDict::Layout& layout) {
  TypedStore subject(layout);
  DictModel model;
  std::mt19937_64 random(7);
  std::string keys, values;
  constexpr u64 kKeys = 6000;
  for (u64 i = 0; i < kKeys; ++i) {
    const u64 number = i % 5 == 4 ? i - random() % 9 % (i + 1) : i;  // often one of the same block
    keys += subject.key(number);
    values += subject.value(i);
    model.put(subject.key(number), subject.value(i));
  }
  u64 inserted = 0;
  {
    const Operation operation(*subject.store);
    inserted = subject.dict->put_many(TypedStore::raw(keys), TypedStore::raw(values), kKeys);
  }
  EXPECT_EQ(inserted, model.size());
  EXPECT_EQ(subject.dict->version(), model.size());
  expect_equal(model, subject);
  subject.store->commit();
  subject.reopen();
  expect_equal(model, subject);
}

TEST(TypedDict, ABatchOfNewKeysGrowsTheIndexUnderIt) { put_many_that_grow(layout_of(8, 8, 8)); }
TEST(TypedDict, ABatchOfNewKeysGrowsTheIndexUnderItOfOddSizes) { put_many_that_grow(layout_of(5, 3, 16)); }
TEST(TypedDict, ABatchOfNewKeysGoesThroughTheDelta) { put_many_that_grow(layout_of(8, 8, 8, 64, 40)); }
TEST(TypedDict, ABatchOfNewKeysOverflowsTheIndex) { put_many_that_grow(layout_of(8, 8, 8, 5)); }

class TypedModelTest : public testing::TestWithParam<TypedDict::Layout> {};

TEST_P(TypedModelTest, BehavesAsTheModel) {
  const char* const given = std::getenv("TYPED_SEED");
  const u64 seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  SCOPED_TRACE("TYPED_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  TypedStore subject(GetParam());
  DictModel model;
  const u64 range = GetParam().key_bytes == 1 ? 200 : 1500;
  for (int step = 0; step < 6000; ++step) {
    const u64 number = random() % range;
    const u64 what = random() % 100;
    const u64 erasing = step / 1000 % 2 == 0 ? 25 : 60;  // growing, then shrinking
    if (what < erasing) {
      ASSERT_EQ(subject.erase(number), model.erase(subject.key(number)));
    } else if (what < erasing + 3) {
      const u64 row = what % 2 == 0 ? subject.dict->last_live() : subject.dict->first_live();
      if (row == TypedDict::kNone) continue;
      model.erase(subject.key_at(row));
      const Operation operation(*subject.store);
      subject.dict->erase_row(row);
    } else {
      subject.put(number, random() % 1000);
      model.put(subject.key(number), *subject.get(subject.key(number)));
    }
    if (step % 1000 == 500) subject.reopen();
    if (step % 1500 == 700) subject.store->commit();
    if (step % 2500 == 2400) {
      const Operation operation(*subject.store);
      subject.dict->clear();
      model.clear();
    }
    if (step % 300 == 0) expect_equal(model, subject);
  }
  expect_equal(model, subject);
}

INSTANTIATE_TEST_SUITE_P(Of, TypedModelTest,
                         testing::Values(layout_of(8, 8), layout_of(8, 8, 1), layout_of(8, 8, 4, 3),
                                         layout_of(8, 8, 4, 64, 100), layout_of(8, 8, 2, 5, 60),
                                         layout_of(1, 1, 2), layout_of(24, 40, 8), layout_of(8, 30000, 8),
                                         layout_of(8, 0), layout_of(5, 0, 2, 5, 60)));

// ---- damage

class TypedDamageTest : public testing::TestWithParam<unsigned> {
 protected:
  TypedDamageTest() : subject_(layout_of(8, 8, 8, 64, GetParam() % 8 < 4 ? BufferedIndex::kNever : 50)) {
    for (u64 i = 0; i < kKeys; ++i) subject_.put(i, i);
    for (u64 i = 0; i < kKeys; i += 5) subject_.erase(i);
  }
  // Everything that is called must come back; what it says is free.
  template <class Call>
  void survive(Call&& call) {
    try {
      call();
    } catch (const DamagedError&) {
    } catch (const SystemError&) {  // a row number too large to grow to
    }
  }
  void damage(Region& region, unsigned bytes, bool header) {
    if (region.size() == 0) return;
    const Operation operation(*subject_.store);
    for (unsigned i = 0; i < bytes; ++i) {
      const u64 offset = random_() % (header ? std::min<u64>(region.size(), 128) : region.size());
      u8* at = region.writable(offset, 1);
      *at = random_() % 4 == 0 ? 0xff : random_() % 4 == 0 ? 0 : static_cast<u8>(random_());
    }
  }
  void use() {
    TypedDict& dict = *subject_.dict;
    std::vector<u64> keys(100);
    std::vector<u64> out(100);
    for (int i = 0; i < 40; ++i) {
      for (u64& key : keys) key = random_() % (kKeys + 50);
      const auto* const raw = reinterpret_cast<const u8*>(keys.data());
      auto* const to = reinterpret_cast<u8*>(out.data());
      survive([&] { dict.find_many(raw, keys.size(), to, nullptr, nullptr); });
      survive([&] { sweep(dict, raw, keys.size(), to, nullptr, nullptr); });
      survive([&] { subject_.put(random_() % kKeys, 1); });
      survive([&] { subject_.erase(random_() % kKeys); });
      const Operation operation(*subject_.store);
      survive([&] { dict.put_many(raw, raw, keys.size()); });
      survive([&] { dict.erase_many(raw, 10, to, nullptr, nullptr); });
      survive([&] { dict.add_many(raw, raw, 20, TypedDict::Number::integer64); });
    }
    survive([&] {
      u64 steps = 0;
      for (u64 row = dict.first_live(); row != TypedDict::kNone; row = dict.next_live(row + 1)) ++steps;
      for (u64 row = dict.last_live(); row != TypedDict::kNone; row = dict.previous_live(row)) ++steps;
      EXPECT_LE(steps, 2 * dict.row_count());
    });
    survive([&] {
      for (u64 row = dict.last_live(); row != TypedDict::kNone; row = dict.last_live()) {
        const Operation operation(*subject_.store);
        dict.erase_row(row);
      }
    });
    survive([&] { dict.layout(); });
    survive([&] { dict.stats(); });
    Findings findings;
    dict.check(findings);
  }

  static constexpr u64 kKeys = 400;
  TypedStore subject_;
  std::mt19937_64 random_{GetParam()};
};

TEST_P(TypedDamageTest, EveryOperationComesBack) {
  damage(*subject_.member->regions[GetParam() % 4], 1 + static_cast<unsigned>(random_() % 40),
         GetParam() % 2);
  use();
}

TEST_P(TypedDamageTest, ADamagedDictOpensOrIsRefused) {
  damage(*subject_.member->regions[GetParam() % 4], 1 + static_cast<unsigned>(random_() % 4), true);
  survive([&] {
    try {
      TypedDict again(*subject_.store, *subject_.member);
      const u64 key = 1;
      survive([&] { again.find(reinterpret_cast<const u8*>(&key)); });
      Findings findings;
      again.check(findings);
    } catch (const FormatError&) {
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Of, TypedDamageTest, testing::Range(0u, 90u));

TEST(TypedDict, CheckFindsWhatContradictsItself) {
  const auto finds = [](const char* what, auto&& spoil) {
    TypedStore subject;
    for (u64 i = 0; i < 100; ++i) subject.put(i, i);
    for (u64 i = 10; i < 20; ++i) subject.erase(i);
    expect_sound(*subject.dict);
    {
      const Operation operation(*subject.store);
      spoil(subject);
    }
    Findings findings;
    subject.dict->check(findings);
    EXPECT_FALSE(findings.empty()) << what;
  };
  const auto header = [](TypedStore& subject) {
    return subject.member->regions[1]->writable_as<TypedHeader>(0);
  };
  finds("a count of dead rows", [&](TypedStore& subject) { ++header(subject)->dead; });
  finds("a first live row", [&](TypedStore& subject) { header(subject)->first = 1; });
  finds("one row less", [&](TypedStore& subject) { --header(subject)->rows; });
  finds("one row more", [&](TypedStore& subject) {
    subject.member->regions[1]->extend(16);
    ++header(subject)->rows;
  });
  finds("a live row marked dead",
        [](TypedStore& subject) { *subject.member->regions[2]->writable(0, 1) |= 2; });
  finds("a dead row marked alive",
        [](TypedStore& subject) { *subject.member->regions[2]->writable(1, 1) &= 0xfb; });
  finds("another key",
        [](TypedStore& subject) { ++*subject.member->regions[1]->writable(kPageSize + 16 * 50, 1); });
}

TEST(TypedDict, SweepsInManyStepsAndRepeatsOne) {
  TypedStore subject;
  constexpr u64 kCount = 20'000;
  std::vector<u64> keys(kCount), values(kCount), out(kCount);
  for (u64 i = 0; i < kCount; ++i) {
    keys[i] = i * 0x9e3779b97f4a7c15;
    values[i] = i;
  }
  const auto bytes = [](std::vector<u64>& numbers) { return reinterpret_cast<u8*>(numbers.data()); };
  {
    const Operation operation(*subject.store);
    subject.dict->put_many(bytes(keys), bytes(values), kCount / 2);
  }
  TypedDict::Sweep sweep(*subject.dict, bytes(keys), kCount);
  u64 steps = 0, hits = 0, again = 0;
  for (u64 at = 0; at < kCount; ++steps) {
    sweep.name_rows(*subject.dict, at);  // as a read that was in vain
    at = sweep.name_rows(*subject.dict, at);
  }
  EXPECT_GT(steps, 2u);
  sweep.turn();
  for (u64 at = 0, here = 0; at < kCount; hits += here) {
    sweep.take_values(*subject.dict, at, bytes(out), nullptr, nullptr, again);
    at = sweep.take_values(*subject.dict, at, bytes(out), nullptr, nullptr, here);
    EXPECT_EQ(again, here);
  }
  EXPECT_EQ(hits, kCount / 2);
  for (u64 i = 0; i < kCount; ++i) ASSERT_EQ(out[i], i < kCount / 2 ? i : 0) << i;
}

// As of a dict: each row would be a finding.
TEST(TypedDict, CheckListsSoManyFindingsAndNoMore) {
  TypedStore subject;
  for (u64 i = 0; i < kMostFindings + 1000; ++i) subject.put(i, i);
  {
    const Operation operation(*subject.store);
    Region::Rewrite empty = subject.member->regions[0]->rewrite(HashIndex::kEmptyBytes);
    HashIndex::format(empty.data(), 512, 64, subject.store->seed());
    subject.member->regions[0]->finish(std::move(empty));
  }
  Findings findings;
  subject.dict->check(findings);
  EXPECT_GE(findings.size(), kMostFindings);
  EXPECT_LT(findings.size(), kMostFindings + 10);
}

}  // namespace
}  // namespace emd
