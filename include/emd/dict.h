// Dict: byte strings to byte strings, in the order of insertion.
//
// Threads, errors, what is durable: store.h. In Python: EMDict, with keys and values that are `bytes`, or `str` where
// text() says so. A value that Python stored as another type throws FormatError when it is read.
#pragma once

#include <emd/store.h>

#include <cstddef>
#include <iterator>

namespace emd {
inline namespace v2 {

namespace detail {
class DictWalk;
}

class EMD_API Dict : public Container {
 public:
  class Iterator;
  // Valid until its iterator is moved on.
  struct Entry {
    std::string_view key, value;
  };

  Dict() = default;

  std::uint64_t size() const;
  bool empty() const { return size() == 0; }
  // Cost of it, and of those below: one or two cache lines of the index and a record, whatever the size is.
  bool contains(BytesView key) const;
  std::optional<std::string> get(BytesView key) const;
  // The same into a string that is used again; false, and nothing changed, if there is no such key.
  bool get(BytesView key, std::string& value) const;
  // A value that was put by bytes_of(). Errors: FormatError if it has another size.
  template <class T>
  std::optional<T> get(BytesView key) const;
  // Inserts, or replaces the value of the key that is there, which keeps its place. True if it was inserted.
  bool put(BytesView key, BytesView value);
  // Returns whether the key was there. Its space is used again after compact(), or when all around it is erased too.
  bool erase(BytesView key);
  void clear();

  // In the order of insertion: `for (const auto& [key, value] : dict)`. Beside a writer each step is of one state; take
  // a snapshot to see one state throughout. Errors: StateError if a key has come or gone since begin().
  Iterator begin() const;
  std::default_sentinel_t end() const { return {}; }

 private:
  friend class Store;
  explicit Dict(std::shared_ptr<detail::Member> member) : Container(std::move(member)) {}
  // False if there is no such key. Errors: FormatError unless the value has so many bytes.
  bool read_value(BytesView key, void* to, std::size_t bytes) const;
};

// An input iterator: copies move on together.
class EMD_API Dict::Iterator {
 public:
  using iterator_concept = std::input_iterator_tag;
  using value_type = Entry;
  using difference_type = std::ptrdiff_t;

  Iterator() = default;
  const Entry& operator*() const { return entry_; }
  const Entry* operator->() const { return &entry_; }
  Iterator& operator++();
  void operator++(int) { ++*this; }
  friend bool operator==(const Iterator& it, std::default_sentinel_t) { return it.walk_ == nullptr; }

 private:
  friend class Dict;
  explicit Iterator(std::shared_ptr<detail::DictWalk> walk);

  std::shared_ptr<detail::DictWalk> walk_;  // null at the end
  Entry entry_;
};

template <class T>
std::optional<T> Dict::get(BytesView key) const {
  static_assert(std::is_trivially_copyable_v<T>);
  T value;
  return read_value(key, &value, sizeof value) ? std::optional<T>(value) : std::nullopt;
}

}  // namespace v2
}  // namespace emd
