// ObjectSource: which iterables run no code of others, and arrays turned into objects a piece at a time.
#include "python/codec/object_source.h"

#include <cstring>

#include "python/codec/support.h"
#include "python/kit/number_array.h"

namespace pyr {
namespace {

constexpr Py_ssize_t kPiece = 4096;  // items of an array
constexpr int kMaxNesting = 4;       // of zip and enumerate

// Whether iterating over it runs no Python code: a builtin container, of exactly that type.
bool is_builtin_container(PyObject* object) {
  return PyList_CheckExact(object) || PyTuple_CheckExact(object) || PyRange_Check(object) ||
         PyUnicode_CheckExact(object) || PyBytes_CheckExact(object) || PyDict_CheckExact(object) ||
         PyAnySet_CheckExact(object) || Py_IS_TYPE(object, &PyDictKeys_Type) ||
         Py_IS_TYPE(object, &PyDictValues_Type) || Py_IS_TYPE(object, &PyDictItems_Type);
}

bool is_builtin_iterator(PyObject* object) {
  const PyTypeObject* const plain[] = {&PyListIter_Type,      &PyTupleIter_Type,     &PyRangeIter_Type,
                                       &PyLongRangeIter_Type, &PyUnicodeIter_Type,   &PyBytesIter_Type,
                                       &PyDictIterKey_Type,   &PyDictIterValue_Type, &PyDictIterItem_Type,
                                       &PySetIter_Type};
  for (const PyTypeObject* type : plain) {
    if (Py_TYPE(object) == type) return true;
  }
  return false;
}

// The iterators that a zip or enumerate draws from, as its __reduce__ tells: (type, (iterator, ...)). Null if it does
// not.
OwnedRef inner_iterators(PyObject* object) {
  if (!Py_IS_TYPE(object, &PyZip_Type) && !Py_IS_TYPE(object, &PyEnum_Type)) return OwnedRef();
  const OwnedRef reduced(PyObject_CallMethod(object, "__reduce__", nullptr));
  if (!reduced) PyErr_Clear();
  if (!reduced || !PyTuple_Check(reduced.get()) || PyTuple_GET_SIZE(reduced.get()) < 2) return OwnedRef();
  PyObject* const inner = PyTuple_GET_ITEM(reduced.get(), 1);
  return PyTuple_Check(inner) ? OwnedRef::borrowed(inner) : OwnedRef();
}

bool runs_none(PyObject* iterator, int nesting) {
  if (is_builtin_iterator(iterator)) return true;
  if (nesting == kMaxNesting) return false;
  const OwnedRef inner = inner_iterators(iterator);
  if (!inner) return false;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(inner.get()); ++i) {
    PyObject* const part = PyTuple_GET_ITEM(inner.get(), i);
    if (!PyLong_CheckExact(part) && !runs_none(part, nesting + 1)) return false;
  }
  return true;
}

// Whether the items of an array are given back by tolist() as Python's own, equal to NumPy's; and None for masked ones.
bool has_plain_items(PyObject* array) {
  static PyObject* array_type = nullptr;
  PyObject* const type = if_imported(array_type, "numpy", "ndarray");
  if (!type || !(Py_IS_TYPE(array, reinterpret_cast<PyTypeObject*>(type)) || is_masked_array(array)))
    return false;
  const OwnedRef dimensions(PyObject_GetAttrString(array, "ndim"));
  const OwnedRef dtype(dimensions ? PyObject_GetAttrString(array, "dtype") : nullptr);
  const OwnedRef kind(dtype ? PyObject_GetAttrString(dtype.get(), "kind") : nullptr);
  const char* const letter = kind ? PyUnicode_AsUTF8(kind.get()) : nullptr;
  if (!letter || PyLong_AsLong(dimensions.get()) != 1) return false;
  return std::strchr("biufUS", letter[0]) != nullptr;
}

}  // namespace

bool is_masked_array(PyObject* object) {
  static PyObject* masked_type = nullptr;
  PyObject* const type = if_imported(masked_type, "numpy.ma", "MaskedArray");
  return type && PyObject_TypeCheck(object, reinterpret_cast<PyTypeObject*>(type));
}

bool ObjectSource::open(PyObject* iterable) {
  if (PyList_CheckExact(iterable) || PyTuple_CheckExact(iterable)) {
    piece_ = OwnedRef::borrowed(iterable);
    runs_no_code_ = true;
    return true;
  }
  if (has_plain_items(iterable)) return open_array(iterable);
  if (PyErr_Occurred()) return false;
  iterator_ = OwnedRef(PyObject_GetIter(iterable));
  runs_no_code_ = iterator_ && (is_builtin_container(iterable) || runs_none(iterator_.get(), 0));
  return static_cast<bool>(iterator_);
}

bool ObjectSource::open_array(PyObject* array) {
  array_ = OwnedRef::borrowed(array);
  array_size_ = PyObject_Size(array);
  runs_no_code_ = true;
  return array_size_ >= 0 && next_piece();
}

bool ObjectSource::next_piece() {
  const Py_ssize_t end = array_at_ + kPiece < array_size_ ? array_at_ + kPiece : array_size_;
  const OwnedRef part(PySequence_GetSlice(array_.get(), array_at_, end));
  piece_ = OwnedRef(part ? PyObject_CallMethod(part.get(), "tolist", nullptr) : nullptr);
  if (piece_ && !PyList_CheckExact(piece_.get())) {
    PyErr_SetString(PyExc_TypeError, "an array's tolist() gave no list");
    return false;
  }
  array_at_ = end;
  at_ = 0;
  return static_cast<bool>(piece_);
}

OwnedRef ObjectSource::next() {
  if (iterator_) {
    OwnedRef object(PyIter_Next(iterator_.get()));
    given_ += object ? 1 : 0;
    return object;
  }
  if (at_ >= PySequence_Fast_GET_SIZE(piece_.get())) {
    if (!array_ || array_at_ >= array_size_ || !next_piece()) return OwnedRef();
    if (PyList_GET_SIZE(piece_.get()) == 0) return OwnedRef();
  }
  OwnedRef object = item_of(piece_.get(), at_);
  ++at_;
  ++given_;
  return object;
}

}  // namespace pyr
