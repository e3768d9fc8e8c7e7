// Random operations on a list and on a vector, compared.
#include <algorithm>
#include <random>

#include "model/list_fixture.h"

namespace emd::test {
namespace {

// An element as the model has it: an inline word, or the bytes of a block.
struct Item {
  Word word;
  std::optional<std::string> block;
  bool operator==(const Item&) const = default;
};
using Items = std::vector<Item>;

class ListModelTest : public ListFixture, public ::testing::WithParamInterface<int> {
 protected:
  void run(u64 initial, int steps, u64 seed) {
    random_.seed(seed);
    grow(initial);
    store_->commit();
    committed_ = model_;
    for (int i = 0; i < steps && !HasFatalFailure(); ++i) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", step " + std::to_string(i));
      step();
      compare();
    }
  }

 private:
  u64 below(u64 end) { return end == 0 ? 0 : random_() % end; }

  Item make_item() {
    switch (below(8)) {
      case 0:
        return {{}, std::string(below(100), static_cast<char>('a' + below(26)))};
      case 1:
        return {Word::real(static_cast<double>(random_()) / 7), {}};
      case 2:
        return {Word::text(as_bytes("text")), {}};
      default:
        return {Word::integer(static_cast<i64>(random_()) >> 16), {}};
    }
  }
  Items make_items(u64 count) {
    Items items(count);
    for (Item& item : items) item = make_item();
    return items;
  }
  // Stores the blocks; to be called inside the operation that puts the words in.
  std::vector<Word> words_of(const Items& items) {
    std::vector<Word> words;
    for (const Item& item : items)
      words.push_back(item.block ? list().store_block(as_bytes(*item.block)) : item.word);
    return words;
  }
  auto at(u64 index) { return model_.begin() + static_cast<std::ptrdiff_t>(index); }
  u64 some_count() { return below(10) == 0 ? below(20000) : below(30); }

  void grow(u64 count) {
    const Items items = make_items(count);
    change([&] { list().extend(words_of(items)); });
    model_.insert(model_.end(), items.begin(), items.end());
  }
  void splice(u64 from, u64 to, const Items& items) {
    change([&] { list().splice(from, to, words_of(items)); });
    model_.erase(at(from), at(to));
    model_.insert(at(from), items.begin(), items.end());
  }
  void set(u64 index) {
    const Items item = make_items(1);
    change([&] { list().set(index, words_of(item)[0]); });
    model_[index] = item[0];
  }
  void remove_strided() {
    const u64 from = below(model_.size());
    const u64 step = 1 + below(6);
    const u64 count = below((model_.size() - 1 - from) / step + 2);
    change([&] { list().remove_strided(from, step, count); });
    Items kept;
    for (u64 i = 0; i < model_.size(); ++i) {
      if (i < from || (i - from) % step != 0 || (i - from) / step >= count) kept.push_back(model_[i]);
    }
    model_ = std::move(kept);
  }
  void shuffle() {
    std::vector<u64> order(model_.size());
    for (u64 i = 0; i < order.size(); ++i) order[i] = i;
    std::ranges::shuffle(order, random_);
    change([&] {
      list().permute([&](std::span<Word> to) {
        for (u64 i = 0; i < order.size(); ++i) to[i] = list().get(order[i]);
      });
    });
    Items shuffled(model_.size());
    for (u64 i = 0; i < order.size(); ++i) shuffled[i] = model_[order[i]];
    model_ = std::move(shuffled);
  }
  void end_transaction() {
    if (below(2) == 0) {
      store_->commit_transaction();
      committed_ = model_;
    } else {
      store_->rollback();
      model_ = committed_;
    }
  }
  void durability() {
    if (store_->in_transaction()) return end_transaction();
    switch (below(3)) {
      case 0:
        store_->commit();
        break;
      case 1:
        reopen();
        break;
      default:
        store_->begin();
    }
    committed_ = model_;
  }

  void step() {
    const u64 size = model_.size();
    const u64 from = below(size + 1);
    switch (below(12)) {
      case 0:
      case 1:
        return splice(size, size, make_items(1));
      case 2:
        return grow(some_count());
      case 3:
        return splice(from, from, make_items(1));
      case 4:
        return splice(0, below(2) == 0 ? 0 : std::min<u64>(size, 3), make_items(below(3)));
      case 5:
        return splice(from, from + below(std::min(size - from + 1, some_count())), make_items(some_count()));
      case 6:
        return splice(size - std::min(size, some_count()), size, {});
      case 7:
        return size == 0 ? void() : set(below(size));
      case 8:
        return size == 0 ? void() : remove_strided();
      case 9:
        change([&] { list().reverse(); });
        std::ranges::reverse(model_);
        return;
      case 10:
        return below(20) == 0 ? splice(0, size, {}) : shuffle();
      default:
        return durability();
    }
  }

  void compare() {
    ASSERT_EQ(list().size(), model_.size());
    const std::span<const Word> words = list().words();
    for (u64 i = 0; i < model_.size(); ++i) {
      const Item& item = model_[i];
      ASSERT_EQ(words[i].is_reference(), item.block.has_value()) << i;
      if (item.block) {
        ASSERT_EQ(as_text(list().block(words[i])), *item.block) << i;
      } else {
        ASSERT_EQ(words[i], item.word) << i;
      }
    }
    expect_sound();
  }

  std::mt19937_64 random_;
  Items model_;
  Items committed_;
};

TEST_P(ListModelTest, Small) { run(0, 300, 100 + static_cast<u64>(GetParam())); }

// Three times what a change in place may mark.
TEST_P(ListModelTest, LargerThanTheRewriteThreshold) {
  run(3 * List::kRewriteThreshold / sizeof(Word), 25, 200 + static_cast<u64>(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Seeds, ListModelTest, ::testing::Range(0, 4));

}  // namespace
}  // namespace emd::test
