// Fixed-width integers, little-endian loads and stores, varints and rounding. No I/O, any thread.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

namespace emd {

using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using i64 = std::int64_t;

// The format is little-endian and structures are read in place, so a big-endian host is refused at
// compile time rather than served slowly.
static_assert(std::endian::native == std::endian::little, "pyrsistence needs a little-endian host");

// A borrowed run of bytes.
using Bytes = std::span<const u8>;

inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const u8*>(text.data()), text.size()};
}
inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The unit of the mapping. Offsets of pages in files are multiples of it.
inline constexpr u64 kPageSize = 4096;
inline constexpr unsigned kPageShift = 12;
static_assert(u64{1} << kPageShift == kPageSize);

template <class T>
inline T load(const void* from) {
  static_assert(std::is_trivially_copyable_v<T>);
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// As load(), for bytes that another process may change meanwhile: the value is read once, and what was checked is what
// is used afterwards.
template <class T>
inline T load_once(const void* from) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= sizeof(u64));
  T value = load<T>(from);
  asm("" : "+r"(value));  // the compiler cannot know that the memory still holds it
  return value;
}

template <class T>
inline void store(void* to, const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  std::memcpy(to, &value, sizeof value);
}

// `unit` is a power of two.
constexpr u64 round_up(u64 n, u64 unit) { return (n + unit - 1) & ~(unit - 1); }
constexpr u64 round_down(u64 n, u64 unit) { return n & ~(unit - 1); }
constexpr u64 page_up(u64 n) { return round_up(n, kPageSize); }
constexpr u64 page_down(u64 n) { return round_down(n, kPageSize); }

// LEB128: seven bits a byte, low bits first, at most ten bytes.
inline constexpr std::size_t kVarintMax = 10;

inline u8* put_varint(u8* to, u64 value) {
  while (value >= 0x80) {
    *to++ = static_cast<u8>(value) | 0x80;
    value >>= 7;
  }
  *to++ = static_cast<u8>(value);
  return to;
}

// Reads a varint from [from, end). Returns the byte behind it, or null if it is cut or too long.
inline const u8* get_varint(const u8* from, const u8* end, u64& value) {
  u64 result = 0;
  for (unsigned shift = 0; shift < 64 && from != end; shift += 7) {
    const u8 byte = *from++;
    if (shift == 63 && byte > 1) return nullptr;
    result |= static_cast<u64>(byte & 0x7f) << shift;
    if (byte < 0x80) {
      value = result;
      return from;
    }
  }
  return nullptr;
}

}  // namespace emd
