// TypedSet: a typed dict of keys whose values have no bytes, in the same regions and the same format (docs/format.md).
//
// Threads: as the store's.
#pragma once

#include "structures/typed_dict/typed_dict.h"

namespace emd {

class TypedSet : public TypedDict {
 public:
  static constexpr Kind kKind{8};
  static constexpr const char* kName = "typed set";
  using TypedDict::TypedDict;
};

}  // namespace emd
