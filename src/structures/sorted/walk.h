// SortedWalk: where a walk along a sorted dict stands: at a number, of those from one to another, by a step.
//
// It counts, and so needs nothing of the tree but the place of the entry given last, to go on in the same leaf; when an entry
// has moved since, it comes down anew.
//
// Threads: as the store's. A copy stands where it does. Beside a writer it is taken a copy of, moved within a read, and taken
// over when the read has been confirmed.
#pragma once

#include <optional>

#include "structures/sorted/sorted.h"

namespace emd {

class SortedWalk {
 public:
  SortedWalk() = default;
  // `count` entries: of these numbers, first, first + step, and so on, which may go down. All are less than size().
  SortedWalk(u64 first, u64 count, i64 step) : number_(first), left_(count), step_(step) {}

  // The next entry; none at the end. The tree has the same keys as at the call before. Errors: DamagedError.
  std::optional<Sorted::Record> next(const Sorted& tree, Scan& scan) {
    if (left_ == 0) return std::nullopt;
    if (!place_ || generation_ != tree.generation() || !moves_within(tree)) {
      place_ = tree.select(number_);
      generation_ = tree.generation();
      tree.reached(*place_, scan);
    }
    const Sorted::Record record = tree.at(*place_);
    given_ = true;
    --left_;
    number_ += static_cast<u64>(step_);
    return record;
  }
  u64 left() const { return left_; }

 private:
  bool moves_within(const Sorted& tree) {
    if (!given_) return false;
    const i64 before = tree.before(*place_), behind = tree.behind(*place_);
    if (step_ < 0 ? -step_ > before : step_ >= behind) return false;
    tree.move(*place_, static_cast<int>(step_));
    return true;
  }

  u64 number_ = 0;
  u64 left_ = 0;
  i64 step_ = 1;
  std::optional<Sorted::Place> place_;
  u64 generation_ = 0;
  bool given_ = false;
};

}  // namespace emd
