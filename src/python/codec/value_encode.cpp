// Encoding of values. See value_codec.h.
//
// Only the exact types are natural: a subclass may carry state of its own and goes to pickle. Containers are walked by
// their C interfaces, which allocate nothing: no collection can start, no finalizer run, nothing change meanwhile.
#include <unordered_set>

#include "python/codec/atoms.h"
#include "python/codec/support.h"
#include "python/codec/value_codec.h"

namespace pyr {

namespace {

class NativeEncoder {
 public:
  NativeEncoder(Nesting nesting, Buffer& out) : out_(out), nesting_(nesting) {}

  Encoded whole(PyObject* value);

 private:
  Encoded nested(PyObject* value);
  Encoded composite(PyObject* value);
  Encoded mutable_container(PyObject* value, PyTypeObject* type);
  Encoded tuple(PyObject* value);
  Encoded list(PyObject* value);
  Encoded dict(PyObject* value);
  Encoded set(PyObject* value, Tag tag);
  Encoded range(PyObject* value);
  bool may_nest(PyObject* value);
  static Encoded done(bool ok) { return ok ? Encoded::yes : Encoded::error; }

  static Encoded rare_atom(PyObject* value, Buffer& out);
  template <Framing kFraming>
  bool atom(PyObject* value, PyTypeObject* type, Encoded& result);

  Buffer& out_;
  Nesting nesting_;
  unsigned depth_ = 0;
  std::unordered_set<PyObject*> seen_;  // composites that others refer to as well
};

// Returns false if `value` is no atom.
template <Framing kFraming>
bool NativeEncoder::atom(PyObject* value, PyTypeObject* type, Encoded& result) {
  if (type == &PyLong_Type)
    result = done(put_int(out_, value));
  else if (type == &PyUnicode_Type)
    result = done(put_str<kFraming>(out_, value));
  else if (type == &PyFloat_Type)
    result = done(put_double(out_, PyFloat_AS_DOUBLE(value)));
  else if (type == &PyBytes_Type)
    result = done(put_bytes_object<kFraming>(out_, value));
  else if (value == Py_None)
    result = done(put_tag(out_, kNone));
  else if (type == &PyBool_Type)
    result = done(put_tag(out_, value == Py_True ? kTrue : kFalse));
  else if (type == &PyComplex_Type)
    result = done(put_complex(out_, reinterpret_cast<PyComplexObject*>(value)->cval));
  else if (value == Py_Ellipsis)
    result = done(put_tag(out_, kEllipsis));
  else
    return false;
  return true;
}

// Atoms of modules, which need not be imported.
Encoded NativeEncoder::rare_atom(PyObject* value, Buffer& out) {
  const Encoded time = encode_time(value, out);
  return time == Encoded::foreign ? encode_numpy_number(value, out) : time;
}

Encoded NativeEncoder::whole(PyObject* value) {
  Encoded result;
  PyTypeObject* type = Py_TYPE(value);
  if (atom<Framing::whole>(value, type, result)) return result;
  if (type == &PyByteArray_Type)
    return done(put_bytes<Framing::whole>(out_, kByteArray, PyByteArray_AS_STRING(value),
                                          static_cast<std::size_t>(PyByteArray_GET_SIZE(value))));
  if (nesting_ == Nesting::trees) seen_.insert(value);
  result = composite(value);
  if (result != Encoded::foreign) return result;
  result = rare_atom(value, out_);
  return result == Encoded::foreign ? encode_numpy(value, out_) : result;
}

Encoded NativeEncoder::nested(PyObject* value) {
  Encoded result;
  if (atom<Framing::nested>(value, Py_TYPE(value), result)) return result;
  if (!may_nest(value)) return rare_atom(value, out_);
  if (PyByteArray_CheckExact(value))
    return done(put_bytes<Framing::nested>(out_, kByteArray, PyByteArray_AS_STRING(value),
                                           static_cast<std::size_t>(PyByteArray_GET_SIZE(value))));
  result = composite(value);
  return result == Encoded::foreign ? rare_atom(value, out_) : result;
}

// An object with one reference is referred to by its parent alone, so it cannot occur twice.
bool NativeEncoder::may_nest(PyObject* value) {
  PyTypeObject* type = Py_TYPE(value);
  const bool frozen = type == &PyTuple_Type || type == &PyFrozenSet_Type || type == &PyRange_Type;
  if (!frozen && nesting_ == Nesting::flat) return false;
  if (Py_REFCNT(value) == 1 || (type == &PyTuple_Type && PyTuple_GET_SIZE(value) == 0)) return true;
  const bool first = seen_.insert(value).second;
  // A tuple met twice is left to pickle, which writes it once: a few nested ones could otherwise fill the disk.
  return first || (frozen && nesting_ == Nesting::trees);
}

Encoded NativeEncoder::composite(PyObject* value) {
  PyTypeObject* type = Py_TYPE(value);
  if (depth_ == kMaxDepth) return Encoded::foreign;
  ++depth_;
  Encoded result = Encoded::foreign;
  if (type == &PyTuple_Type)
    result = tuple(value);
  else if (type == &PyList_Type || type == &PyDict_Type || type == &PySet_Type)
    result = mutable_container(value, type);
  else if (type == &PyFrozenSet_Type)
    result = set(value, kFrozenSet);
  else if (type == &PyRange_Type)
    result = range(value);
  --depth_;
  return result;
}

Encoded NativeEncoder::mutable_container(PyObject* value, PyTypeObject* type) {
  const OwnedRef walked = to_walk(value);
  if (!walked) return Encoded::error;
  if (type == &PyList_Type) return list(walked.get());
  return type == &PyDict_Type ? dict(walked.get()) : set(walked.get(), kSet);
}

Encoded NativeEncoder::tuple(PyObject* value) {
  const Py_ssize_t count = PyTuple_GET_SIZE(value);
  if (!put_tag_and_count(out_, kTuple, static_cast<u64>(count))) return Encoded::error;
  for (Py_ssize_t i = 0; i < count; ++i)
    if (const Encoded r = nested(PyTuple_GET_ITEM(value, i)); r != Encoded::yes) return r;
  return Encoded::yes;
}

Encoded NativeEncoder::list(PyObject* value) {
  const Py_ssize_t count = PyList_GET_SIZE(value);
  if (!put_tag_and_count(out_, kList, static_cast<u64>(count))) return Encoded::error;
  for (Py_ssize_t i = 0; i < count; ++i)
    if (const Encoded r = nested(PyList_GET_ITEM(value, i)); r != Encoded::yes) return r;
  return Encoded::yes;
}

Encoded NativeEncoder::dict(PyObject* value) {
  if (!put_tag_and_count(out_, kDict, static_cast<u64>(PyDict_GET_SIZE(value)))) return Encoded::error;
  Py_ssize_t position = 0;
  PyObject *key, *item;
  while (PyDict_Next(value, &position, &key, &item)) {
    if (const Encoded r = nested(key); r != Encoded::yes) return r;
    if (const Encoded r = nested(item); r != Encoded::yes) return r;
  }
  return Encoded::yes;
}

// Walks the table itself: an iterator object could start a collection, and so Python code.
Encoded NativeEncoder::set(PyObject* value, Tag tag) {
  if (!put_tag_and_count(out_, tag, static_cast<u64>(PySet_GET_SIZE(value)))) return Encoded::error;
  const auto* table = reinterpret_cast<const PySetObject*>(value);
  for (Py_ssize_t i = 0; i <= table->mask; ++i) {
    const setentry& entry = table->table[i];
    if (!entry.key || entry.hash == -1) continue;  // empty, or a dummy
    if (const Encoded r = nested(entry.key); r != Encoded::yes) return r;
  }
  return Encoded::yes;
}

// The three members of a range are exact ints, read by member descriptors.
Encoded NativeEncoder::range(PyObject* value) {
  if (!put_tag(out_, kRange)) return Encoded::error;
  for (const char* name : {"start", "stop", "step"}) {
    PyObject* number = PyObject_GetAttrString(value, name);
    if (!number) return Encoded::error;
    const bool ok = put_int(out_, number);
    Py_DECREF(number);
    if (!ok) return Encoded::error;
  }
  return Encoded::yes;
}

}  // namespace

// Asks modules for their types between two walks, never within one: what the walk goes over might change.
Encoded encode_native(PyObject* value, Nesting nesting, Buffer& out) {
  const std::size_t start = out.size();
  Encoded result = NativeEncoder(nesting, out).whole(value);
  if (result == Encoded::unprepared) {
    if (!prepare_times() || !prepare_numpy_numbers()) return Encoded::error;
    out.truncate(start);
    result = NativeEncoder(nesting, out).whole(value);
  }
  return result == Encoded::unprepared ? Encoded::foreign : result;
}

}  // namespace pyr
