// Opening a member's structure as what is wanted: what is new is laid out so, and what is there has to be so.
//
// A structure S says what can be wanted of it: S::OpenAs. It opens by itself (a constructor that takes it), or has
// lay_out_as() and require(), which refuses what is another than wanted.
//
// Threads: as the store's.
#pragma once

#include <memory>
#include <string>
#include <type_traits>

#include "base/errors.h"
#include "store/store.h"

namespace emd {

// Errors: FormatError if it is another than wanted, or a store that is read has one that was never laid out; those of
// S.
template <class S>
std::shared_ptr<S> open_as(Store& store, Member& member, const typename S::OpenAs& wanted) {
  if constexpr (std::is_constructible_v<S, Store&, Member&, const typename S::OpenAs&>) {
    return std::make_shared<S>(store, member, wanted);
  } else {
    auto structure = std::make_shared<S>(store, member);
    if (!structure->laid_out()) {
      if (store.read_only()) {
        throw FormatError(
            store.path() + ": the " + S::kName +
            " is not laid out yet: its writer was cut off while making it; open it with mode='a'");
      }
      const Operation operation(store);
      structure->lay_out_as(wanted);
    }
    structure->require(wanted);
    return structure;
  }
}

}  // namespace emd
