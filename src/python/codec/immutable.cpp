// See immutable.h.
#include "python/codec/immutable.h"

#include "python/codec/support.h"

namespace pyr {

namespace {

// What is nested deeper counts as what can be changed.
constexpr unsigned kDeepestNesting = 64;

bool is_atom(PyObject* value) {
  return PyLong_CheckExact(value) || PyUnicode_CheckExact(value) || PyFloat_CheckExact(value) ||
         value == Py_None || PyBool_Check(value) || PyBytes_CheckExact(value) || PyComplex_CheckExact(value);
}

// Whether objects of `type`, derived from `base`, have no attributes beyond those of `base`.
bool has_no_attributes(const PyTypeObject* type, const PyTypeObject& base) {
  bool dict = type->tp_dictoffset != 0;
#ifdef Py_TPFLAGS_MANAGED_DICT
  dict = dict || (type->tp_flags & Py_TPFLAGS_MANAGED_DICT) != 0;
#endif
  return !dict && type->tp_basicsize == base.tp_basicsize;
}

// An address or a token: `class Address(int): __slots__ = ()`.
bool is_plain_subclass(const PyTypeObject* type) {
  for (PyTypeObject* base : {&PyLong_Type, &PyUnicode_Type, &PyFloat_Type, &PyBytes_Type, &PyComplex_Type}) {
    if (PyType_IsSubtype(const_cast<PyTypeObject*>(type), base)) return has_no_attributes(type, *base);
  }
  return false;
}

struct Name {
  const char* module;
  const char* name;
  PyObject* cache;
};

bool is_type(PyTypeObject* type, Name& name) {
  return if_imported(name.cache, name.module, name.name) == reinterpret_cast<PyObject*>(type);
}

bool is_derived(PyTypeObject* type, Name& name) {
  PyObject* const base = if_imported(name.cache, name.module, name.name);
  return base && PyType_Check(base) && PyType_IsSubtype(type, reinterpret_cast<PyTypeObject*>(base));
}

Name known_types[] = {
    {"datetime", "date", nullptr},
    {"datetime", "timedelta", nullptr},
    {"datetime", "timezone", nullptr},
    {"zoneinfo", "ZoneInfo", nullptr},
    {"decimal", "Decimal", nullptr},
    {"fractions", "Fraction", nullptr},
    {"uuid", "UUID", nullptr},
    {"pathlib", "PosixPath", nullptr},
    {"pathlib", "PurePosixPath", nullptr},
    {"pathlib", "WindowsPath", nullptr},
    {"pathlib", "PureWindowsPath", nullptr},
    {"ipaddress", "IPv4Address", nullptr},
    {"ipaddress", "IPv6Address", nullptr},
    {"ipaddress", "IPv4Network", nullptr},
    {"ipaddress", "IPv6Network", nullptr},
    {"ipaddress", "IPv4Interface", nullptr},
    {"ipaddress", "IPv6Interface", nullptr},
    {"re", "Pattern", nullptr},
};

// NumPy's own types are static ones; records (void) can be changed.
bool is_numpy_scalar(PyTypeObject* type) {
  static Name generic{"numpy", "generic", nullptr}, record{"numpy", "void", nullptr};
  return (type->tp_flags & Py_TPFLAGS_HEAPTYPE) == 0 && is_derived(type, generic) &&
         !is_derived(type, record);
}

// Times are as immutable as their zones.
bool is_time(PyObject* value, unsigned depth);

bool is_immutable_within(PyObject* value, unsigned depth);

bool are_immutable(PyObject* tuple, unsigned depth) {
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); ++i) {
    if (!is_immutable_within(PyTuple_GET_ITEM(tuple, i), depth + 1)) return false;
  }
  return true;
}

// The table itself is walked: an iterator could start a collection, and so Python code.
bool are_members_immutable(PyObject* set, unsigned depth) {
  const auto* const table = reinterpret_cast<const PySetObject*>(set);
  for (Py_ssize_t i = 0; i <= table->mask; ++i) {
    const setentry& entry = table->table[i];
    if (entry.key && entry.hash != -1 && !is_immutable_within(entry.key, depth + 1)) return false;
  }
  return true;
}

bool is_time(PyObject* value, unsigned depth) {
  static Name datetime{"datetime", "datetime", nullptr}, time{"datetime", "time", nullptr};
  PyTypeObject* const type = Py_TYPE(value);
  if (!is_type(type, datetime) && !is_type(type, time)) return false;
  const OwnedRef zone(PyObject_GetAttrString(value, "tzinfo"));
  if (!zone) PyErr_Clear();
  return zone && is_immutable_within(zone.get(), depth + 1);
}

bool is_known(PyObject* value, unsigned depth) {
  static Name enumeration{"enum", "Enum", nullptr};
  PyTypeObject* const type = Py_TYPE(value);
  if (is_numpy_scalar(type) || is_derived(type, enumeration) || is_plain_subclass(type)) return true;
  for (Name& name : known_types) {
    if (is_type(type, name)) return true;
  }
  return is_time(value, depth);
}

bool is_stored_by_name(PyObject* value) {
  if (PyType_Check(value) || PyFunction_Check(value)) return true;
  if (!PyCFunction_Check(value)) return false;
  PyObject* const self = PyCFunction_GET_SELF(value);
  return !self || PyModule_Check(self);
}

bool is_immutable_within(PyObject* value, unsigned depth) {
  if (is_atom(value)) return true;
  PyTypeObject* const type = Py_TYPE(value);
  if (type == &PyList_Type || type == &PyDict_Type || type == &PySet_Type || type == &PyByteArray_Type ||
      depth == kDeepestNesting) {
    return false;
  }
  if (PyTuple_Check(value)) return has_no_attributes(type, PyTuple_Type) && are_immutable(value, depth);
  if (PyFrozenSet_Check(value))
    return has_no_attributes(type, PyFrozenSet_Type) && are_members_immutable(value, depth);
  if (value == Py_Ellipsis || value == Py_NotImplemented || type == &PyRange_Type) return true;
  return is_stored_by_name(value) || is_known(value, depth);
}

// is_fixed(dict): whether none of its values can be changed in place.
PyObject* is_fixed(PyObject*, PyObject* dict) {
  if (!PyDict_Check(dict)) {
    PyErr_Format(PyExc_TypeError, "expected a dict, found %R", Py_TYPE(dict));
    return nullptr;
  }
  const OwnedRef walked(to_walk(dict));
  if (!walked) return nullptr;
  Py_ssize_t position = 0;
  PyObject *key, *value;
  while (PyDict_Next(walked.get(), &position, &key, &value)) {
    if (!is_immutable(value)) Py_RETURN_FALSE;
  }
  Py_RETURN_TRUE;
}

}  // namespace

bool is_immutable(PyObject* value) { return is_immutable_within(value, 0); }

int add_immutable_functions(PyObject* module) {
  static PyMethodDef functions[] = {
      {"is_fixed", is_fixed, METH_O, "Whether no value of a dict can be changed in place."},
      {nullptr, nullptr, 0, nullptr},
  };
  return PyModule_AddFunctions(module, functions);
}

}  // namespace pyr
