// List: a sequence of numbers and byte strings.
//
// Threads, errors, what is durable: store.h. In Python: EMList of None, bool, int, float, bytes and str. An element
// that Python stored as another type throws FormatError when it is read.
#pragma once

#include <emd/store.h>

#include <concepts>
#include <cstddef>
#include <iterator>
#include <span>
#include <variant>

namespace emd {
inline namespace v2 {

// What a list gives: nothing (Python's None), a truth, a number, or bytes; a text comes as its UTF-8.
using Value = std::variant<std::monostate, bool, std::int64_t, double, std::string>;

// What is put into a list: whatever a Value may be, and what BytesView takes. It is for arguments.
class Item {
 public:
  enum class Type { none, boolean, integer, real, bytes };

  Item(std::monostate) {}
  Item(bool value) : type_(Type::boolean), integer_(value) {}
  // Errors: RangeError for an unsigned number of 2^63 or more.
  template <std::integral T>
  requires(!std::same_as<T, bool>) Item(T value)
      : type_(Type::integer), integer_(static_cast<std::int64_t>(value)) {
    if constexpr (std::unsigned_integral<T>) {
      if (integer_ < 0)
        throw RangeError("expected an integer that fits 64 bits with a sign, found a larger one");
    }
  }
  template <std::floating_point T>
  Item(T value) : type_(Type::real), real_(static_cast<double>(value)) {}
  template <class T>
  requires(std::convertible_to<const T&, BytesView> && !std::integral<T>) Item(const T& bytes)
      : type_(Type::bytes), bytes_(bytes) {}
  Item(const Value& value) {
    std::visit([this](const auto& held) { *this = Item(held); }, value);
  }

  Type type() const { return type_; }
  std::int64_t integer() const { return integer_; }  // of a boolean too
  double real() const { return real_; }
  BytesView bytes() const { return bytes_; }

 private:
  Type type_ = Type::none;
  std::int64_t integer_ = 0;
  double real_ = 0;
  BytesView bytes_;
};

// Indices begin at 0. Errors: RangeError for an index beyond the end.
class EMD_API List : public Container {
 public:
  class Iterator;

  List() = default;

  std::uint64_t size() const;
  bool empty() const { return size() == 0; }
  Value get(std::uint64_t index) const;
  Value operator[](std::uint64_t index) const { return get(index); }
  void set(std::uint64_t index, const Item& item);
  void push_back(const Item& item);
  // The last one. Errors: RangeError if the list is empty.
  Value pop_back();
  // Many at once. Cost: large runs do not go page by page.
  void extend(std::span<const std::int64_t> numbers);
  void extend(std::span<const double> numbers);
  // Before the element at `index`, or at the end. Cost of it, and of erase(): the elements behind.
  void insert(std::uint64_t index, const Item& item);
  // Those from `from` on and before `to`.
  void erase(std::uint64_t from, std::uint64_t to);
  void clear();
  void reverse();
  // Stable. The elements must be comparable: all of them numbers and truths, or all of them bytes, which are compared
  // byte by byte. NaN comes behind all numbers. Cost: two passes where memory has not room for all; no more memory than
  // the budget.
  // Errors: FormatError if they cannot be compared.
  void sort(bool descending = false);

  // By index: what is changed meanwhile is met, or not, by where it is.
  Iterator begin() const;
  std::default_sentinel_t end() const { return {}; }

 private:
  friend class Store;
  explicit List(std::shared_ptr<detail::Member> member) : Container(std::move(member)) {}
};

class EMD_API List::Iterator {
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
  friend class List;
  explicit Iterator(const List& list);
  void read();

  List list_;
  std::uint64_t index_ = 0;
  bool ended_ = true;
  Value value_;
};

}  // namespace v2
}  // namespace emd
