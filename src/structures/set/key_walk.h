// KeyWalk: where a walk along the keys of a dict or set stands; of all keys, or of those that another has too, or has
// not.
//
// Threads: as the store's. A copy stands where it does. Beside a writer it is taken a copy of, moved within a read, and
// taken over when the read has been confirmed.
#pragma once

#include <memory>
#include <optional>

#include "base/errors.h"
#include "base/hash.h"
#include "store/scan.h"
#include "structures/set/membership.h"

namespace emd {

class KeyWalk {
 public:
  // Keys that are passed by at a time.
  static constexpr unsigned kMostPassed = 65536;

  KeyWalk() = default;
  KeyWalk(u64 count, bool backwards) : backwards_(backwards), left_(count) {}
  // Forwards, along the first of two, by members_of(): those of its keys that are in the second, or the others.
  KeyWalk(Membership members, bool wanted)
      : members_(std::make_shared<const Membership>(std::move(members))),
        wanted_(wanted),
        left_(wanted ? members_->found() : members_->count() - members_->found()) {}

  // The next key's record. None at the end, or, with more(), where many were passed by. The dict is as at the call
  // before; beside a writer, as far as stands_on_its_key() tells. Errors: DamagedError.
  std::optional<Dict::Record> next(const Dict& dict, Scan& scan, bool live) {
    more_ = false;
    for (unsigned passed = 0; !members_ || left_ != 0; ++passed) {
      more_ = passed == kMostPassed;
      if (more_) break;
      auto record = step(dict);
      if (!record) break;
      position_ = record->position;
      dict.reached(*position_, scan);
      if (live) key_hash_ = hash64(record->key, 0);
      if (!is_wanted(number_++)) continue;
      if (left_ != 0) --left_;
      return record;
    }
    return std::nullopt;
  }
  bool more() const { return more_; }
  u64 left() const { return left_; }

  // Beside a writer a position may have become that of another key, or of none, without a change of version().
  bool stands_on_its_key(const Dict& dict) const {
    try {
      return !position_ || hash64(dict.key_at(*position_), 0) == key_hash_;
    } catch (const DamagedError&) {
      return false;
    }
  }

 private:
  std::optional<Dict::Record> step(const Dict& dict) const {
    if (backwards_) return position_ ? dict.previous(*position_) : dict.last();
    return position_ ? dict.next(*position_) : dict.first();
  }
  // Damage may show more keys than there are bits.
  bool is_wanted(u64 number) const {
    return !members_ || (number < members_->count() && members_->contains(number) == wanted_);
  }

  bool backwards_ = false;
  std::optional<RecordPos> position_;
  std::shared_ptr<const Membership> members_;
  bool wanted_ = true;
  bool more_ = false;
  u64 number_ = 0;  // of keys that it has come by
  u64 left_ = 0;
  u64 key_hash_ = 0;  // of the one that it stands on; beside a writer
};

}  // namespace emd
