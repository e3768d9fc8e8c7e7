// The dict against a model of it: thousands of random operations, in variants that split, collide and merge all the
// time.
#include "model/dict_model.h"

namespace emd {
namespace {

struct Variant {
  const char* name;
  Dict::Options options;
};

std::ostream& operator<<(std::ostream& out, const Variant& variant) { return out << variant.name; }

class DictModelTest : public testing::TestWithParam<Variant> {
 protected:
  void step(DictStore& subject, DictModel& model);
  std::string random_key() { return "k" + std::to_string(random_() % 700); }
  std::string random_value() {
    const u64 kind = random_() % 100;
    const u64 size = kind < 70 ? random_() % 8 : kind < 97 ? random_() % 300 : random_() % 5000;
    return std::string(size, static_cast<char>('a' + random_() % 26));
  }

  std::mt19937_64 random_{20240229};
};

void DictModelTest::step(DictStore& subject, DictModel& model) {
  const u64 action = random_() % 1000;
  if (action < 550) {
    const std::string key = random_key(), value = random_value();
    const std::size_t before = model.size();
    model.put(key, value);
    ASSERT_EQ(subject.put(key, value), model.size() != before);
  } else if (action < 900) {
    const std::string key = random_key();
    ASSERT_EQ(subject.erase(key), model.erase(key));
  } else if (action < 940) {
    if (model.size() == 0) return;
    const auto record = random_() % 2 ? subject.dict->last() : subject.dict->first();
    ASSERT_TRUE(record.has_value());
    model.erase(std::string(as_text(record->key)));
    Operation operation(*subject.store);
    subject.dict->erase(*record);
  } else if (action < 998) {
    const std::string key = random_key();
    const auto record = subject.dict->find(as_bytes(key));
    if (!record) return;
    const std::string value = random_value();
    model.put(key, value);
    Operation operation(*subject.store);
    subject.dict->set_value(record->position, as_bytes(value));
  } else {
    model.clear();
    Operation operation(*subject.store);
    subject.dict->clear();
  }
}

TEST_P(DictModelTest, BehavesAsTheModel) {
  DictStore subject(GetParam().options);
  DictModel model;
  for (unsigned i = 0; i < 12000 && !HasFatalFailure(); ++i) {
    step(subject, model);
    if (i % 500 == 499) {
      expect_sound(*subject.dict);
      model.expect_equal(*subject.dict);
    }
    if (i % 3000 == 2999) subject.reopen();
  }
}

TEST_P(DictModelTest, GrowsAndIsEmptied) {
  DictStore subject(GetParam().options);
  DictModel model;
  const unsigned keys = GetParam().options.hash_bits < 64 ? 3000 : 30000;
  for (unsigned i = 0; i < keys; ++i) {
    const std::string key = std::to_string(i * 7919);
    model.put(key, key);
    subject.put(key, key);
  }
  expect_sound(*subject.dict);
  model.expect_equal(*subject.dict);
  for (unsigned i = 0; i < keys; ++i) {
    const std::string key = std::to_string((i * 13 % keys) * 7919);
    ASSERT_EQ(subject.erase(key), model.erase(key));
    if (i == keys / 2) expect_sound(*subject.dict);
  }
  EXPECT_EQ(subject.dict->size(), 0u);
  EXPECT_FALSE(subject.dict->first().has_value());
  expect_sound(*subject.dict);
}

INSTANTIATE_TEST_SUITE_P(
    Variants, DictModelTest,
    testing::Values(Variant{"normal", {}}, Variant{"tiny_segments", {1, 64}},
                    Variant{"small_segments", {4, 64}}, Variant{"eight_hashes", {512, 3}},
                    Variant{"tiny_colliding", {2, 8}}, Variant{"delta_of_one", {4, 64, 1}},
                    Variant{"small_delta", {2, 64, 40}}, Variant{"delta_of_whole_segments", {512, 64, 300}},
                    Variant{"delta_tiny_colliding", {2, 8, 25}}, Variant{"delta_eight_hashes", {4, 3, 10}}),
    [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace emd
