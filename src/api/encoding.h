// Bytes, texts and numbers as the files have them, so that Python reads what C++ wrote, and the other way round. The
// tags are those of docs/format.md, "Values and keys"; of what else is there, C++ only says that it does not read it.
//
// Threads: any.
#pragma once

#include <cstring>
#include <string>
#include <string_view>

#include "api/core.h"

namespace emd::v2::detail {

enum Tag : u8 {
  kNone = 0x01,
  kFalse = 0x02,
  kTrue = 0x03,
  kFloat = 0x08,
  kAscii = 0x0a,
  kUtf8 = 0x0b,
  kBytes = 0x0c,
  kInt = 0x10,  // kInt + n: n bytes of two's complement, n = 0 to 8
};

// The tag of these. Errors: FormatError for a text that is not UTF-8.
Tag tag_of(BytesView bytes);

// A whole key or value. It does not lie in the store, as what is put must not.
class Encoded {
 public:
  explicit Encoded(BytesView bytes) : size_(bytes.size() + 1) {
    const Tag tag = __builtin_expect(bytes.is_text(), 0) ? tag_of(bytes) : kBytes;
    if (__builtin_expect(size_ > sizeof small_, 0)) at_ = new u8[size_];
    at_[0] = tag;
    if (!bytes.empty()) std::memcpy(at_ + 1, bytes.data(), bytes.size());
  }
  ~Encoded() {
    if (__builtin_expect(at_ != small_, 0)) delete[] at_;
  }
  Encoded(const Encoded&) = delete;
  Encoded& operator=(const Encoded&) = delete;

  Bytes bytes() const { return {at_, size_}; }

 private:
  std::size_t size_;
  u8* at_ = small_;
  u8 small_[256];
};

[[noreturn]] void refuse_foreign(Bytes encoded);

// What encoded bytes or an encoded text hold. Errors: FormatError for what else Python may have put there.
inline std::string_view decoded(Bytes encoded) {
  const bool known =
      !encoded.empty() && (encoded[0] == kBytes || encoded[0] == kAscii || encoded[0] == kUtf8);
  if (__builtin_expect(!known, 0)) refuse_foreign(encoded);
  return as_text(encoded.subspan(1));
}

// A number as a whole value.
std::string encoded_integer(i64 value);
std::string encoded_real(double value);
// What a block of a list holds. Errors: FormatError, DamagedError.
Value decoded_value(Bytes encoded);

// Attributes of a graph's vertices and edges: a dict of one entry, "data"; nothing for nothing.
std::string encoded_attributes(BytesView bytes);
// Errors: FormatError for attributes that are others.
std::string decoded_attributes(Bytes encoded);

}  // namespace emd::v2::detail
