// What a typed dict is to hold: keys and values as bytes, in insertion order.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "base/bytes.h"

namespace emd::fuzz {

inline const u8* raw(const std::string& bytes) { return reinterpret_cast<const u8*>(bytes.data()); }
inline std::string text(const u8* bytes, u64 size) { return {reinterpret_cast<const char*>(bytes), size}; }
// A number as so many bytes: what is longer repeats it, what is shorter loses its upper ones.
inline std::string bytes_of(u64 number, u64 size) {
  std::string bytes(size, '\0');
  for (u64 i = 0; i < size; ++i) bytes[i] = static_cast<char>(number >> (8 * (i % 8)) ^ (i / 8) * 91);
  return bytes;
}

class TypedModel {
 public:
  using Entries = std::map<u64, std::pair<std::string, std::string>>;  // by the order of insertion

  u64 size() const { return entries_.size(); }
  const Entries& entries() const { return entries_; }
  // Null: there is no such key.
  const std::string* find(const std::string& key) const {
    const auto at = orders_.find(key);
    return at == orders_.end() ? nullptr : &entries_.at(at->second).second;
  }
  // Whether it is new.
  bool put(const std::string& key, const std::string& value) {
    const auto [at, inserted] = orders_.try_emplace(key, next_);
    if (inserted) ++next_;
    entries_[at->second] = {key, value};
    return inserted;
  }
  // As little-endian integers, which wrap.
  void add(const std::string& key, const std::string& delta) {
    const std::string* const value = find(key);
    std::string sum = delta;
    unsigned carry = 0;
    for (std::size_t i = 0; value != nullptr && i < sum.size(); ++i) {
      carry += static_cast<unsigned>(static_cast<u8>(sum[i])) + static_cast<u8>((*value)[i]);
      sum[i] = static_cast<char>(carry);
      carry >>= 8;
    }
    put(key, sum);
  }
  bool erase(const std::string& key) {
    const auto at = orders_.find(key);
    if (at == orders_.end()) return false;
    entries_.erase(at->second);
    orders_.erase(at);
    return true;
  }
  void clear() {
    entries_.clear();
    orders_.clear();
  }

 private:
  std::map<std::string, u64> orders_;
  Entries entries_;
  u64 next_ = 0;
};

}  // namespace emd::fuzz
