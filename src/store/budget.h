// Budgets: how many private (anonymous) pages the stores of the process may hold.
//
// There is one for the process, and a store may have a smaller one of its own (StoreOptions::memory_bytes). A store
// that touches a page counts it in both. When the process's limit is passed, every store is asked to commit and let
// its pages go at its next operation; when its own is passed, the store alone.
//
// Threads: any.
#pragma once

#include <atomic>
#include <mutex>
#include <unordered_map>

#include "base/bytes.h"

namespace emd {

// An eighth of a budget is kept for buffers; the rest may be pages.
inline constexpr u64 pages_within(u64 bytes) { return (bytes - bytes / 8) >> kPageShift; }

// The process's.
class Budget {
 public:
  // Below this a handful of pages would be committed again and again.
  static constexpr u64 kLeastBytes = u64{1} << 20;

  static Budget& instance();

  u64 bytes() const { return limit_bytes_.load(std::memory_order_relaxed); }
  void set_bytes(u64 bytes);
  u64 page_limit() const { return pages_within(bytes()); }
  u64 pages() const { return pages_.load(std::memory_order_relaxed); }

  void add_pages(u64 count) {
    if (pages_.fetch_add(count, std::memory_order_relaxed) + count > page_limit()) ask_all();
  }
  void remove_pages(u64 count) { pages_.fetch_sub(count, std::memory_order_relaxed); }
  bool exceeded() const { return pages() > page_limit(); }
  bool quarter_used() const { return pages() > page_limit() / 4; }

  // `bits` are set in `flags` when the limit is passed.
  void enroll(std::atomic<u32>& flags, u32 bits);
  void resign(std::atomic<u32>& flags);

 private:
  Budget();
  void ask_all();

  std::atomic<u64> limit_bytes_;
  std::atomic<u64> pages_ = 0;
  std::mutex mutex_;
  std::unordered_map<std::atomic<u32>*, u32> stores_;  // bits by the flags
};

// A store's: what it holds, and its limit, if it has one of its own.
class StoreBudget {
 public:
  // `bits` are set in `flags` when a limit is passed, from now on until stop(). `bytes`: the own limit; 0: none.
  void start(u64 bytes, std::atomic<u32>& flags, u32 bits);
  void stop();

  bool own() const { return own_bytes_ != 0; }
  // What counts: the smaller of its own and the process's.
  u64 bytes() const;
  u64 page_limit() const { return pages_within(bytes()); }
  u64 pages() const { return pages_.load(std::memory_order_relaxed); }
  bool exceeded() const {
    return Budget::instance().exceeded() || (own() && pages() > pages_within(own_bytes_));
  }
  bool quarter_used() const {
    return Budget::instance().quarter_used() || (own() && pages() > pages_within(own_bytes_) / 4);
  }
  // For a buffer that lives as long as a call: what is kept for buffers and what pages leave, at most a quarter.
  u64 buffer_bytes() const;

  void add_pages(u64 count);
  void remove_pages(u64 count) {
    pages_.fetch_sub(count, std::memory_order_relaxed);
    Budget::instance().remove_pages(count);
  }

 private:
  u64 own_bytes_ = 0;
  std::atomic<u64> pages_ = 0;
  std::atomic<u32>* flags_ = nullptr;
  u32 bits_ = 0;
};

}  // namespace emd
