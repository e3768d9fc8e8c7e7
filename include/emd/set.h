// Set: byte strings, each once, in the order of insertion.
//
// Threads, errors, what is durable: store.h. In Python: EMSet of `bytes`, or `str` where text() says so. An element
// that Python stored as another type throws FormatError when it is read.
#pragma once

#include <emd/store.h>

#include <cstddef>
#include <iterator>

namespace emd {
inline namespace v2 {

namespace detail {
class SetWalk;
}

class EMD_API Set : public Container {
 public:
  class Iterator;

  Set() = default;

  std::uint64_t size() const;
  bool empty() const { return size() == 0; }
  // Cost of it, and of those below: one or two cache lines of the index and a record, whatever the size is.
  bool contains(BytesView element) const;
  // False if it was there, which keeps its place.
  bool insert(BytesView element);
  // Returns whether it was there. Its space is used again after compact(), or when all around it is erased too.
  bool erase(BytesView element);
  void clear();

  // In the order of insertion, as a Dict: `for (std::string_view element : set)`. Each is valid until the next step.
  Iterator begin() const;
  std::default_sentinel_t end() const { return {}; }

 private:
  friend class Store;
  explicit Set(std::shared_ptr<detail::Member> member) : Container(std::move(member)) {}
};

// An input iterator: copies move on together.
class EMD_API Set::Iterator {
 public:
  using iterator_concept = std::input_iterator_tag;
  using value_type = std::string_view;
  using difference_type = std::ptrdiff_t;

  Iterator() = default;
  std::string_view operator*() const { return element_; }
  const std::string_view* operator->() const { return &element_; }
  Iterator& operator++();
  void operator++(int) { ++*this; }
  friend bool operator==(const Iterator& it, std::default_sentinel_t) { return it.walk_ == nullptr; }

 private:
  friend class Set;
  explicit Iterator(std::shared_ptr<detail::SetWalk> walk);

  std::shared_ptr<detail::SetWalk> walk_;  // null at the end
  std::string_view element_;
};

}  // namespace v2
}  // namespace emd
