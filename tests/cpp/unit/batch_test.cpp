// Batches of a dict and of a list: groups that are fetched, and then found, put or read as one by one.
#include <gtest/gtest.h>

#include <cstring>

#include "model/dict_model.h"
#include "model/list_fixture.h"

namespace emd {
namespace {

using Group = std::vector<Dict::Wanted>;

Group group_of(const Dict& dict, const std::vector<std::string>& keys) {
  Group group;
  for (const std::string& key : keys) group.push_back(dict.wanted(as_bytes(key)));
  return group;
}

std::vector<std::string> some_keys(u64 from, u64 to) {
  std::vector<std::string> keys;
  for (u64 i = from; i < to; ++i) keys.push_back("key " + std::to_string(i));
  return keys;
}

// Stores values short and long, so that some lie in their records and some in the heap.
void put_all(DictStore& subject, const std::vector<std::string>& keys, DictModel& model, std::size_t length) {
  const Group group = group_of(*subject.dict, keys);
  subject.dict->fetch(group);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const std::string value(i % 7 * length, static_cast<char>('a' + i % 26));
    const Operation operation(*subject.store);
    subject.dict->put(group[i], {}, as_bytes(value));
    model.put(keys[i], value);
  }
}

TEST(DictBatch, PutsAndFindsAsOneByOne) {
  for (const Dict::Options options : {Dict::Options{}, Dict::Options{2, 64}, Dict::Options{512, 1}}) {
    DictStore subject(options);
    DictModel model;
    put_all(subject, some_keys(0, 300), model, 3);
    put_all(subject, some_keys(100, 400), model, 2000);  // half of them outgrow their records
    model.expect_equal(*subject.dict);
    subject.store->commit();
    const std::vector<std::string> keys = some_keys(200, 600);
    const Group group = group_of(*subject.dict, keys);
    subject.dict->read_ahead(group);
    subject.dict->fetch(group);
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const auto record = subject.dict->find(group[i]);
      ASSERT_EQ(record.has_value(), i < 200) << keys[i];
      if (record) {
        ASSERT_EQ(as_text(record->key), keys[i]);
      }
    }
    expect_sound(*subject.dict);
  }
}

TEST(DictBatch, ChangesNothing) {
  DictStore subject;
  DictModel model;
  put_all(subject, some_keys(0, 500), model, 900);
  subject.store->commit();
  const u64 version = subject.dict->version();
  const Group group = group_of(*subject.dict, some_keys(0, 500));
  subject.dict->fetch(group);
  subject.dict->read_ahead(group);
  subject.dict->fetch({});
  EXPECT_EQ(subject.dict->version(), version);
  EXPECT_EQ(subject.store->stats().dirty_bytes, 0u);
  model.expect_equal(*subject.dict);
}

TEST(DictBatch, RefusesAGroupThatIsTooLarge) {
  DictStore subject;
  const Group group = group_of(*subject.dict, some_keys(0, Dict::kMaxGroup + 1));
  EXPECT_THROW(subject.dict->fetch(group), CheckError);
}

// Overwrites a region's bytes in the store's memory, as damage on the disk would show itself.
void overwrite(Store& store, Region& region, u64 offset, u64 length, u8 with) {
  const Operation operation(store);
  std::memset(region.writable(offset, length), with, length);
}

TEST(DictBatch, LeavesDamageToWhoReads) {
  for (const u8 with : {0x00, 0x41, 0xff}) {
    DictStore subject;
    DictModel model;
    put_all(subject, some_keys(0, 300), model, 2000);
    put_all(subject, some_keys(0, 300), model, 3000);
    const std::vector<std::string> keys = some_keys(0, 400);
    const Group group = group_of(*subject.dict, keys);
    for (const unsigned number : {2u, 1u, 0u}) {
      Region& region = *subject.member->regions[number];
      const u64 from = number == 1 ? 0 : kPageSize;
      overwrite(*subject.store, region, from, (region.size() - from) / 2, with);
      EXPECT_NO_THROW(subject.dict->fetch(group));
      EXPECT_NO_THROW(subject.dict->read_ahead(group));
    }
    unsigned damaged = 0;
    for (const Dict::Wanted& wanted : group) {
      try {
        subject.dict->find(wanted);
      } catch (const DamagedError&) {
        ++damaged;
      }
    }
    // All directory entries are wrong: zero, or beyond the region.
    EXPECT_EQ(damaged, keys.size());
  }
}

class ListBatch : public test::ListFixture {};

TEST_F(ListBatch, FetchesAnyIndices) {
  Operation operation(*store_);
  for (u64 i = 0; i < 300; ++i) {
    const std::string text(i * 40, 'x');
    list_->append(i % 2 == 0 ? Word::integer(static_cast<i64>(i)) : list_->store_block(as_bytes(text)));
  }
  std::vector<u64> indices;
  for (u64 i = 0; i < 500; ++i) indices.push_back(i * 7 % 600);  // half of them are beyond the end
  indices.push_back(~u64{0});
  const u64 version = list_->version();
  list_->fetch(indices);
  list_->read_ahead(indices);
  EXPECT_EQ(list_->version(), version);
  for (u64 i = 0; i < 300; ++i) {
    const Word word = list_->get(i);
    if (i % 2 == 0) {
      EXPECT_EQ(word.as_integer(), static_cast<i64>(i));
    } else {
      EXPECT_EQ(list_->block(word).size(), i * 40);
    }
  }
  indices.resize(List::kMaxGroup + 1);
  EXPECT_THROW(list_->fetch(indices), CheckError);
}

TEST_F(ListBatch, LeavesDamageToWhoReads) {
  Operation operation(*store_);
  for (u64 i = 0; i < 100; ++i) list_->append(list_->store_block(as_bytes(std::string(5000, 'x'))));
  std::vector<u64> indices(100);
  for (u64 i = 0; i < 100; ++i) indices[i] = i;
  list_->set(3, Word::reference(HeapRef{u64{1} << 44}));
  Region& heap = *member_->regions[1];
  std::memset(heap.writable(kPageSize, heap.size() - kPageSize), 0xff, heap.size() - kPageSize);
  EXPECT_NO_THROW(list_->fetch(indices));
  EXPECT_NO_THROW(list_->read_ahead(indices));
  for (u64 i = 0; i < 100; ++i) EXPECT_THROW(list_->block(list_->get(i)), DamagedError) << i;
}

}  // namespace
}  // namespace emd
