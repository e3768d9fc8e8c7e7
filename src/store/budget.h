// Budget: how many private (anonymous) pages all stores of the process may hold together.
//
// A store that touches a page counts it here; when the limit is passed, every store is asked to commit
// and let its pages go at its next operation.
//
// Threads: any.
#pragma once

#include <atomic>
#include <mutex>
#include <vector>

#include "base/bytes.h"

namespace emd {

class Budget {
 public:
  static Budget& instance();

  u64 bytes() const { return limit_bytes_.load(std::memory_order_relaxed); }
  void set_bytes(u64 bytes);
  // An eighth is kept for buffers; the rest may be pages.
  u64 page_limit() const { return (bytes() - bytes() / 8) >> kPageShift; }

  void add_pages(u64 count) {
    if (pages_.fetch_add(count, std::memory_order_relaxed) + count > page_limit()) ask_all();
  }
  void remove_pages(u64 count) { pages_.fetch_sub(count, std::memory_order_relaxed); }
  bool exceeded() const { return pages_.load(std::memory_order_relaxed) > page_limit(); }

  // `bits` are set in `flags` when the limit is passed.
  void enroll(std::atomic<u32>& flags, u32 bits);
  void resign(std::atomic<u32>& flags);

 private:
  Budget();
  void ask_all();

  struct Enrolled {
    std::atomic<u32>* flags;
    u32 bits;
  };
  std::atomic<u64> limit_bytes_;
  std::atomic<u64> pages_ = 0;
  std::mutex mutex_;
  std::vector<Enrolled> stores_;
};

}  // namespace emd
