// RecordWalk: where an iterator over a dict or a set is, and a copy of the record there.
//
// Threads: as the store's.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "api/encoding.h"
#include "api/open_store.h"

namespace emd::v2::detail {

template <class Structure>
class RecordWalk {
 public:
  explicit RecordWalk(const Container& handle) : handle_(handle) {
    const auto& member = use<Structure>(handle_);
    member.read_consistent([&] { version_ = member.structure().version(); });
  }

  // To the next record; false at the end. Errors: StateError if a key has come or gone.
  bool step() {
    const auto& member = use<Structure>(handle_);
    const bool found = member.read_consistent([&] { return take(member.structure()); });
    begun_ = true;
    position_ = next_;
    return found;
  }
  // Valid until the next step.
  std::string_view key() const { return key_; }
  std::string_view value() const { return value_; }

 private:
  // May be done again, so what it begins from stays.
  bool take(const Structure& structure) {
    if (structure.version() != version_) {
      throw StateError("'" + handle_.name() + "': a key has come or gone while it was iterated; begin again");
    }
    const auto record = begun_ ? structure.next(position_) : structure.first();
    if (!record) return false;
    next_ = record->position;
    key_ = decoded(record->key);
    if constexpr (!std::is_same_v<Structure, core::Set>) value_ = decoded(record->value);
    structure.reached(next_, scan_);
    return true;
  }

  Container handle_;
  u64 version_ = 0;
  bool begun_ = false;
  RecordPos position_{}, next_{};
  Scan scan_;
  std::string key_, value_;
};

}  // namespace emd::v2::detail
