// SetContainer: the C part of EMSet: keys without values. See python/dict/object.h for the order of work in a slot.
//
// Threads: any; see container.h.
#pragma once

#include <Python.h>

#include "python/core/container.h"
#include "structures/set/set.h"

namespace pyr {

class SetContainer final : public StructureContainer<emd::Set> {
 public:
  static constexpr const char* kTypeName = "pyrsistence._core.SetBase";
  using StructureContainer::StructureContainer;

  // Precondition: entered.
  emd::Set& set() { return structure(); }

  void want(PyObject* wanted) override;
};

// Creates the types and adds them to the module; false with an error set.
bool add_set_types(PyObject* module);

}  // namespace pyr
