// Word: one element of a list in 64 bits, a small value itself or a reference to a block of a heap.
//
// NaN-boxing: a float is its own bits. The quiet NaNs with the sign set, but for the first of them, are no
// result of arithmetic; they carry a tag and a payload instead:
//
//   63           51 50  48 47                                             0
//   | 1111111111111 | tag | payload                                        |
//                     0     0: the NaN that x86 makes (0.0 / 0.0); a float
//                     1     an integer, 48 bits, two's complement
//                     2     None, payload 0
//                     3     False 0, True 1
//                     4     text of up to 6 bytes of UTF-8 without a zero byte, first byte lowest, then zeros
//                     5     a reference: the block's offset in the heap divided by 8, 45 bits
//                     6, 7  not used
//
// Any thread; everything here is a function of the 64 bits. See docs/format.md.
#pragma once

#include <bit>

#include "alloc/heap.h"
#include "base/bytes.h"
#include "base/check.h"

namespace emd {

struct Word {
  u64 bits = 0;

  // The values are those in the word. `unknown`: bits that no encoder wrote; they came from a damaged file.
  enum class Tag : u8 { real = 0, integer = 1, none = 2, boolean = 3, text = 4, reference = 5, unknown = 6 };

  static constexpr unsigned kMaxText = 6;

  // All floats but some four quadrillion NaNs with the sign set. Those go to the heap, so that their bits survive.
  static constexpr bool fits_real(double value) { return std::bit_cast<u64>(value) <= kDefaultNan; }
  static constexpr bool fits_integer(i64 value) { return value >= -kIntegerEnd && value < kIntegerEnd; }
  // At most kMaxText bytes, no zero byte.
  static constexpr bool fits_text(Bytes utf8) {
    if (utf8.size() > kMaxText) return false;
    for (const u8 byte : utf8) {
      if (byte == 0) return false;
    }
    return true;
  }

  // Preconditions: the value fits.
  static constexpr Word real(double value) { return {std::bit_cast<u64>(value)}; }
  static constexpr Word integer(i64 value) {
    return tagged(Tag::integer, static_cast<u64>(value) & kPayload);
  }
  static constexpr Word none() { return tagged(Tag::none, 0); }
  static constexpr Word boolean(bool value) { return tagged(Tag::boolean, value ? 1 : 0); }
  static constexpr Word text(Bytes utf8) {
    u64 payload = 0;
    for (std::size_t i = utf8.size(); i-- > 0;) payload = payload << 8 | utf8[i];
    return tagged(Tag::text, payload);
  }
  static constexpr Word reference(HeapRef ref) { return tagged(Tag::reference, static_cast<u64>(ref)); }

  constexpr Tag tag() const {
    if (bits <= kDefaultNan) return Tag::real;
    const u64 tag_bits = bits >> 48 & 7;
    return tag_bits - 1 < 5 ? static_cast<Tag>(tag_bits) : Tag::unknown;
  }
  constexpr bool is_reference() const { return bits >> 48 == (kTagSpace | 5); }

  // Preconditions: the tag is the one asked for.
  constexpr double as_real() const { return std::bit_cast<double>(bits); }
  constexpr i64 as_integer() const { return static_cast<i64>(bits << 16) >> 16; }
  constexpr bool as_boolean() const { return (bits & 1) != 0; }
  // Writes at most kMaxText bytes to `to`, returns how many.
  constexpr unsigned as_text(u8* to) const {
    unsigned count = 0;
    for (u64 rest = bits & kPayload; (rest & 0xff) != 0; rest >>= 8) to[count++] = static_cast<u8>(rest);
    return count;
  }
  constexpr HeapRef as_reference() const { return HeapRef{bits & kPayload}; }
  constexpr u64 payload() const { return bits & kPayload; }

  // Whether an encoder can have written these bits: a known tag, and a payload in the tag's form.
  constexpr bool valid() const {
    switch (tag()) {
      case Tag::real:
      case Tag::integer:
        return true;
      case Tag::none:
        return payload() == 0;
      case Tag::boolean:
        return payload() <= 1;
      case Tag::text:
        return valid_text();
      case Tag::reference:
        return payload() != 0 && payload() >> 45 == 0;
      case Tag::unknown:
        break;
    }
    return false;
  }

  friend constexpr bool operator==(Word, Word) = default;

 private:
  static constexpr u64 kPayload = (u64{1} << 48) - 1;
  static constexpr u64 kTagSpace = 0xfff8;  // the upper 16 bits with tag 0
  static constexpr u64 kDefaultNan = kTagSpace << 48;
  static constexpr i64 kIntegerEnd = i64{1} << 47;

  static constexpr Word tagged(Tag tag, u64 payload) {
    return {kDefaultNan | static_cast<u64>(tag) << 48 | payload};
  }
  // No byte follows the first zero byte.
  constexpr bool valid_text() const {
    u64 rest = payload();
    while ((rest & 0xff) != 0) rest >>= 8;
    return rest == 0;
  }
};
static_assert(sizeof(Word) == 8 && alignof(Word) == 8);

}  // namespace emd
