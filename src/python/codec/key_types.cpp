// See key_types.h.
#include "python/codec/key_types.h"

#include <unordered_map>

#include "python/codec/atoms.h"

namespace pyr {

namespace {

PyObject* as_object(PyTypeObject* type) { return reinterpret_cast<PyObject*>(type); }

// 1 if `type` has the same attribute `name` as `base`, 0 if not, -1 with an error set.
int inherits_attribute(PyTypeObject* type, PyTypeObject* base, const char* name) {
  const OwnedRef own(PyObject_GetAttrString(as_object(type), name));
  if (!own) return -1;
  const OwnedRef inherited(PyObject_GetAttrString(as_object(base), name));
  if (!inherited) return -1;
  return own.get() == inherited.get();
}

bool is_time(KeyRule rule) {
  return rule == KeyRule::datetime || rule == KeyRule::date || rule == KeyRule::time ||
         rule == KeyRule::timedelta;
}

struct Base {
  KeyRule rule;
  PyTypeObject* builtin;
  const char* module;
  const char* name;
  PyObject* cache;
};

// datetime stands before date, which it is a subclass of.
Base bases[] = {
    {KeyRule::str, &PyUnicode_Type, nullptr, nullptr, nullptr},
    {KeyRule::bytes, &PyBytes_Type, nullptr, nullptr, nullptr},
    {KeyRule::integer, &PyLong_Type, nullptr, nullptr, nullptr},
    {KeyRule::real, &PyFloat_Type, nullptr, nullptr, nullptr},
    {KeyRule::complex, &PyComplex_Type, nullptr, nullptr, nullptr},
    {KeyRule::tuple, &PyTuple_Type, nullptr, nullptr, nullptr},
    {KeyRule::frozen_set, &PyFrozenSet_Type, nullptr, nullptr, nullptr},
    {KeyRule::range, &PyRange_Type, nullptr, nullptr, nullptr},
    {KeyRule::decimal, nullptr, "decimal", "Decimal", nullptr},
    {KeyRule::fraction, nullptr, "fractions", "Fraction", nullptr},
    {KeyRule::datetime, nullptr, "datetime", "datetime", nullptr},
    {KeyRule::date, nullptr, "datetime", "date", nullptr},
    {KeyRule::time, nullptr, "datetime", "time", nullptr},
    {KeyRule::timedelta, nullptr, "datetime", "timedelta", nullptr},
    {KeyRule::uuid, nullptr, "uuid", "UUID", nullptr},
    {KeyRule::path, nullptr, "pathlib", "PurePath", nullptr},
};

// The type `module.name` if it has been imported and `type` is derived from it.
PyTypeObject* ancestor(PyTypeObject* type, PyObject*& cache, const char* module, const char* name) {
  PyObject* found = if_imported(cache, module, name);
  if (!found || !PyType_Check(found)) return nullptr;
  auto* base = reinterpret_cast<PyTypeObject*>(found);
  return PyType_IsSubtype(type, base) ? base : nullptr;
}

// NumPy's scalars compare as the Python object of the same value; some are derived from it.
bool classify_numpy(PyTypeObject* type, TypeInfo& info) {
  static PyObject *generic = nullptr, *number = nullptr, *boolean = nullptr, *timedelta = nullptr;
  if (!ancestor(type, generic, "numpy", "generic")) return false;
  if (PyType_IsSubtype(type, &PyUnicode_Type))
    info.rule = KeyRule::str;
  else if (PyType_IsSubtype(type, &PyBytes_Type))
    info.rule = KeyRule::bytes;
  else if (ancestor(type, timedelta, "numpy", "timedelta64"))  // a number for NumPy, but it has a unit
    info.rule = KeyRule::reduced;
  else if (ancestor(type, number, "numpy", "number") || ancestor(type, boolean, "numpy", "bool_"))
    info.rule = KeyRule::numpy;
  return true;
}

// By the class that it has its __hash__ from. A class that defines __eq__ alone has no hash at all: one with an __eq__
// of its own and the hash of its base says on purpose that it equals the plain object.
// 1 if classified, 0 if not, -1 with an error set.
int classify_by_base(PyTypeObject* type, TypeInfo& info) {
  for (Base& candidate : bases) {
    PyTypeObject* base = candidate.builtin;
    if (!base) base = ancestor(type, candidate.cache, candidate.module, candidate.name);
    if (!base || !PyType_IsSubtype(type, base)) continue;
    const int same = inherits_attribute(type, base, "__hash__");
    if (same < 0) return same;
    if (same == 1 || is_time(candidate.rule)) {
      info.rule = same == 1 ? candidate.rule : KeyRule::like_time;
      return 1;
    }
  }
  return 0;
}

int classify_enum(PyTypeObject* type, TypeInfo& info) {
  static PyObject *enum_type = nullptr, *flag_type = nullptr;
  if (!ancestor(type, enum_type, "enum", "Enum")) return 0;
  if (ancestor(type, flag_type, "enum", "Flag")) {
    info.rule = KeyRule::flag;
    return 1;
  }
  const int same = inherits_attribute(type, &PyBaseObject_Type, "__eq__");
  if (same == 1) info.rule = KeyRule::enumeration;
  return same;
}

OwnedRef own_attributes(PyTypeObject* type) {
#if PY_VERSION_HEX >= 0x030c0000
  return OwnedRef(PyType_GetDict(type));
#else
  return OwnedRef::borrowed(type->tp_dict);
#endif
}

// The class that `type` has its __eq__ from, if that is a dataclass. Borrowed.
PyObject* dataclass_of_eq(PyTypeObject* type) {
  PyObject* order = type->tp_mro;
  for (Py_ssize_t i = 0; order && i < PyTuple_GET_SIZE(order); ++i) {
    PyObject* owner = PyTuple_GET_ITEM(order, i);
    const OwnedRef attributes = own_attributes(reinterpret_cast<PyTypeObject*>(owner));
    if (!attributes || !PyDict_GetItemString(attributes.get(), "__eq__")) continue;
    return PyDict_GetItemString(attributes.get(), "__dataclass_fields__") ? owner : nullptr;
  }
  return nullptr;
}

// The names of the fields of `owner` that are compared, as a list.
OwnedRef compared_fields(PyObject* owner) {
  static PyObject* fields_of = nullptr;
  if (!imported(fields_of, "dataclasses", "fields")) return OwnedRef();
  const OwnedRef fields(PyObject_CallOneArg(fields_of, owner));
  OwnedRef names(fields ? PyList_New(0) : nullptr);
  for (Py_ssize_t i = 0; names && i < PyTuple_GET_SIZE(fields.get()); ++i) {
    PyObject* field = PyTuple_GET_ITEM(fields.get(), i);
    const OwnedRef compare(PyObject_GetAttrString(field, "compare"));
    const int compared = compare ? PyObject_IsTrue(compare.get()) : -1;
    if (compared == 0) continue;
    const OwnedRef name(compared == 1 ? PyObject_GetAttrString(field, "name") : nullptr);
    if (!name || PyList_Append(names.get(), name.get()) < 0) return OwnedRef();
  }
  return names;
}

// Whether two functions run the same code. 1, 0, or -1 with an error set.
int same_code(PyObject* a, PyObject* b) {
  for (const char* part : {"co_code", "co_names", "co_varnames", "co_consts"}) {
    const OwnedRef of_a(PyObject_GetAttrString(PyFunction_GET_CODE(a), part));
    const OwnedRef of_b(of_a ? PyObject_GetAttrString(PyFunction_GET_CODE(b), part) : nullptr);
    const int same = of_b ? PyObject_RichCompareBool(of_a.get(), of_b.get(), Py_EQ) : -1;
    if (same != 1) return same;
  }
  return 1;
}

// A dataclass keeps an __eq__ written by hand. Whether this one was generated is decided by generating one for the
// same fields: the same code has the same meaning, whoever wrote it.
int classify_dataclass(PyTypeObject* type, TypeInfo& info) {
  static PyObject* make = nullptr;
  PyObject* owner = dataclass_of_eq(type);
  if (!owner) return 0;
  const OwnedRef names = compared_fields(owner);
  if (!names || !imported(make, "dataclasses", "make_dataclass")) return -1;
  const OwnedRef model(PyObject_CallFunction(make, "sO", "Model", names.get()));
  const OwnedRef model_eq(model ? PyObject_GetAttrString(model.get(), "__eq__") : nullptr);
  const OwnedRef eq(model_eq ? PyObject_GetAttrString(as_object(type), "__eq__") : nullptr);
  if (!eq) return -1;
  if (!PyFunction_Check(eq.get())) return 0;
  const int same = same_code(eq.get(), model_eq.get());
  if (same != 1) return same;
  info.rule = KeyRule::dataclass;
  info.fields = OwnedRef(PyList_AsTuple(names.get()));
  return info.fields ? 1 : -1;
}

// Returns false with an error set.
bool classify(PyTypeObject* type, TypeInfo& info) {
  if (PyType_IsSubtype(type, &PyType_Type) || type == &PyFunction_Type) {
    info.rule = KeyRule::global;
    return true;
  }
  if (classify_numpy(type, info)) return true;
  int found = classify_by_base(type, info);
  if (found == 0) found = classify_enum(type, info);
  if (found == 0) found = classify_dataclass(type, info);
  return found >= 0;
}

bool refers_to(PyObject* weak, PyTypeObject* type) {
#if PY_VERSION_HEX >= 0x030d0000
  PyObject* target = nullptr;
  const bool alive = PyWeakref_GetRef(weak, &target) == 1 && target == as_object(type);
  Py_XDECREF(target);
  return alive;
#else
  return PyWeakref_GetObject(weak) == as_object(type);
#endif
}

using Types = std::unordered_map<PyTypeObject*, TypeInfo>;

// Types come and go (tests and closures make thousands): forget the dead whenever the table has doubled.
void drop_dead(Types& types) {
  static std::size_t limit = 256;
  if (types.size() < limit) return;
  for (auto it = types.begin(); it != types.end();)
    it = refers_to(it->second.type.get(), it->first) ? std::next(it) : types.erase(it);
  limit = 256 + 2 * types.size();
}

bool is_local(PyObject* qualified_name) {
  const OwnedRef marker(PyUnicode_FromString("<"));
  return !marker || PyUnicode_Contains(qualified_name, marker.get()) != 0;
}

}  // namespace

namespace {

// The table of types outlives the interpreter: nothing may be released after that. Its entries stay where they are.
struct Table {
  ObjectMutex mutex;
  Types types;
};

Table& table() {
  static Table& instance = *new Table;
  return instance;
}

}  // namespace

TypeInfo* type_info(PyTypeObject* type) {
  {
    const MutexGuard hold(table().mutex);
    const auto it = table().types.find(type);
    if (it != table().types.end() && refers_to(it->second.type.get(), type)) return &it->second;
  }
  TypeInfo info;
  info.type = OwnedRef(PyWeakref_NewRef(as_object(type), nullptr));
  if (!info.type || !classify(type, info)) return nullptr;
  const MutexGuard hold(table().mutex);
  const auto known = table().types.find(type);  // another thread may have been faster
  if (known != table().types.end() && refers_to(known->second.type.get(), type)) return &known->second;
  drop_dead(table().types);
  TypeInfo& kept = table().types[type];
  kept = std::move(info);
  return &kept;
}

bool put_qualified_name(PyObject* object, Buffer& out) {
  const OwnedRef module(PyObject_GetAttrString(object, "__module__"));
  const OwnedRef name(module ? PyObject_GetAttrString(object, "__qualname__") : nullptr);
  if (!name && !PyErr_ExceptionMatches(PyExc_AttributeError)) return false;
  if (!name || !PyUnicode_Check(module.get()) || !PyUnicode_Check(name.get()) || is_local(name.get())) {
    PyErr_Clear();
    PyErr_Format(PyExc_TypeError,
                 "%R cannot be part of a key, since another process could not find it by module and name; "
                 "define it at the top of a module, or give key= (a function to an equivalent key)",
                 object);
    return false;
  }
  return put_str<Framing::nested>(out, module.get()) && put_str<Framing::nested>(out, name.get());
}

const std::string* class_name(PyTypeObject* type, TypeInfo& info) {
  {
    const MutexGuard hold(table().mutex);
    if (!info.name.empty()) return &info.name;
  }
  Buffer name;
  if (!put_qualified_name(as_object(type), name)) return nullptr;
  const MutexGuard hold(table().mutex);
  if (info.name.empty()) info.name.assign(reinterpret_cast<const char*>(name.data()), name.size());
  return &info.name;
}

}  // namespace pyr
