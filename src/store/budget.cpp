#include "store/budget.h"

#include <algorithm>

#include "platform/fork_guard.h"
#include "platform/mapping.h"
#include "store/store.h"

namespace emd {
namespace {
// Below this a handful of pages would be committed again and again.
constexpr u64 kLeastBudget = u64{1} << 20;
}  // namespace

// Never destroyed: stores may be closed late in the interpreter's end.
Budget& Budget::instance() {
  static Budget* const budget = new Budget;
  return *budget;
}

Budget::Budget() : limit_bytes_(std::max(platform::memory_limit() / 4, kLeastBudget)) {
  platform::hold_over_fork(mutex_);
}

void Budget::set_bytes(u64 bytes) {
  limit_bytes_.store(std::max(bytes, kLeastBudget), std::memory_order_relaxed);
  if (exceeded()) ask_all();
}

void Budget::ask_all() {
  const std::lock_guard hold(mutex_);
  for (const Enrolled& one : stores_) one.flags->fetch_or(one.bits, std::memory_order_relaxed);
}

void Budget::enroll(std::atomic<u32>& flags, u32 bits) {
  const std::lock_guard hold(mutex_);
  stores_.push_back({&flags, bits});
}

void Budget::resign(std::atomic<u32>& flags) {
  const std::lock_guard hold(mutex_);
  std::erase_if(stores_, [&](const Enrolled& one) { return one.flags == &flags; });
}

u64 memory_budget() { return Budget::instance().bytes(); }
void set_memory_budget(u64 bytes) { Budget::instance().set_bytes(bytes); }

}  // namespace emd
