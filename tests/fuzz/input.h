// Input: the bytes that a fuzzer gives, read from the front as choices and numbers. Where they end, everything is zero,
// so that every input is a whole one and a shorter one is never worse.
#pragma once

#include <algorithm>
#include <string>

#include "base/bytes.h"

namespace emd::fuzz {

class Input {
 public:
  Input(const u8* data, std::size_t size) : rest_(data, size) {}
  explicit Input(Bytes bytes) : rest_(bytes) {}

  bool empty() const { return rest_.empty(); }
  u8 byte() { return number<u8>(); }
  template <class T>
  T number(std::size_t width = sizeof(T)) {
    T value{};
    const Bytes from = bytes(width);
    if (!from.empty()) std::memcpy(&value, from.data(), from.size());
    return value;
  }
  // Uniform enough, and a small number of bytes of the input decides.
  u64 below(u64 limit) {
    if (limit <= 1) return 0;
    return (limit <= 256 ? byte() : limit <= 65536 ? number<u16>() : number<u64>()) % limit;
  }
  // A number of any magnitude: most are small, all are possible.
  u64 magnitude() {
    const u8 width = byte();
    return number<u64>(width % 8 + 1);
  }
  Bytes bytes(u64 size) {
    const Bytes taken = rest_.first(std::min<u64>(size, rest_.size()));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }
  Bytes rest() { return bytes(rest_.size()); }
  // Text of so many bytes, a pattern of one byte of the input.
  std::string text(u64 size) { return std::string(size, static_cast<char>(byte())); }

 private:
  Bytes rest_;
};

}  // namespace emd::fuzz
