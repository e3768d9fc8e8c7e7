// TypedSetContainer: the C part of EMTypedSet: a typed dict's of keys alone (python/typed_dict/object.h).
//
// Threads: any; see container.h.
#pragma once

#include <Python.h>

#include "python/typed_dict/object.h"
#include "structures/set/typed_set.h"

namespace pyr {

// It has no members of its own: functions of the dict's container are methods of it.
class TypedSetContainer final : public TypedContainer {
 public:
  static constexpr const char* kTypeName = "pyrsistence._core.TypedSetBase";
  using TypedContainer::TypedContainer;

  emd::Kind kind() const override { return emd::TypedSet::kKind; }
};
static_assert(sizeof(TypedSetContainer) == sizeof(TypedContainer));

// Creates the types and adds them to the module; false with an error set.
bool add_typed_set_types(PyObject* module);

}  // namespace pyr
