// Set: a dict of keys without values, in the same regions and the same format (docs/format.md).
//
// Threads: as the store's.
#pragma once

#include "structures/dict/dict.h"

namespace emd {

class Set : public Dict {
 public:
  static constexpr Kind kKind{7};
  static constexpr const char* kName = "set";
  using Dict::Dict;
};

}  // namespace emd
