// Scan: the windows ahead of and behind a walk, and how large they are.
#include "store/scan.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <new>

namespace emd {
namespace {

constexpr u64 kPages = Scan::kStep >> kPageShift;
// Steps that are asked for ahead of the walk.
constexpr u64 kAhead = 4;
// Below this the kernel's own reading ahead does.
constexpr u64 kLeastRegion = 4 * Scan::kStep;

}  // namespace

// What is known of the steps around the walk, by their numbers.
class Scan::Window {
 public:
  // The walk has come from step `from` to its neighbour `to`.
  void move(Region& region, u64 from, u64 to) {
    const bool forward = to > from;
    for (u64 i = 0; i <= kAhead; ++i) {
      if (forward ? to + i < to : i > to) break;
      ask(region, forward ? to + i : to - i);
    }
    // Not the step just left: the walk may look back for an element.
    if (forward ? from >= 1 : true) let_go(region, forward ? from - 1 : from + 1);
  }

 private:
  struct Step {
    u64 number = ~u64{0};
    std::bitset<kPages> brought;  // pages that were not in memory before
  };
  // The steps ahead, the present one, two behind.
  std::array<Step, kAhead + 3> steps_;
  Step& at(u64 number) { return steps_[number % steps_.size()]; }

  void ask(Region& region, u64 number) {
    Step& step = at(number);
    if (step.number == number || number * kStep >= region.size()) return;
    step.number = number;
    step.brought.reset();
    std::array<u8, kPages> resident;
    const u64 pages = region.resident(number * kStep, kStep, resident.data());
    for (u64 i = 0; i < pages; ++i) step.brought[i] = (resident[i] & 1) == 0;
    if (step.brought.any()) region.will_need(number * kStep, kStep);
  }

  void let_go(Region& region, u64 number) {
    Step& step = at(number);
    if (step.number != number) return;
    step.number = ~u64{0};
    if (!region.large()) return;
    for (u64 first = 0; first < kPages;) {
      u64 end = first;
      while (end < kPages && step.brought[end]) ++end;
      if (end > first) region.let_go(number * kStep + (first << kPageShift), (end - first) << kPageShift);
      first = end + 1;
    }
  }
};

Scan::Scan() noexcept = default;
Scan::~Scan() = default;

void Scan::step(Region& region, u64 offset) noexcept {
  const u64 from = begin_ / kStep, to = offset / kStep;
  begin_ = to * kStep;
  const bool neighbour = to == from + 1 || to + 1 == from;
  if (!neighbour || region.size() < kLeastRegion) {
    window_.reset();
    return;
  }
  if (window_ == nullptr) window_.reset(new (std::nothrow) Window);
  if (window_ != nullptr) window_->move(region, from, to);
}

}  // namespace emd
