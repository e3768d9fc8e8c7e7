// The tags that C++ reads and writes: texts, bytes, whole numbers, floats, None and booleans.
#include "api/encoding.h"

#include <algorithm>

#include "base/utf8.h"

namespace emd::v2::detail {
namespace {

// A dict, one entry, a nested text of four characters: what every encoded_attributes() begins with.
constexpr std::string_view kAttributesHead{
    "\x22\x01\x0a\x04"
    "data",
    8};

[[noreturn]] void damaged(const char* expected, Bytes encoded) {
  throw DamagedError(std::string("a value: expected ") + expected + ", found " +
                     std::to_string(encoded.size()) +
                     " bytes; run verify(), and restore the store from a backup");
}

std::string tagged(unsigned tag, const void* bytes, std::size_t count) {
  std::string result(1, static_cast<char>(tag));
  return result.append(static_cast<const char*>(bytes), count);
}

}  // namespace

Tag tag_of(BytesView bytes) {
  if (!bytes.is_text()) return kBytes;
  const std::string_view text = bytes;
  const bool ascii = std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
  if (ascii) return kAscii;
  if (!is_utf8(as_bytes(text)))
    throw FormatError("expected a text in UTF-8, found other bytes; leave text() out to store bytes");
  return kUtf8;
}

void refuse_foreign(Bytes encoded) {
  if (encoded.empty()) damaged("a tag", encoded);
  throw FormatError("expected bytes or a text, found a value of another type of Python (tag " +
                    std::to_string(encoded[0]) + "); read it with the Python package");
}

// The fewest bytes: none for 0, one for -128 to 127, and so on.
std::string encoded_integer(i64 value) {
  const unsigned bits = 64 - static_cast<unsigned>(__builtin_clrsbll(value));
  const unsigned bytes = value == 0 ? 0 : (bits + 7) / 8;
  return tagged(kInt + bytes, &value, bytes);
}

std::string encoded_real(double value) { return tagged(kFloat, &value, sizeof value); }

Value decoded_value(Bytes encoded) {
  const unsigned tag = encoded.empty() ? 0u : encoded[0];
  if (tag >= kInt && tag <= kInt + 8) {
    const unsigned bytes = tag - kInt;
    if (encoded.size() != 1 + bytes) damaged("an integer", encoded);
    if (bytes == 0) return i64{0};
    u64 bits = 0;
    std::memcpy(&bits, encoded.data() + 1, bytes);
    return static_cast<i64>(bits << (64 - 8 * bytes)) >> (64 - 8 * bytes);
  }
  if (tag == kFloat) {
    if (encoded.size() != 1 + sizeof(double)) damaged("a float", encoded);
    return load<double>(encoded.data() + 1);
  }
  if (tag == kNone) return std::monostate();
  if (tag == kFalse || tag == kTrue) return tag == kTrue;
  return std::string(decoded(encoded));
}

std::string encoded_attributes(BytesView bytes) {
  if (bytes.empty()) return {};
  std::string result(kAttributesHead);
  u8 head[1 + kVarintMax];
  head[0] = tag_of(bytes);
  const u8* const end = put_varint(head + 1, bytes.size());
  result.append(reinterpret_cast<const char*>(head), static_cast<std::size_t>(end - head));
  return result.append(bytes.data(), bytes.size());
}

std::string decoded_attributes(Bytes encoded) {
  if (encoded.empty()) return {};
  const auto foreign = [] {
    throw FormatError(
        "expected attributes that are the one entry \"data\", found others; read them with the Python "
        "package");
  };
  if (!as_text(encoded).starts_with(kAttributesHead) || encoded.size() == kAttributesHead.size()) foreign();
  const u8* at = encoded.data() + kAttributesHead.size();
  const u8* const end = encoded.data() + encoded.size();
  const u8 tag = *at++;
  if (tag != kBytes && tag != kAscii && tag != kUtf8) foreign();
  u64 length = 0;
  at = get_varint(at, end, length);
  if (at == nullptr || length != static_cast<u64>(end - at))
    damaged("as many bytes as their length says", encoded);
  return {reinterpret_cast<const char*>(at), length};
}

}  // namespace emd::v2::detail
