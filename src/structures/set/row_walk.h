// RowWalk: where a walk along the keys of a typed dict or set stands, many at a time; of all keys, or of those that another
// has too, or has not. KeyWalk is its like for records.
//
// Threads: as the store's. A copy stands where it does. Beside a writer it is taken a copy of, moved within a read, and taken
// over when the read has been confirmed.
#pragma once

#include <algorithm>
#include <memory>

#include "store/scan.h"
#include "structures/set/membership.h"

namespace emd {

class RowWalk {
 public:
  // What is given at a time, and keys that are passed by.
  static constexpr u64 kMostKeys = 8192;
  static constexpr u64 kMostBytes = u64{1} << 20;
  static constexpr u64 kMostPassed = 65536;

  // Of all keys.
  RowWalk() = default;
  // Along the first of two, by members_of(): those of its keys that are in the second, or the others.
  RowWalk(Membership members, bool wanted)
      : members_(std::make_shared<const Membership>(std::move(members))), wanted_(wanted) {}

  // Calls take(key) for the next ones. False: there are no more. The dict is as at the call before. Errors: DamagedError.
  template <class Take>
  bool next(const TypedDict& dict, Scan& scan, Take&& take) {
    const u32 size = dict.key_bytes();
    u64 left = std::clamp<u64>(kMostBytes / size, 1, kMostKeys);
    u64 row = dict.next_live(row_);
    for (u64 passed = 0; row != TypedDict::kNone && left != 0 && passed < kMostPassed; ++passed) {
      if (is_wanted(number_++)) {
        take(Bytes(dict.key_at(row), size));
        --left;
      }
      row_ = row + 1;
      row = dict.next_live(row_);
    }
    if (row_ != 0) dict.reached(row_ - 1, scan);
    return row != TypedDict::kNone;
  }

 private:
  // Damage may show more keys than there are bits.
  bool is_wanted(u64 number) const {
    return !members_ || (number < members_->count() && members_->contains(number) == wanted_);
  }

  std::shared_ptr<const Membership> members_;
  bool wanted_ = true;
  u64 row_ = 0;     // the next to look at
  u64 number_ = 0;  // of keys that it has come by
};

}  // namespace emd
