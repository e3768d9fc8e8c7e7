// A sorted dict beside a model of it (std::map), for the tests of it.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <string>

#include "structures/sorted/sorted.h"
#include "structures/sorted/walk.h"
#include "support/scratch.h"

namespace emd {

// A store in a directory of its own with one sorted dict in it.
class SortedStore {
 public:
  explicit SortedStore(const Sorted::Options& sorted_options = {}) {
    options.commit_interval_seconds = -1;
    store = Store::open(scratch.path(), options);
    member = store->create("d", Sorted::kKind, Sorted::kRegionCount);
    store->acquire(*member);
    sorted = std::make_unique<Sorted>(*store, *member, sorted_options);
  }
  ~SortedStore() {
    sorted.reset();
    if (store) store->close();
  }

  void reopen() {
    sorted.reset();
    store->release(*member);
    store->close();
    store = Store::open(scratch.path(), options);
    member = store->find("d");
    store->acquire(*member);
    sorted = std::make_unique<Sorted>(*store, *member);
  }

  bool put(const std::string& key, const std::string& value, const std::string& annex = {}) {
    const Operation operation(*store);
    return sorted->put(as_bytes(key), as_bytes(annex), as_bytes(value));
  }
  bool erase(const std::string& key) {
    const Operation operation(*store);
    return sorted->erase(as_bytes(key));
  }

  Scratch scratch = Scratch::fast();
  StoreOptions options;
  std::unique_ptr<Store> store;
  std::shared_ptr<Member> member;
  std::unique_ptr<Sorted> sorted;
};

inline void expect_sound(const Sorted& sorted) {
  Findings findings;
  sorted.check(findings);
  for (const Finding& finding : findings) ADD_FAILURE() << finding.where << ": " << finding.what;
}

inline std::string text_of(const std::vector<u8>& bytes) { return std::string(as_text(bytes)); }

using SortedModel = std::map<std::string, std::string>;

// The same entries in the same order from both ends, each found by its key and by its number.
inline void expect_equal(const Sorted& sorted, const SortedModel& model) {
  ASSERT_EQ(sorted.size(), model.size());
  Scan scan;
  SortedWalk forwards(0, model.size(), 1), backwards(model.size() - 1, model.size(), -1);
  for (const auto& [key, value] : model) {
    const auto record = forwards.next(sorted, scan);
    ASSERT_TRUE(record.has_value());
    ASSERT_EQ(text_of(record->key()), key);
    ASSERT_EQ(as_text(record->value), value);
  }
  ASSERT_FALSE(forwards.next(sorted, scan).has_value());
  u64 number = model.size();
  for (auto at = model.rbegin(); at != model.rend(); ++at) {
    const auto record = backwards.next(sorted, scan);
    ASSERT_TRUE(record.has_value());
    ASSERT_EQ(text_of(record->key()), at->first);
    --number;
    ASSERT_EQ(text_of(sorted.at(sorted.select(number)).key()), at->first);
    const Sorted::Place place = sorted.seek(as_bytes(at->first));
    ASSERT_TRUE(place.found());
    ASSERT_EQ(sorted.rank(place), number);
  }
  ASSERT_FALSE(backwards.next(sorted, scan).has_value());
}

}  // namespace emd
