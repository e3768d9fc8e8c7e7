// SetContainer: the C part of EMSet: a dict of keys without values.
//
// Threads: any; see container.h.
#pragma once

#include "python/dict/object.h"
#include "structures/set/set.h"

namespace pyr {

class SetContainer final : public DictContainer {
 public:
  static constexpr const char* kTypeName = "pyrsistence._core.SetBase";
  using DictContainer::DictContainer;

  emd::Kind kind() const override { return emd::Set::kKind; }
  bool can_share() const override { return false; }
};

// Creates the types and adds them to the module; false with an error set.
bool add_set_types(PyObject* module);

}  // namespace pyr
