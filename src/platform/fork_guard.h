// Tells a forked child that the handles it inherited are its parent's.
//
// Threads: any. Other systems: Windows does not fork; the guard is then empty.
#pragma once

#include <atomic>
#include <mutex>

#include "base/bytes.h"

namespace emd::platform {

// While it lives, a fork sets `bits` in `flags` in the child, before the child runs anything else.
class ForkGuard {
 public:
  ForkGuard(std::atomic<u32>& flags, u32 bits);
  ~ForkGuard();
  ForkGuard(const ForkGuard&) = delete;
  ForkGuard& operator=(const ForkGuard&) = delete;

 private:
  std::atomic<u32>& flags_;
};

// A mutex of the whole process, which lives as long as it does: held over every fork, so that the child does not find
// it locked by a thread that it has not. Precondition: whoever holds it takes no other of these, and makes no guard.
void hold_over_fork(std::mutex& mutex);

// Owns a descriptor, which a forked child closes at once. A lock of an open file description is inherited with its
// descriptor, so a child that outlives its parent would keep the lock.
class ChildCloses {
 public:
  explicit ChildCloses(int descriptor);
  ~ChildCloses();
  ChildCloses(const ChildCloses&) = delete;
  ChildCloses& operator=(const ChildCloses&) = delete;
  // False in a child: the number is no longer ours to close.
  bool owned() const;

 private:
  int descriptor_;
  int process_;
};

}  // namespace emd::platform
