// Which bytes an object has in the order: all but numbers and times. See ordered.h.
#include <cstring>

#include "python/codec/key_types.h"
#include "python/codec/ordered.h"
#include "python/codec/support.h"
#include "python/codec/tags.h"

namespace pyr {

namespace {

// Whether an object of a class derived from `base` compares as that does: its order is then that of the plain object.
bool compares_as(PyObject* object, PyTypeObject* base) {
  PyTypeObject* const type = Py_TYPE(object);
  if (type == base) return true;
  for (const char* name : {"__lt__", "__eq__"}) {
    const OwnedRef own(PyObject_GetAttrString(reinterpret_cast<PyObject*>(type), name));
    const OwnedRef inherited(own ? PyObject_GetAttrString(reinterpret_cast<PyObject*>(base), name) : nullptr);
    if (!inherited) {
      PyErr_Clear();
      return false;
    }
    if (own.get() != inherited.get()) return false;
  }
  return true;
}

// The class `module.name` if it has been imported and the object is of it; borrowed.
PyTypeObject* imported_base(PyObject* object, PyObject*& cache, const char* module, const char* name) {
  PyObject* const found = if_imported(cache, module, name);
  if (!found || !PyType_Check(found)) return nullptr;
  auto* const base = reinterpret_cast<PyTypeObject*>(found);
  return PyObject_TypeCheck(object, base) ? base : nullptr;
}

bool refuse(PyObject* object) {
  PyErr_Format(PyExc_TypeError,
               "%R has no place in the order of a sorted container: expected numbers, str, bytes, dates and "
               "times, UUIDs, "
               "or tuples of these; give key= (a function to one of them)",
               Py_TYPE(object));
  return false;
}

}  // namespace

bool encode_ordered(PyObject* key, Buffer& out, bool& natural) {
  OrderedEncoder encoder(out);
  if (!encoder.put(key, false)) return false;
  natural = encoder.natural();
  return true;
}

bool encode_ordered_prefix(PyObject* prefix, Buffer& out) {
  OrderedEncoder encoder(out);
  if (PyTuple_Check(prefix)) return encoder.put_items(prefix);
  if (PyUnicode_Check(prefix) || PyBytes_Check(prefix)) return encoder.put(prefix, false);
  PyErr_Format(PyExc_TypeError, "expected a str, bytes or a tuple that keys begin with, found %R",
               Py_TYPE(prefix));
  return false;
}

bool OrderedEncoder::put_byte(u8 byte) { return append(&byte, 1); }

bool OrderedEncoder::append(const void* from, std::size_t size) {
  u8* const to = out_.room(size);
  if (!to) return false;
  if (size != 0) std::memcpy(to, from, size);
  out_.advance(size);
  return true;
}

bool OrderedEncoder::put(PyObject* object, bool nested) {
  PyTypeObject* const type = Py_TYPE(object);
  if (type == &PyLong_Type) return put_int(object);
  if (type == &PyUnicode_Type) return put_text(object, nested);
  if (type == &PyFloat_Type) return put_double(PyFloat_AS_DOUBLE(object));
  if (type == &PyBytes_Type)
    return put_chars(kOrderedBytes, PyBytes_AS_STRING(object),
                     static_cast<std::size_t>(PyBytes_GET_SIZE(object)), nested);
  if (type == &PyTuple_Type) return put_tuple(object);
  if (type == &PyBool_Type) {
    natural_ = false;
    return put_small(false, object == Py_True);
  }
  if (nested && object == Py_None) return put_byte(kOrderedNone);
  return put_other(object, nested);
}

bool OrderedEncoder::put_other(PyObject* object, bool nested) {
  static PyObject *decimal = nullptr, *fraction = nullptr, *uuid = nullptr, *generic = nullptr;
  if (imported_base(object, generic, "numpy", "generic")) {
    natural_ = false;
    // NumPy's own texts and bytes are derived from Python's.
    if (PyUnicode_Check(object)) return put_text(object, nested);
    if (PyBytes_Check(object))
      return put_chars(kOrderedBytes, PyBytes_AS_STRING(object),
                       static_cast<std::size_t>(PyBytes_GET_SIZE(object)), nested);
    return put_numpy(object);
  }
  const Ordered time = encode_ordered_time(object, out_, natural_);
  if (time != Ordered::not_this) return time == Ordered::yes;
  if (PyTypeObject* const base = imported_base(object, uuid, "uuid", "UUID")) {
    if (Py_TYPE(object) != base) natural_ = false;
    return compares_as(object, base) ? put_uuid(object) : refuse(object);
  }
  natural_ = false;
  if (PyLong_Check(object)) return compares_as(object, &PyLong_Type) ? put_int(object) : refuse(object);
  if (PyUnicode_Check(object))
    return compares_as(object, &PyUnicode_Type) ? put_text(object, nested) : refuse(object);
  if (PyFloat_Check(object))
    return compares_as(object, &PyFloat_Type) ? put_double(PyFloat_AS_DOUBLE(object)) : refuse(object);
  if (PyBytes_Check(object))
    return compares_as(object, &PyBytes_Type)
               ? put_chars(kOrderedBytes, PyBytes_AS_STRING(object),
                           static_cast<std::size_t>(PyBytes_GET_SIZE(object)), nested)
               : refuse(object);
  if (PyTuple_Check(object)) return compares_as(object, &PyTuple_Type) ? put_tuple(object) : refuse(object);
  if (PyTypeObject* const base = imported_base(object, decimal, "decimal", "Decimal"))
    return compares_as(object, base) ? put_decimal(object) : refuse(object);
  if (PyTypeObject* const base = imported_base(object, fraction, "fractions", "Fraction"))
    return compares_as(object, base) ? put_fraction(object) : refuse(object);
  return !PyErr_Occurred() && refuse(object);
}

bool OrderedEncoder::put_text(PyObject* text, bool nested) {
  if (PyUnicode_IS_COMPACT_ASCII(text)) {
    return put_chars(kOrderedStr, reinterpret_cast<const char*>(PyUnicode_1BYTE_DATA(text)),
                     static_cast<std::size_t>(PyUnicode_GET_LENGTH(text)), nested);
  }
  const OwnedRef utf8(PyUnicode_AsEncodedString(text, "utf-8", "surrogatepass"));
  return utf8 && put_chars(kOrderedStr, PyBytes_AS_STRING(utf8.get()),
                           static_cast<std::size_t>(PyBytes_GET_SIZE(utf8.get())), nested);
}

bool OrderedEncoder::put_chars(u8 tag, const char* from, std::size_t size, bool nested) {
  if (!put_byte(tag)) return false;
  if (!nested) return append(from, size);
  while (const void* const zero = size == 0 ? nullptr : std::memchr(from, 0, size)) {
    const std::size_t before = static_cast<std::size_t>(static_cast<const char*>(zero) - from) + 1;
    if (!append(from, before) || !put_byte(kEscaped)) return false;
    from += before;
    size -= before;
  }
  return append(from, size) && put_byte(0);
}

bool OrderedEncoder::put_items(PyObject* tuple) {
  if (!put_byte(kOrderedTuple)) return false;
  if (++depth_ > kMaxDepth) {
    PyErr_Format(PyExc_ValueError, "tuples nested more than %u deep cannot be keys", kMaxDepth);
    return false;
  }
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); ++i)
    if (!put(PyTuple_GET_ITEM(tuple, i), true)) return false;
  --depth_;
  return true;
}

bool OrderedEncoder::put_tuple(PyObject* tuple) { return put_items(tuple) && put_byte(kEndOfTuple); }

bool OrderedEncoder::put_uuid(PyObject* uuid) {
  const OwnedRef bytes(PyObject_GetAttrString(uuid, "bytes"));
  if (!bytes) return false;
  if (!PyBytes_Check(bytes.get()) || PyBytes_GET_SIZE(bytes.get()) != 16) return refuse(uuid);
  return put_byte(kOrderedUuid) && append(PyBytes_AS_STRING(bytes.get()), 16);
}

}  // namespace pyr
