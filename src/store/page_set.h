// PageSet: a set of page numbers as a two-level bitmap, so that walking a few members of a large set
// is cheap and adding one allocates nothing (it happens in the middle of operations, which must not fail).
#pragma once

#include <bit>
#include <cstdlib>
#include <memory>
#include <new>

#include "base/bytes.h"
#include "base/check.h"

namespace emd {

class PageSet {
 public:
  // The bits, one a page: Region tests them inline.
  u64* bits() { return bits_.get(); }
  u64 count() const { return count_; }
  bool contains(u64 page) const { return bits_[page >> 6] >> (page & 63) & 1; }

  // Makes room for pages [0, pages); memory is touched only where pages are added. Errors: bad_alloc.
  void resize(u64 pages) {
    const u64 words = (pages + 63) / 64;
    if (words <= words_) return;
    Words bits = allocate(words);
    Words summary = allocate((words + 63) / 64);
    for_each_word([&](u64 word) {
      bits[word] = bits_[word];
      summary[word >> 6] |= u64{1} << (word & 63);
    });
    bits_ = std::move(bits);
    summary_ = std::move(summary);
    words_ = words;
  }

  void add(u64 page) {
    EMD_DCHECK(page >> 6 < words_ && !contains(page));
    bits_[page >> 6] |= u64{1} << (page & 63);
    summary_[page >> 12] |= u64{1} << (page >> 6 & 63);
    if (page >> 12 >= used_) used_ = (page >> 12) + 1;
    ++count_;
  }

  void remove(u64 page) {
    if (!contains(page)) return;
    bits_[page >> 6] &= ~(u64{1} << (page & 63));
    --count_;  // the summary may say too much, which is harmless
  }

  void clear() {
    for_each_word([&](u64 word) { bits_[word] = 0; });
    for (u64 i = 0; i < used_; ++i) {
      if (summary_[i] != 0) summary_[i] = 0;
    }
    used_ = count_ = 0;
  }

  // Calls f(first, count) for each run of neighbouring pages, in order.
  template <class F>
  void for_each_run(F&& f) const {
    u64 first = 0, length = 0;
    for_each_word([&](u64 word) {
      for (u64 rest = bits_[word]; rest != 0; rest &= rest - 1) {
        const u64 page = word * 64 + static_cast<u64>(std::countr_zero(rest));
        if (length != 0 && page == first + length) {
          ++length;
          continue;
        }
        if (length != 0) f(first, length);
        first = page;
        length = 1;
      }
    });
    if (length != 0) f(first, length);
  }

 private:
  struct Free {
    void operator()(u64* p) const { std::free(p); }
  };
  using Words = std::unique_ptr<u64[], Free>;

  // calloc gives large blocks as untouched zero pages.
  static Words allocate(u64 words) {
    auto* const p = static_cast<u64*>(std::calloc(words, sizeof(u64)));
    if (p == nullptr) throw std::bad_alloc();
    return Words(p);
  }

  template <class F>
  void for_each_word(F&& f) const {
    for (u64 i = 0; i < used_; ++i) {
      for (u64 rest = summary_[i]; rest != 0; rest &= rest - 1) {
        f(i * 64 + static_cast<u64>(std::countr_zero(rest)));
      }
    }
  }

  Words bits_;
  Words summary_;
  u64 words_ = 0;
  u64 used_ = 0;  // words of the summary that may not be zero: a window may be reserved for a terabyte
  u64 count_ = 0;
};

}  // namespace emd
