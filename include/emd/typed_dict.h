// TypedDict: keys and values of one size each, in rows, in the order of insertion: some 20 bytes less an entry than a
// Dict, and batches whose look-ups wait for memory side by side.
//
// Threads, errors, what is durable: store.h. In Python: EMDict(path, key="u8", value="f8"), with the types that types.h
// tells.
#pragma once

#include <emd/store.h>
#include <emd/types.h>

#include <cmath>
#include <cstddef>
#include <iterator>
#include <limits>
#include <span>
#include <utility>

namespace emd {
inline namespace v2 {

namespace detail {

// How a row lies, and what its types are called.
struct RowType {
  std::string key_text, value_text;
  std::uint32_t key_bytes, value_bytes, key_alignment, value_alignment;
};

enum class Number : std::uint8_t { integer8, integer16, integer32, integer64, float32, float64, none };

template <class T>
constexpr Number number_of() {
  if constexpr (std::same_as<T, float>) return Number::float32;
  if constexpr (std::same_as<T, double>) return Number::float64;
  if constexpr (std::integral<T> && !std::same_as<T, bool>) {
    return sizeof(T) == 1   ? Number::integer8
           : sizeof(T) == 2 ? Number::integer16
           : sizeof(T) == 4 ? Number::integer32
                            : Number::integer64;
  }
  return Number::none;
}

// NumPy's alignment of the type as types.h names it.
template <class T>
constexpr std::uint32_t alignment_of() {
  return std::is_arithmetic_v<T> ? sizeof(T) : 1;
}

// Equal keys have equal bytes: there is one zero, and one NaN.
template <class Key>
Key canonical(const Key& key) {
  if constexpr (std::floating_point<Key>) {
    if (key != key) return std::numeric_limits<Key>::quiet_NaN();
    return key + Key{0};
  } else {
    return key;
  }
}

class EMD_API TypedDictBase : public Container {
 public:
  TypedDictBase() = default;

  std::uint64_t size() const;
  bool empty() const { return size() == 0; }
  void clear();

 protected:
  friend struct Access;
  explicit TypedDictBase(std::shared_ptr<Member> member) : Container(std::move(member)) {}
  static constexpr std::uint64_t kNoRow = ~std::uint64_t{0};
  // Where an iterator stands.
  struct Position {
    std::uint64_t row = kNoRow, version = 0;
  };

  bool find(const void* key, void* value) const;
  bool insert(const void* key, const void* value);
  bool remove(const void* key);
  std::uint64_t find_many(const void* keys, std::uint64_t count, void* values, const void* missing) const;
  std::uint64_t insert_many(const void* keys, const void* values, std::uint64_t count);
  void add(const void* keys, const void* deltas, std::uint64_t count, Number number);
  // The first row at or behind this position; kNoRow: there is none. Errors: StateError if a key has come or gone.
  Position next(Position position, bool first, void* key, void* value) const;
};

}  // namespace detail

// Key: an integer, bool, a float, or a plain structure without gaps. Value: likewise, and gaps do not matter.
template <class Key, class Value>
class TypedDict : public detail::TypedDictBase {
  static_assert(std::floating_point<Key> || std::has_unique_object_representations_v<Key>,
                "keys are compared by their bytes: equal ones must have equal bytes");

 public:
  using Entry = std::pair<Key, Value>;

  // An input iterator.
  class Iterator {
   public:
    using iterator_concept = std::input_iterator_tag;
    using value_type = Entry;
    using difference_type = std::ptrdiff_t;

    Iterator() = default;
    const Entry& operator*() const { return entry_; }
    const Entry* operator->() const { return &entry_; }
    Iterator& operator++() {
      ++position_.row;
      return move_on(false);
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const Iterator& it, std::default_sentinel_t) { return it.ended(); }

   private:
    friend class TypedDict;
    explicit Iterator(const TypedDict& dict) : dict_(dict) {
      position_.row = 0;
      move_on(true);
    }
    bool ended() const { return position_.row == kNoRow; }
    Iterator& move_on(bool first) {
      position_ = dict_.next(position_, first, &entry_.first, &entry_.second);
      return *this;
    }

    TypedDict dict_;
    Position position_;
    Entry entry_;
  };

  TypedDict() = default;

  bool contains(const Key& key) const { return find(key, nullptr); }
  std::optional<Value> get(const Key& key) const {
    Value value;
    return find(key, &value) ? std::optional<Value>(value) : std::nullopt;
  }
  // Inserts, or replaces the value of the key that is there, which keeps its position. True if it was inserted.
  bool put(const Key& key, const Value& value) {
    const Key bytes = detail::canonical(key);
    return insert(&bytes, &value);
  }
  // Returns whether the key was there.
  bool erase(const Key& key) {
    const Key bytes = detail::canonical(key);
    return remove(&bytes);
  }

  // ---- Many at once: their look-ups wait for memory side by side, and their pages are asked for together.
  // If a changing one throws, a first part of the keys is done.

  // The value of each key goes to `values`, `missing` for those that are not there. Returns how many were there.
  // Errors of all: RangeError unless there are as many of both.
  std::uint64_t get_many(std::span<const Key> keys, std::span<Value> values,
                         const Value& missing = {}) const {
    require_as_many(keys.size(), values.size());
    return with_canonical(
        keys, [&](const Key* bytes) { return find_many(bytes, keys.size(), values.data(), &missing); });
  }
  // As put() of one after the other. Returns how many were inserted.
  std::uint64_t put_many(std::span<const Key> keys, std::span<const Value> values) {
    require_as_many(keys.size(), values.size());
    return with_canonical(keys,
                          [&](const Key* bytes) { return insert_many(bytes, values.data(), keys.size()); });
  }
  // Adds each delta to the value of its key, or inserts it. Integers wrap.
  void add_many(std::span<const Key> keys,
                std::span<const Value> deltas) requires(detail::number_of<Value>() != detail::Number::none) {
    require_as_many(keys.size(), deltas.size());
    with_canonical(keys, [&](const Key* bytes) {
      add(bytes, deltas.data(), keys.size(), detail::number_of<Value>());
      return std::uint64_t{0};
    });
  }
  void add(const Key& key, const Value& delta) requires(detail::number_of<Value>() != detail::Number::none) {
    add_many({&key, 1}, {&delta, 1});
  }

  // In the order of insertion: `for (const auto& [key, value] : dict)`. Errors: StateError if a key has come or gone
  // since begin().
  Iterator begin() const { return Iterator(*this); }
  std::default_sentinel_t end() const { return {}; }

 private:
  friend class Store;
  explicit TypedDict(detail::TypedDictBase base) : detail::TypedDictBase(std::move(base)) {}
  using detail::TypedDictBase::add;
  using detail::TypedDictBase::find;

  bool find(const Key& key, Value* value) const {
    const Key bytes = detail::canonical(key);
    return detail::TypedDictBase::find(&bytes, value);
  }
  static void require_as_many(std::size_t keys, std::size_t values) {
    if (keys != values) {
      throw RangeError("expected as many values as keys, found " + std::to_string(values) + " for " +
                       std::to_string(keys));
    }
  }
  template <class Call>
  static std::uint64_t with_canonical(std::span<const Key> keys, const Call& call) {
    if constexpr (std::floating_point<Key>) {
      std::vector<Key> bytes(keys.begin(), keys.end());
      for (Key& key : bytes) key = detail::canonical(key);
      return call(bytes.data());
    } else {
      return call(keys.data());
    }
  }
};

template <class Key, class Value>
TypedDict<Key, Value> Store::typed_dict(std::string_view name) {
  return TypedDict<Key, Value>(
      open_typed_dict(name, {TypeText<Key>::of_rows(), TypeText<Value>::of_rows(), sizeof(Key), sizeof(Value),
                             detail::alignment_of<Key>(), detail::alignment_of<Value>()}));
}

}  // namespace v2
}  // namespace emd
