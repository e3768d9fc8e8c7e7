// Sorted dicts: order, numbers, splits and joins, long keys and values, and what check() finds.
#include <algorithm>
#include <array>

#include "model/sorted_model.h"
#include "store/findings.h"

namespace emd {
namespace {

// Eight bytes that compare as the number does.
std::string number_key(u64 number) {
  std::string key(8, '\0');
  store<u64>(key.data(), __builtin_bswap64(number));
  return key;
}

TEST(Sorted, IsEmptyAtFirst) {
  SortedStore subject;
  EXPECT_EQ(subject.sorted->size(), 0u);
  EXPECT_FALSE(subject.sorted->find(as_bytes("x")).has_value());
  EXPECT_EQ(subject.sorted->rank(as_bytes("x")), 0u);
  std::vector<u8> key;
  EXPECT_FALSE(subject.sorted->key_before(subject.sorted->seek(as_bytes("x")), key));
  EXPECT_FALSE(subject.sorted->key_from(subject.sorted->seek(as_bytes("x")), key));
  EXPECT_FALSE(subject.erase("x"));
  EXPECT_THROW(subject.sorted->select(0), DamagedError);
  expect_sound(*subject.sorted);
}

TEST(Sorted, KeepsKeysInOrder) {
  SortedStore subject;
  for (const char* key : {"m", "", "z", "ma", "a", "m"}) subject.put(key, std::string("of ") + key);
  expect_equal(*subject.sorted, {{"", "of "}, {"a", "of a"}, {"m", "of m"}, {"ma", "of ma"}, {"z", "of z"}});
  EXPECT_FALSE(subject.put("a", "other"));
  EXPECT_TRUE(subject.erase("m"));
  EXPECT_FALSE(subject.erase("m"));
  expect_equal(*subject.sorted, {{"", "of "}, {"a", "other"}, {"ma", "of ma"}, {"z", "of z"}});
  expect_sound(*subject.sorted);
}

TEST(Sorted, FindsNeighbours) {
  SortedStore subject({3});
  for (unsigned i = 0; i < 200; i += 2) subject.put(number_key(i), "v");
  for (unsigned i = 0; i < 200; ++i) {
    const Sorted::Place place = subject.sorted->seek(as_bytes(number_key(i)));
    EXPECT_EQ(place.found(), i % 2 == 0);
    EXPECT_EQ(subject.sorted->rank(place), (i + 1) / 2);
    std::vector<u8> key;
    EXPECT_EQ(subject.sorted->key_before(place, key), i > 0);
    if (i > 0) {
      EXPECT_EQ(text_of(key), number_key((i - 1) / 2 * 2));
    }
    key.clear();
    EXPECT_EQ(subject.sorted->key_from(place, key), i < 199);
    if (i < 199) {
      EXPECT_EQ(text_of(key), number_key((i + 1) / 2 * 2));
    }
  }
}

// What ascends, or descends, leaves full leaves.
TEST(Sorted, AscendingAndDescendingKeysFillLeaves) {
  std::array<u64, 3> bytes{};
  for (unsigned order = 0; order < 3; ++order) {
    SortedStore subject;
    std::mt19937_64 random(1);
    std::vector<u64> numbers(20'000);
    for (u64 i = 0; i < numbers.size(); ++i) numbers[i] = i * 1'000'003;
    if (order == 1) std::reverse(numbers.begin(), numbers.end());
    if (order == 2) std::shuffle(numbers.begin(), numbers.end(), random);
    for (const u64 number : numbers) subject.put(number_key(number), "value of it");
    expect_sound(*subject.sorted);
    const Sorted::Stats stats = subject.sorted->stats();
    bytes[order] = stats.node_bytes - stats.free_node_bytes;
  }
  EXPECT_LT(bytes[0], 20'000 * 35);
  EXPECT_LT(bytes[1], 20'000 * 35);
  EXPECT_GT(bytes[2], bytes[0]);
}

// A common beginning of keys is kept once a node.
TEST(Sorted, SharesPrefixes) {
  SortedStore subject;
  std::mt19937_64 random(1);
  const std::string common(100, 'p');
  std::vector<unsigned> numbers(5'000);
  for (unsigned i = 0; i < numbers.size(); ++i) numbers[i] = i;
  std::shuffle(numbers.begin(), numbers.end(), random);
  for (const unsigned number : numbers) subject.put(common + number_key(number), "value");
  expect_sound(*subject.sorted);
  EXPECT_LT(subject.sorted->stats().node_bytes, 5'000u * 50);
}

TEST(Sorted, LongKeysAndValuesLieInTheHeap) {
  SortedStore subject;
  SortedModel model;
  std::mt19937_64 random(3);
  for (unsigned i = 0; i < 600; ++i) {
    const std::string key =
        std::string(300 + random() % 400, static_cast<char>('a' + random() % 3)) + std::to_string(i);
    const std::string value(random() % 3000, static_cast<char>('A' + random() % 20));
    subject.put(key, value);
    model[key] = value;
  }
  expect_equal(*subject.sorted, model);
  expect_sound(*subject.sorted);
  while (!model.empty()) {
    ASSERT_TRUE(subject.erase(model.begin()->first));
    model.erase(model.begin());
    if (model.size() % 97 == 0) expect_sound(*subject.sorted);
  }
  EXPECT_EQ(subject.sorted->stats().value_bytes, 0u);
  EXPECT_EQ(subject.sorted->stats().levels, 0u);
  EXPECT_EQ(subject.sorted->stats().node_bytes - subject.sorted->stats().free_node_bytes, kPageSize);
}

TEST(Sorted, AnAnnexStaysWithItsKey) {
  SortedStore subject;
  for (const std::size_t size : {0u, 1u, 100u, 5000u}) {
    subject.put("key" + std::to_string(size), "value", std::string(size, 'x'));
    for (const std::size_t value : {3u, 3u, 700u, 2000u, 2100u, 0u}) {
      subject.put("key" + std::to_string(size), std::string(value, 'v'), "not this");
      const auto record = subject.sorted->find(as_bytes("key" + std::to_string(size)));
      ASSERT_TRUE(record.has_value());
      EXPECT_EQ(as_text(record->annex), std::string(size, 'x'));
      EXPECT_EQ(as_text(record->value), std::string(value, 'v'));
      expect_sound(*subject.sorted);
    }
  }
}

TEST(Sorted, APutOfTheSameChangesNoPage) {
  SortedStore subject;
  subject.put("a", "1");
  subject.store->commit();
  subject.put("a", "1");
  EXPECT_EQ(subject.store->stats().dirty_bytes, 0u);
}

TEST(Sorted, RollbackBringsBackWhatWasThere) {
  SortedStore subject({4});
  SortedModel model;
  for (unsigned i = 0; i < 300; ++i) model[number_key(i * 7)] = "v", subject.put(number_key(i * 7), "v");
  subject.store->begin();
  for (unsigned i = 0; i < 300; ++i) subject.put(number_key(i), "w"), subject.erase(number_key(i * 3));
  subject.store->rollback();
  expect_equal(*subject.sorted, model);
  expect_sound(*subject.sorted);
}

TEST(Sorted, AWalkGoesOnAfterNewValues) {
  SortedStore subject;
  for (unsigned i = 0; i < 1'000; ++i) subject.put(number_key(i), "v");
  Scan scan;
  SortedWalk walk(0, 1'000, 1);
  for (unsigned i = 0; i < 1'000; ++i) {
    const auto record = walk.next(*subject.sorted, scan);
    ASSERT_TRUE(record.has_value());
    EXPECT_EQ(text_of(record->key()), number_key(i));
    subject.put(number_key((i * 37) % 1'000), std::string(i % 50, 'w'));
  }
}

TEST(Sorted, AWalkTakesSteps) {
  SortedStore subject({5});
  for (unsigned i = 0; i < 500; ++i) subject.put(number_key(i), "v");
  for (const i64 step : {1, 2, 7, 100, -1, -3, -50}) {
    Scan scan;
    const u64 count = 500 / static_cast<u64>(std::abs(step));
    i64 number = step < 0 ? 499 : 0;
    SortedWalk walk(static_cast<u64>(number), count, step);
    for (u64 i = 0; i < count; ++i, number += step) {
      const auto record = walk.next(*subject.sorted, scan);
      ASSERT_TRUE(record.has_value());
      EXPECT_EQ(text_of(record->key()), number_key(static_cast<u64>(number)));
    }
    EXPECT_FALSE(walk.next(*subject.sorted, scan).has_value());
  }
}

// Random operations against a model, in nodes of every size.
class SortedModelTest : public testing::TestWithParam<unsigned> {
 protected:
  std::string random_key() {
    switch (GetParam() % 5) {
      case 0:
        return number_key(random_() % 3'000);
      case 1:  // few letters, many common prefixes
      {
        std::string key;
        for (u64 left = random_() % 12; left > 0; --left) key += static_cast<char>('a' + random_() % 2);
        return key;
      }
      case 2:  // zeros and bytes of all kinds
      {
        std::string key;
        for (u64 left = random_() % 6; left > 0; --left)
          key += random_() % 2 ? static_cast<char>(random_() % 3) : static_cast<char>(0xfe + random_() % 2);
        return key;
      }
      case 3:  // long ones that differ at their ends
        return std::string(390 + random_() % 3 * 10, 'x') + std::to_string(random_() % 500);
      default:  // long prefixes, and some that have none of them
        return random_() % 20 == 0
                   ? std::to_string(random_() % 50)
                   : std::string(random_() % 2 ? 350 : 80, 'p') + std::to_string(random_() % 2'000);
    }
  }
  std::string random_value() {
    const u64 choice = random_() % 40;
    return std::string(choice == 0  ? random_() % 3'000
                       : choice < 8 ? random_() % 300
                                    : random_() % 12,
                       'v') +
           std::to_string(random_() % 10);
  }
  std::mt19937_64 random_{GetParam()};
};

TEST_P(SortedModelTest, AgreesWithAMap) {
  constexpr std::array<u32, 4> kSizes{3, 4, 9, kMostEntries};
  SortedStore subject({kSizes[GetParam() / 5 % kSizes.size()]});
  SortedModel model;
  const unsigned rounds = 12, steps = 400;
  for (unsigned round = 0; round < rounds; ++round) {
    const u64 erasing = round % 4 == 3 ? 9 : round % 4 == 1 ? 5 : 1;  // of ten
    const u64 kind = random_() % 4;
    for (unsigned step = 0; step < steps; ++step) {
      if (random_() % 10 < erasing && !model.empty()) {
        // From the front, from the back, or anywhere.
        auto at = kind == 0   ? model.begin()
                  : kind == 1 ? std::prev(model.end())
                              : model.lower_bound(random_key());
        if (at == model.end()) at = model.begin();
        ASSERT_TRUE(subject.erase(at->first));
        model.erase(at);
      } else {
        const std::string key = random_key(), value = random_value();
        ASSERT_EQ(subject.put(key, value), model.insert_or_assign(key, value).second);
      }
    }
    expect_equal(*subject.sorted, model);
    expect_sound(*subject.sorted);
    if (HasFailure()) return;
    if (round % 5 == 4) subject.reopen();
    if (round == 7) {
      const Operation operation(*subject.store);
      subject.sorted->clear();
      model.clear();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, SortedModelTest, testing::Range(0u, 40u));

}  // namespace
}  // namespace emd
