// Deque: a sequence of numbers and byte strings that grows and shrinks at both ends; perhaps of a bounded length.
//
// Threads, errors, what is durable: store.h. In Python: EMDeque of what a List may hold, `maxlen` being its limit. What is added
// to a full one pushes an element out at the other end.
#pragma once

#include <emd/list.h>
#include <emd/store.h>

#include <cstddef>
#include <iterator>
#include <optional>
#include <span>

namespace emd {
inline namespace v2 {

// Indices begin at 0. Errors: RangeError for an index beyond the end, and for taking from an empty one.
class EMD_API Deque : public Container {
 public:
  class Iterator;

  Deque() = default;

  std::uint64_t size() const;
  bool empty() const { return size() == 0; }
  std::optional<std::uint64_t> limit() const;
  Value get(std::uint64_t index) const;
  Value operator[](std::uint64_t index) const { return get(index); }
  void set(std::uint64_t index, const Item& item);
  // Cost of these: O(1) on the average over many.
  void push_back(const Item& item);
  void push_front(const Item& item);
  Value pop_back();
  Value pop_front();
  // Many at once, at the back. Cost: large runs do not go page by page.
  void extend(std::span<const std::int64_t> numbers);
  void extend(std::span<const double> numbers);
  // The last `steps` elements become the first; the first ones the last where it is negative.
  void rotate(std::int64_t steps);
  void reverse();
  void clear();

  // Errors of a step: StateError if elements came, went or moved since it began.
  Iterator begin() const;
  std::default_sentinel_t end() const { return {}; }

 private:
  friend class Store;
  explicit Deque(std::shared_ptr<detail::Member> member) : Container(std::move(member)) {}
};

class EMD_API Deque::Iterator {
 public:
  using iterator_concept = std::input_iterator_tag;
  using value_type = Value;
  using difference_type = std::ptrdiff_t;

  Iterator() = default;
  const Value& operator*() const { return value_; }
  const Value* operator->() const { return &value_; }
  Iterator& operator++();
  void operator++(int) { ++*this; }
  friend bool operator==(const Iterator& it, std::default_sentinel_t) { return it.ended_; }

 private:
  friend class Deque;
  explicit Iterator(const Deque& deque);
  void read();

  Deque deque_;
  std::uint64_t index_ = 0;
  std::uint64_t version_ = 0;
  bool ended_ = true;
  Value value_;
};

}  // namespace v2
}  // namespace emd
