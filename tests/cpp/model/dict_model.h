// A dict beside a model of it (std::map and a list of keys in insertion order), for the tests of the dicts.
#pragma once

#include <gtest/gtest.h>

#include <list>
#include <map>
#include <memory>
#include <random>
#include <string>

#include "structures/dict/dict.h"
#include "support/scratch.h"

namespace emd {

// A store in a directory of its own with one dict in it.
class DictStore {
 public:
  explicit DictStore(const Dict::Options& dict_options = {}) {
    options.commit_interval_seconds = -1;
    store = Store::open(scratch.path(), options);
    member = store->create("d", Dict::kKind, Dict::kRegionCount);
    store->acquire(*member);
    dict = std::make_unique<Dict>(*store, *member, dict_options);
  }
  ~DictStore() {
    dict.reset();
    if (store) store->close();
  }

  void reopen() {
    dict.reset();
    store->release(*member);
    store->close();
    store = Store::open(scratch.path(), options);
    member = store->find("d");
    store->acquire(*member);
    dict = std::make_unique<Dict>(*store, *member);
  }

  bool put(const std::string& key, const std::string& value, const std::string& annex = {}) {
    Operation operation(*store);
    return dict->put(as_bytes(key), as_bytes(annex), as_bytes(value));
  }
  bool erase(const std::string& key) {
    Operation operation(*store);
    return dict->erase(as_bytes(key));
  }
  std::optional<std::string> get(const std::string& key) const {
    const auto record = dict->find(as_bytes(key));
    if (!record) return std::nullopt;
    return std::string(as_text(record->value));
  }

  Scratch scratch;
  StoreOptions options;
  std::unique_ptr<Store> store;
  std::shared_ptr<Member> member;
  std::unique_ptr<Dict> dict;
};

inline void expect_sound(const Dict& dict) {
  Findings findings;
  dict.check(findings);
  for (const Finding& finding : findings) ADD_FAILURE() << finding.where << ": " << finding.what;
}

// What the dict should hold.
class DictModel {
 public:
  void put(const std::string& key, const std::string& value) {
    const auto [at, inserted] = entries_.try_emplace(key);
    at->second.value = value;
    if (inserted) at->second.order = order_.insert(order_.end(), key);
  }
  bool erase(const std::string& key) {
    const auto at = entries_.find(key);
    if (at == entries_.end()) return false;
    order_.erase(at->second.order);
    entries_.erase(at);
    return true;
  }
  void clear() {
    entries_.clear();
    order_.clear();
  }
  const std::string* find(const std::string& key) const {
    const auto at = entries_.find(key);
    return at == entries_.end() ? nullptr : &at->second.value;
  }
  std::size_t size() const { return entries_.size(); }
  const std::list<std::string>& order() const { return order_; }

  // Same entries, same order from both ends, each found by its key.
  void expect_equal(const Dict& dict) const {
    ASSERT_EQ(dict.size(), entries_.size());
    auto record = dict.first();
    for (const std::string& key : order_) {
      ASSERT_TRUE(record.has_value());
      ASSERT_EQ(as_text(record->key), key);
      ASSERT_EQ(as_text(record->value), entries_.at(key).value);
      const auto found = dict.find(as_bytes(key));
      ASSERT_TRUE(found.has_value());
      ASSERT_EQ(found->position, record->position);
      record = dict.next(record->position);
    }
    ASSERT_FALSE(record.has_value());
    record = dict.last();
    for (auto key = order_.rbegin(); key != order_.rend(); ++key) {
      ASSERT_TRUE(record.has_value());
      ASSERT_EQ(as_text(record->key), *key);
      record = dict.previous(record->position);
    }
    ASSERT_FALSE(record.has_value());
  }

 private:
  struct Entry {
    std::string value;
    std::list<std::string>::iterator order;
  };
  std::map<std::string, Entry> entries_;
  std::list<std::string> order_;
};

}  // namespace emd
