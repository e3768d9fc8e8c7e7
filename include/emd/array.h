// Array: a growable sequence of numbers or plain structures, one behind the other as they are in memory.
//
// Threads, errors, what is durable: store.h. In Python: EMArray of the dtype that types.h tells.
#pragma once

#include <emd/store.h>
#include <emd/types.h>

#include <cstddef>
#include <span>

namespace emd {
inline namespace v2 {

namespace detail {

class View;

// The array as bytes: what Array<T> is made of.
class EMD_API ArrayBase : public Container {
 public:
  ArrayBase() = default;

  std::uint64_t size() const;
  bool empty() const { return size() == 0; }
  // Items that are added are zero. Errors: ViewError if it shrinks to less than views have reached.
  void resize(std::uint64_t count);
  void clear() { resize(0); }

 protected:
  friend struct Access;
  explicit ArrayBase(std::shared_ptr<Member> member) : Container(std::move(member)) {}
  // `bytes`: of whole items. Errors: RangeError unless they lie within size().
  void read(std::uint64_t from, void* to, std::size_t bytes) const;
  void write(std::uint64_t from, const void* items, std::size_t bytes);
  void append(const void* items, std::size_t bytes);
  std::shared_ptr<View> view(bool writable, void*& data, std::uint64_t& count) const;
};

}  // namespace detail

// The items of an array where they lie, without a copy: a contiguous range of T (const T where they are only read).
//
// It covers the items that there were when it was taken, and stays at its addresses through growth, commit and
// rollback; it holds the store as a handle does, and stays readable when that is closed. What is stored through one of
// T is part of the next commit, and undone by a rollback. While there are views of an array it does not shrink below
// them, and is not compacted.
template <class T>
class ArrayView {
 public:
  ArrayView() = default;
  ArrayView(ArrayView&&) noexcept = default;
  ArrayView& operator=(ArrayView&&) noexcept = default;

  T* data() const { return items_.data(); }
  std::size_t size() const { return items_.size(); }
  bool empty() const { return items_.empty(); }
  T& operator[](std::size_t index) const { return items_[index]; }
  auto begin() const { return items_.begin(); }
  auto end() const { return items_.end(); }
  operator std::span<T>() const { return items_; }

 private:
  template <class>
  friend class Array;
  ArrayView(std::shared_ptr<detail::View> view, std::span<T> items) : view_(std::move(view)), items_(items) {}

  std::shared_ptr<detail::View> view_;
  std::span<T> items_;
};

// Errors: RangeError for indices beyond the end.
template <class T>
class Array : public detail::ArrayBase {
 public:
  Array() = default;

  T get(std::uint64_t index) const {
    T item;
    read(index, &item, sizeof item);
    return item;
  }
  T operator[](std::uint64_t index) const { return get(index); }
  void set(std::uint64_t index, const T& item) { write(index, &item, sizeof item); }
  void push_back(const T& item) { append(&item, sizeof item); }
  // Many at once. Cost: large runs do not go page by page.
  void extend(std::span<const T> items) { append(items.data(), items.size_bytes()); }
  // Fills `to` with the items from `from` on; stores those of `items` there.
  void read(std::uint64_t from, std::span<T> to) const { read(from, to.data(), to.size_bytes()); }
  void write(std::uint64_t from, std::span<const T> items) { write(from, items.data(), items.size_bytes()); }

  // Errors: in a reader beside a writer, StateError unless a snapshot is held; the view shows that state until it ends.
  ArrayView<const T> view() const {
    void* data = nullptr;
    std::uint64_t count = 0;
    auto view = detail::ArrayBase::view(false, data, count);
    return {std::move(view), {static_cast<const T*>(data), static_cast<std::size_t>(count)}};
  }
  // To store through. Errors: ReadOnlyError.
  ArrayView<T> writable_view() {
    void* data = nullptr;
    std::uint64_t count = 0;
    auto view = detail::ArrayBase::view(true, data, count);
    return {std::move(view), {static_cast<T*>(data), static_cast<std::size_t>(count)}};
  }

 private:
  friend class Store;
  using detail::ArrayBase::read;
  using detail::ArrayBase::write;
  explicit Array(detail::ArrayBase base) : detail::ArrayBase(std::move(base)) {}
};

template <class T>
Array<T> Store::array(std::string_view name) {
  return Array<T>(open_array(name, TypeText<T>::of_items(), sizeof(T)));
}

}  // namespace v2
}  // namespace emd
