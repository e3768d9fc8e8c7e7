// A file of bytes in memory, for parsers that read through platform::File and map nothing.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "base/check.h"
#include "platform/file.h"

namespace emd::fuzz {

class MemoryFile : public platform::File {
 public:
  // Works on `bytes`, which outlive it.
  explicit MemoryFile(std::vector<u8>& bytes) : bytes_(bytes) {}

  const std::string& path() const override { return path_; }
  u64 size() override { return bytes_.size(); }
  u64 allocated() override { return bytes_.size(); }
  void allocate(u64 offset, u64 length) override {
    bytes_.resize(std::max<u64>(bytes_.size(), offset + length));
  }
  void truncate(u64 size) override { bytes_.resize(size); }
  u64 read(u64 offset, void* to, u64 length) override {
    if (offset >= bytes_.size()) return 0;
    const u64 n = std::min<u64>(length, bytes_.size() - offset);
    if (n != 0) std::memcpy(to, bytes_.data() + offset, n);
    return n;
  }
  void write(u64 offset, const void* from, u64 length) override {
    allocate(offset, length);
    if (length != 0) std::memcpy(bytes_.data() + offset, from, length);
  }
  void sync() override {}
  void punch(u64 offset, u64 length) override { zero(offset, length); }
  void zero(u64 offset, u64 length) override {
    EMD_CHECK(offset <= bytes_.size() && length <= bytes_.size() - offset);
    std::fill_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset), length, u8{0});
  }
  void map(void*, u64, u64, Share) override { EMD_CHECK(false && "nothing here is mapped"); }

 private:
  const std::string path_ = "memory";
  std::vector<u8>& bytes_;
};

}  // namespace emd::fuzz
