// Scan: what a walk along a region tells the kernel, so that it reads ahead of the walk, and so that the walk does not
// push out of the page cache what others need.
//
// Every few MiB it asks for the next ones. Where the region is large against the budget (Region::large()) it also gives
// back the pages behind it, but only those that were not in memory when it came: what was hot stays. A walk in either
// direction is known by its steps; one that jumps is left alone.
//
// It is advice: nothing depends on it, and nothing of it can fail. Private copies of pages are never given back.
//
// Threads: as the store's.
#pragma once

#include <memory>

#include "base/bytes.h"
#include "store/region.h"

namespace emd {

class Scan {
 public:
  static constexpr u64 kStep = u64{4} << 20;

  Scan() noexcept;
  ~Scan();
  // Of another walk, of which nothing is known yet: what was advised stays with the first.
  Scan(const Scan&) noexcept : Scan() {}
  Scan& operator=(const Scan&) noexcept { return *this; }

  // The walk has come to this offset. Cost: a comparison; once a step some system calls.
  void reached(Region& region, u64 offset) {
    if (__builtin_expect(offset - begin_ >= kStep, 0)) step(region, offset);
  }

 private:
  class Window;

  void step(Region& region, u64 offset) noexcept;

  u64 begin_ = 0;                   // of the step that the walk is in
  std::unique_ptr<Window> window_;  // once there is something to advise
};

}  // namespace emd
