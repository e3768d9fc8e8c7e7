// Which rule a type of keys follows. Found out once a type, from what it inherits.
//
// Threads: call with the GIL held, or attached where there is none.
#pragma once

#include <Python.h>

#include <string>

#include "python/codec/support.h"

namespace pyr {

enum class KeyKind {
  kReduced,  // the general rule: by __reduce_ex__
  // Subclasses that hash as these do are the same key as the plain object.
  kStr,
  kBytes,
  kInt,
  kFloat,
  kComplex,
  kTuple,
  kFrozenSet,
  kDecimal,
  kFraction,
  kDateTime,
  kDate,
  kTime,
  kTimeDelta,
  kLikeTime,  // derived from one of the four, with a hash of its own
  kUuid,
  kPath,
  kNumpy,  // a number of NumPy's
  kRange,
  kEnum,       // by class and name
  kFlag,       // by class and value: names of combined flags differ between Python versions
  kDataclass,  // with the generated __eq__: by class and fields
  kGlobal,     // a class or function: by module and name
};

struct TypeInfo {
  OwnedRef type;  // a weak reference: a type may die, and another take its address
  KeyKind kind = KeyKind::kReduced;
  OwnedRef fields;   // of a dataclass: the tuple of the names that __eq__ compares
  std::string name;  // module and qualified name, encoded; filled by class_name()
};

// Valid while an object of the type lives. Null with an error set. The first call for a type may run Python code.
TypeInfo* type_info(PyTypeObject* type);

// Module and qualified name of the type, each as a nested str. Null with TypeError set if it has none by which
// another process could find it.
const std::string* class_name(PyTypeObject* type, TypeInfo& info);

// Appends module and qualified name of a class or function.
bool put_qualified_name(PyObject* object, Buffer& out);

}  // namespace pyr
