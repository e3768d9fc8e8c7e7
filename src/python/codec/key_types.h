// Which rule a type of keys follows. Found out once a type, from what it inherits.
//
// Threads: call with the GIL held, or attached where there is none.
#pragma once

#include <Python.h>

#include <string>

#include "python/codec/support.h"

namespace pyr {

enum class KeyRule {
  reduced,  // the general rule: by __reduce_ex__
  // Subclasses that hash as these do are the same key as the plain object.
  str,
  bytes,
  integer,
  real,
  complex,
  tuple,
  frozen_set,
  decimal,
  fraction,
  datetime,
  date,
  time,
  timedelta,
  like_time,  // derived from one of the four, with a hash of its own
  uuid,
  path,
  numpy,  // a number of NumPy's
  range,
  enumeration,  // by class and name
  flag,         // by class and value: names of combined flags differ between Python versions
  dataclass,    // with the generated __eq__: by class and fields
  global,       // a class or function: by module and name
};

struct TypeInfo {
  OwnedRef type;  // a weak reference: a type may die, and another take its address
  KeyRule rule = KeyRule::reduced;
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
