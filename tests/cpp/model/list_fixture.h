// A list in a store in a temporary directory, for the tests of lists and sorting.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "store/store.h"
#include "structures/list/list.h"

namespace emd::test {

class ListFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string path = (std::filesystem::temp_directory_path() / "emd-list-XXXXXX").string();
    ASSERT_NE(::mkdtemp(path.data()), nullptr);
    directory_ = path;
    open();
  }
  void TearDown() override {
    list_.reset();
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  void open() {
    store_ = Store::open(directory_ + "/store");
    member_ = store_->find("l");
    if (member_ == nullptr) member_ = store_->create("l", List::kKind, List::kRegionCount);
    store_->acquire(*member_);
    list_.emplace(*store_, *member_);
  }
  void close() {
    list_.reset();
    store_->release(*member_);
    store_->close();
    member_.reset();
    store_.reset();
  }
  void reopen() {
    close();
    open();
  }

  List& list() { return *list_; }
  Region& words_region() { return *member_->regions[0]; }
  Region& heap_region() { return *member_->regions[1]; }

  // Runs a change as one operation.
  template <class Change>
  void change(Change&& make) {
    Operation operation(*store_);
    make();
  }
  void extend(const std::vector<Word>& words) {
    change([&] { list().extend(words); });
  }
  std::vector<Word> contents() { return {list().words().begin(), list().words().end()}; }

  void expect_sound() {
    Findings findings;
    list().check(findings);
    for (const Finding& finding : findings) ADD_FAILURE() << finding.where << ": " << finding.what;
  }

  std::string directory_;
  std::unique_ptr<Store> store_;
  std::shared_ptr<Member> member_;
  std::optional<List> list_;
};

// 0, 1, 2, ... as words.
inline std::vector<Word> counting(u64 count) {
  std::vector<Word> words;
  words.reserve(count);
  for (u64 i = 0; i < count; ++i) words.push_back(Word::integer(static_cast<i64>(i)));
  return words;
}

}  // namespace emd::test

namespace emd {

// How GoogleTest shows a word: its bits.
inline void PrintTo(Word word, std::ostream* out) { *out << std::hex << "0x" << word.bits << std::dec; }

}  // namespace emd
