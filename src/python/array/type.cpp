// The EMArray base type: its life, and the slots.
#include <cstring>
#include <string>
#include <vector>

#include "python/array/object.h"

namespace pyr {

// (dtype, bytes of an element, shape of an item, whether the dtype was given, whether the shape was)
void ArrayContainer::want(PyObject* wanted) {
  emd::Array::OpenAs result;
  const char* dtype = nullptr;
  unsigned long long element_bytes = 0;
  PyObject* shape = nullptr;
  int dtype_given = 0, shape_given = 0;
  require(PyArg_ParseTuple(wanted, "sKO!pp", &dtype, &element_bytes, &PyTuple_Type, &shape, &dtype_given,
                           &shape_given));
  result.type = {dtype, element_bytes, {}};
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(shape); ++i) {
    result.type.shape.push_back(PyLong_AsUnsignedLongLong(PyTuple_GET_ITEM(shape, i)));
    require(!PyErr_Occurred());
  }
  if (result.type.item_bytes() == 0) {
    throw std::invalid_argument(
        "an item takes from 1 byte to 1 TiB, has at most 16 dimensions, and its dtype is described in at "
        "most 3584 bytes");
  }
  result.dtype_given = dtype_given != 0;
  result.shape_given = shape_given != 0;
  wanted_ = std::move(result);
}

PyObject* call_method(PyObject* self, const char* name, PyObject* first, PyObject* second) {
  const OwnedRef text(PyUnicode_InternFromString(name));
  return text ? PyObject_CallMethodObjArgs(self, text.get(), first, second, nullptr) : nullptr;
}

namespace {

// ---- Slots -------------------------------------------------------------------------------------------

Py_ssize_t length(ArrayContainer& container) {
  return container.read([&] { return static_cast<Py_ssize_t>(container.array().size()); });
}

// Where an index points to that may count from the end; not below `size` if it is out of range.
u64 resolved(Py_ssize_t index, u64 size) {
  return index < 0 ? static_cast<u64>(index) + size : static_cast<u64>(index);
}

// A new reference, or null with an error set.
PyObject* number_at(ArrayContainer& container, Py_ssize_t index) {
  u8 bytes[8];
  Scalar scalar = Scalar::none;
  const bool found = container.read([&] {
    const emd::Array& array = container.array();
    const u64 size = array.size(), at = resolved(index, size);
    if (at >= size) return false;
    scalar = container.scalar();
    if (scalar != Scalar::none) std::memcpy(bytes, array.items(at, at + 1).data(), array.item_bytes());
    return true;
  });
  if (found) return unpack(scalar, bytes);
  PyErr_SetString(PyExc_IndexError, "array index out of range");
  return nullptr;
}

bool set_number(ArrayContainer& container, Scalar scalar, Py_ssize_t index, PyObject* value) {
  u8 bytes[8];
  if (!pack(scalar, value, bytes)) return false;
  const Container::EntryGuard entered(container);
  emd::Array& array = container.array();
  const u64 at = resolved(index, array.size());
  if (at >= array.size() || container.scalar() != scalar) {
    PyErr_SetString(PyExc_IndexError, "array assignment index out of range");
    return false;
  }
  container.change(false, [&] { array.set(at, {bytes, array.item_bytes()}); });
  return true;
}

bool as_index(PyObject* key, Py_ssize_t& index) {
  index = PyNumber_AsSsize_t(key, PyExc_IndexError);
  return index != -1 || !PyErr_Occurred();
}

PyObject* subscript(ArrayContainer& container, PyObject* key) {
  if (!PyLong_Check(key) || container.scalar() == Scalar::none)
    return call_method(container.self(), "_get", key);
  Py_ssize_t index = 0;
  return as_index(key, index) ? number_at(container, index) : nullptr;
}

int assign(ArrayContainer& container, PyObject* key, PyObject* value) {
  const Scalar scalar = container.scalar();
  if (value && PyLong_Check(key) && scalar != Scalar::none) {
    Py_ssize_t index = 0;
    return as_index(key, index) && set_number(container, scalar, index, value) ? 0 : -1;
  }
  PyObject* const self = container.self();
  const OwnedRef done(value ? call_method(self, "_set", key, value) : call_method(self, "_delete", key));
  return done ? 0 : -1;
}

// The format of an element in the buffer protocol; empty with an error set. May run code.
std::string buffer_format(ArrayContainer& container) {
  const Scalar scalar = container.read([&] { return element_of(container.array().type()); });
  if (scalar != Scalar::none) return struct_format(scalar);
  const OwnedRef text(PyObject_CallMethod(container.self(), "_buffer_format", nullptr));
  const char* const format = text ? PyUnicode_AsUTF8(text.get()) : nullptr;
  return format ? format : "";
}

int get_buffer(ArrayContainer& container, Py_buffer* view, int flags) {
  view->obj = nullptr;
  if ((flags & PyBUF_WRITABLE) != 0) {
    PyErr_SetString(PyExc_BufferError,
                    "the buffer of an EMArray is read-only: use memoryview(a.view(writable=True))");
    return -1;
  }
  const std::string format = buffer_format(container);
  if (format.empty()) return -1;
  const OwnedRef exporter(make_array_view(container, false, format.c_str()));
  return exporter ? PyObject_GetBuffer(exporter.get(), view, flags) : -1;
}

}  // namespace

bool add_array_types(PyObject* module) {
  return add_container_type<ArrayContainer>(
      module, array_methods,
      {{Py_tp_hash, reinterpret_cast<void*>(PyObject_HashNotImplemented)},
       slot<&subscript>(Py_mp_subscript),
       slot<&assign>(Py_mp_ass_subscript),
       slot<&length>(Py_mp_length),
       slot<&get_buffer>(Py_bf_getbuffer)});
}

}  // namespace pyr
