// SparseBytes: the bytes of a simulated file, as pages that copies share until one of them is written to. So a copy of
// a file costs a pointer a page, and pages of zeros cost nothing.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace emd::testing {

class SparseBytes {
 public:
  u64 size() const { return size_; }

  void resize(u64 size) {
    if (size < size_ && size % kPageSize != 0) fill(size, std::min(size_, page_up(size)) - size);
    pages_.resize(page_up(size) >> kPageShift);
    size_ = size;
  }
  // Writes behind the end grow it.
  void write(u64 offset, Bytes bytes) {
    if (offset + bytes.size() > size_) resize(offset + bytes.size());
    for_each_piece(offset, bytes.size(), [&](u64 page, u64 begin, u64 length, u64 done) {
      std::memcpy(own(page).data() + begin, bytes.data() + done, length);
    });
  }
  // Zeroes what lies within the size.
  void fill(u64 offset, u64 length) {
    if (offset >= size_) return;
    for_each_piece(offset, std::min(length, size_ - offset), [&](u64 page, u64 begin, u64 n, u64) {
      if (pages_[page] == nullptr) return;
      if (n == kPageSize) {
        pages_[page].reset();
      } else {
        std::memset(own(page).data() + begin, 0, n);
      }
    });
  }
  // A page's bytes; zeros where nothing was ever written.
  const u8* page(u64 number) const {
    static constexpr Page kZeros{};
    return pages_[number] != nullptr ? pages_[number]->data() : kZeros.data();
  }
  u64 page_count() const { return pages_.size(); }
  bool is_hole(u64 number) const { return pages_[number] == nullptr; }

 private:
  using Page = std::array<u8, kPageSize>;

  template <class F>
  static void for_each_piece(u64 offset, u64 length, F&& f) {
    for (u64 done = 0; done < length;) {
      const u64 begin = (offset + done) % kPageSize;
      const u64 n = std::min(kPageSize - begin, length - done);
      f((offset + done) >> kPageShift, begin, n, done);
      done += n;
    }
  }
  Page& own(u64 number) {
    std::shared_ptr<Page>& page = pages_[number];
    if (page == nullptr) {
      page = std::make_shared<Page>();
    } else if (page.use_count() != 1) {
      page = std::make_shared<Page>(*page);
    }
    return *page;
  }

  u64 size_ = 0;
  std::vector<std::shared_ptr<Page>> pages_;
};

}  // namespace emd::testing
