// The budget of the process and that of a store: which pages count, and who is asked to commit when it is full.
#include "store/budget.h"

#include <algorithm>

#include "platform/fork_guard.h"
#include "platform/mapping.h"
#include "store/store.h"

namespace emd {

// Never destroyed: stores may be closed late in the interpreter's end.
Budget& Budget::instance() {
  static Budget* const budget = new Budget;
  return *budget;
}

Budget::Budget() : limit_bytes_(std::max(platform::memory_limit() / 4, kLeastBytes)) {
  platform::hold_over_fork(mutex_);
}

void Budget::set_bytes(u64 bytes) {
  limit_bytes_.store(std::max(bytes, kLeastBytes), std::memory_order_relaxed);
  if (exceeded()) ask_all();
}

void Budget::ask_all() {
  const std::lock_guard hold(mutex_);
  for (const auto& [flags, bits] : stores_) flags->fetch_or(bits, std::memory_order_relaxed);
}

void Budget::enroll(std::atomic<u32>& flags, u32 bits) {
  const std::lock_guard hold(mutex_);
  stores_.emplace(&flags, bits);
}

void Budget::resign(std::atomic<u32>& flags) {
  const std::lock_guard hold(mutex_);
  stores_.erase(&flags);
}

void StoreBudget::start(u64 bytes, std::atomic<u32>& flags, u32 bits) {
  own_bytes_ = bytes == 0 ? 0 : std::max(bytes, Budget::kLeastBytes);
  flags_ = &flags;
  bits_ = bits;
  Budget::instance().enroll(flags, bits);
}

void StoreBudget::stop() {
  if (flags_ != nullptr) Budget::instance().resign(*flags_);
  flags_ = nullptr;
}

u64 StoreBudget::bytes() const {
  const u64 all = Budget::instance().bytes();
  return own() ? std::min(own_bytes_, all) : all;
}

u64 StoreBudget::buffer_bytes() const {
  const u64 limit = bytes();
  const u64 used = std::min(pages(), pages_within(limit)) << kPageShift;
  return std::min(limit / 4, limit - used);
}

void StoreBudget::add_pages(u64 count) {
  const u64 held = pages_.fetch_add(count, std::memory_order_relaxed) + count;
  if (own() && held > pages_within(own_bytes_) && flags_ != nullptr) {
    flags_->fetch_or(bits_, std::memory_order_relaxed);
  }
  Budget::instance().add_pages(count);
}

u64 memory_budget() { return Budget::instance().bytes(); }
void set_memory_budget(u64 bytes) { Budget::instance().set_bytes(bytes); }

}  // namespace emd
