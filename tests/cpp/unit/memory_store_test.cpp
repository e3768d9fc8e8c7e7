// Temporary stores: in memory, moving to files, rolled back on both sides of that. Random steps against models.
#include "store/memory_store.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <optional>
#include <random>
#include <string>

#include "structures/dict/dict.h"
#include "structures/list/list.h"
#include "support/scratch.h"

using namespace emd;

namespace {

std::string text(Bytes bytes) { return std::string(as_text(bytes)); }

class MemoryStoreTest : public ::testing::TestWithParam<u64> {
 protected:
  void SetUp() override {
    StoreOptions options;
    options.commit_interval_seconds = -1;
    options.in_memory_bytes = GetParam();
    options.file_system = platform::temporary_file_system();
    store_ = Store::open(scratch_.path(), options);
  }
  Member& member(const std::string& name, Kind kind, unsigned regions) {
    auto found = store_->find(name);
    if (found == nullptr) found = store_->create(name, kind, regions);
    store_->acquire(*found);
    return *found;
  }
  void put(Dict& dict, std::map<std::string, std::string>& model, const std::string& key,
           const std::string& value) {
    const Operation operation(*store_);
    dict.put(as_bytes(key), {}, as_bytes(value));
    model[key] = value;
  }
  void expect(const Dict& dict, const std::map<std::string, std::string>& model) {
    ASSERT_EQ(dict.size(), model.size());
    for (const auto& [key, value] : model) {
      const auto found = dict.find(as_bytes(key));
      ASSERT_TRUE(found.has_value()) << key;
      ASSERT_EQ(text(found->value), value);
    }
    Findings findings;
    dict.check(findings);
    store_->verify(findings);
    EXPECT_TRUE(findings.empty()) << findings[0].where << ": " << findings[0].what;
  }

  Scratch scratch_;
  std::unique_ptr<Store> store_;
};

TEST_P(MemoryStoreTest, ItHasNoFilesBeforeItIsTold) {
  if (GetParam() < 40000) GTEST_SKIP() << "its first regions are larger";
  Member& own = member("d", Dict::kKind, Dict::kRegionCount);
  Dict dict(*store_, own);
  std::map<std::string, std::string> model;
  EXPECT_TRUE(store_->in_memory());
  EXPECT_FALSE(std::filesystem::exists(scratch_.path()));
  put(dict, model, "a", "1");
  store_->move_to_files();
  EXPECT_FALSE(store_->in_memory());
  EXPECT_TRUE(std::filesystem::exists(scratch_.path() + "/superblock"));
  put(dict, model, "b", "2");
  store_->commit();
  expect(dict, model);
}

TEST_P(MemoryStoreTest, RandomStepsAgreeWithAModel) {
  for (unsigned seed = 0; seed < 5; ++seed) {
    store_.reset();
    std::filesystem::remove_all(scratch_.path());
    SetUp();
    std::mt19937_64 random(seed);
    std::map<std::string, std::string> model, before;
    std::optional<Dict> dict;
    dict.emplace(*store_, member("d", Dict::kKind, Dict::kRegionCount));
    store_->commit();
    unsigned dropped = 0;
    for (unsigned step = 0; step < 400; ++step) {
      const u64 draw = random() % 100;
      if (draw < 70) {
        put(*dict, model, std::to_string(random() % 200), std::string(random() % 300, 'x'));
      } else if (draw < 80 && !store_->in_transaction()) {
        store_->begin();
        before = model;
      } else if (draw < 88 && store_->in_transaction()) {
        store_->rollback();
        model = before;
      } else if (draw < 94) {
        store_->in_transaction() ? store_->commit_transaction() : store_->commit();
      } else {  // another member comes, and goes
        const std::string name = "l" + std::to_string(dropped++);
        Member& other = member(name, List::kKind, List::kRegionCount);
        {
          List list(*store_, other);
          const Operation operation(*store_);
          list.append(Word::integer(1));
        }
        store_->drop(name);
      }
      if (step % 20 == 0) expect(*dict, model);
    }
    if (store_->in_transaction()) store_->commit_transaction();
    store_->commit();
    expect(*dict, model);
  }
}

INSTANTIATE_TEST_SUITE_P(Bytes, MemoryStoreTest, ::testing::Values(64, 5000, 40000, u64{1} << 20));

}  // namespace
