// Bytes that go into a store: keys, values, elements.
//
// Threads: any.
#pragma once

#include <emd/export.h>

#include <concepts>
#include <cstddef>
#include <ranges>
#include <string_view>
#include <type_traits>

namespace emd {
inline namespace v2 {

// A borrowed run of bytes: strings, literals and runs of bytes become one by themselves. It is for arguments: it does
// not outlive what it was made of.
//
// Bytes are Python's `bytes`, and those of text() are its `str`, which is another key: "a" and text("a") are two.
class BytesView {
 public:
  constexpr BytesView() = default;
  BytesView(const void* data, std::size_t size)
      : data_(static_cast<const char*>(data)), size_and_kind_(size) {}
  template <class Text>
  requires std::convertible_to<const Text&, std::string_view>
  constexpr BytesView(const Text& text) : BytesView(std::string_view(text), std::size_t{0}) {}
  template <std::ranges::contiguous_range Range>
  requires(!std::convertible_to<const Range&, std::string_view> && std::ranges::sized_range<const Range> &&
           (std::same_as<std::ranges::range_value_t<const Range>, std::byte> ||
            std::same_as<std::ranges::range_value_t<const Range>, unsigned char> ||
            std::same_as<std::ranges::range_value_t<const Range>, char>)) BytesView(const Range& bytes)
      : BytesView(std::ranges::data(bytes), std::ranges::size(bytes)) {}

  constexpr const char* data() const { return data_; }
  constexpr std::size_t size() const { return size_and_kind_ & ~kText; }
  constexpr bool empty() const { return size() == 0; }
  constexpr bool is_text() const { return (size_and_kind_ & kText) != 0; }
  constexpr operator std::string_view() const { return {data_, size()}; }

 private:
  friend constexpr BytesView text(std::string_view utf8);
  // No run of bytes is so long. In one word, so that calls pass all of it in registers.
  static constexpr std::size_t kText = ~(~std::size_t{0} >> 1);
  constexpr BytesView(std::string_view text, std::size_t kind)
      : data_(text.data()), size_and_kind_(text.size() | kind) {}

  const char* data_ = nullptr;
  std::size_t size_and_kind_ = 0;
};

// A text, as Python's `str`. The call that it is given to throws FormatError if it is not UTF-8.
constexpr BytesView text(std::string_view utf8) { return {utf8, BytesView::kText}; }

// The bytes of a number or a plain structure as they lie in memory; Dict::get<T>() reads them back.
template <class T>
requires(std::is_trivially_copyable_v<T> && !std::is_pointer_v<T>) BytesView bytes_of(const T& value) {
  return {&value, sizeof value};
}

}  // namespace v2
}  // namespace emd
