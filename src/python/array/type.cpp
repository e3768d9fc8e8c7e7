// The EMArray base type: its life, and the slots.
#include <Python.h>
#include <structmember.h>

#include <new>

#include "base/errors.h"
#include "python/array/object.h"

namespace pyr {
namespace {

PyTypeObject* g_array_type = nullptr;

std::string title(const emd::Array::Type& type) {
  std::string text = "dtype " + type.dtype;
  if (type.shape.empty()) return text;
  text += " and shape_tail (";
  for (const u64 length : type.shape) text += std::to_string(length) + ",";
  return text + ")";
}

}  // namespace

void ArrayContainer::open_structure(emd::Store& store, emd::Member& member) {
  auto array = std::make_shared<emd::Array>(store, member);
  if (!array->laid_out()) {
    if (store.read_only())
      throw emd::FormatError("the array has no dtype yet: its writer was cut off while making it");
    const emd::Operation operation(store);
    array->lay_out(wanted_.type);
  }
  const emd::Array::Type& type = array->type();
  const bool other_dtype = wanted_.dtype_said && type.dtype != wanted_.type.dtype;
  const bool other_shape = wanted_.shape_said && type.shape != wanted_.type.shape;
  if (other_dtype || other_shape) {
    throw emd::FormatError("the array holds items of " + title(type) + ", not of " + title(wanted_.type) +
                           ": leave them out, or make a new array");
  }
  array_ = std::move(array);
  scalar_.store(scalar_of(array_->type()), std::memory_order_relaxed);
}

void ArrayContainer::close_structure(bool leak) noexcept {
  if (leak) {
    new std::shared_ptr<emd::Array>(std::move(array_));  // never destroyed
  } else {
    array_.reset();
  }
}

PyObject* call_method(PyObject* self, const char* name, PyObject* first, PyObject* second) {
  const Ref text(PyUnicode_InternFromString(name));
  return text ? PyObject_CallMethodObjArgs(self, text.get(), first, second, nullptr) : nullptr;
}

bool is_array_object(PyObject* object) { return PyObject_TypeCheck(object, g_array_type); }

std::string buffer_format(PyObject* array) {
  ArrayContainer& container = array_container(array);
  const Scalar scalar = container.read([&] { return element_of(container.array().type()); });
  if (scalar != Scalar::none) return struct_format(scalar);
  const Ref text(PyObject_CallMethod(array, "_buffer_format", nullptr));
  const char* const format = text ? PyUnicode_AsUTF8(text.get()) : nullptr;
  return format ? format : "";
}

namespace {

// ---- Slots -------------------------------------------------------------------------------------------

Py_ssize_t array_length(PyObject* self) {
  return guarded(Py_ssize_t{-1}, [&] {
    ArrayContainer& container = array_container(self);
    return container.read([&] { return static_cast<Py_ssize_t>(container.array().size()); });
  });
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
  const Container::Entered entered(container);
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

PyObject* array_subscript(PyObject* self, PyObject* key) {
  return guarded_object([&]() -> PyObject* {
    ArrayContainer& container = array_container(self);
    if (!PyLong_Check(key) || container.scalar() == Scalar::none) return call_method(self, "_get", key);
    Py_ssize_t index = 0;
    return as_index(key, index) ? number_at(container, index) : nullptr;
  });
}

int array_assign(PyObject* self, PyObject* key, PyObject* value) {
  return guarded(-1, [&] {
    ArrayContainer& container = array_container(self);
    const Scalar scalar = container.scalar();
    if (value && PyLong_Check(key) && scalar != Scalar::none) {
      Py_ssize_t index = 0;
      return as_index(key, index) && set_number(container, scalar, index, value) ? 0 : -1;
    }
    const Ref done(value ? call_method(self, "_set", key, value) : call_method(self, "_delete", key));
    return done ? 0 : -1;
  });
}

int array_get_buffer(PyObject* self, Py_buffer* view, int flags) {
  view->obj = nullptr;
  return guarded(-1, [&] {
    if ((flags & PyBUF_WRITABLE) != 0) {
      PyErr_SetString(PyExc_BufferError,
                      "the buffer of an EMArray is read-only: use memoryview(a.view(writable=True))");
      return -1;
    }
    const std::string format = buffer_format(self);
    if (format.empty()) return -1;
    const Ref exporter(make_array_view(self, false, format.c_str()));
    return exporter ? PyObject_GetBuffer(exporter.get(), view, flags) : -1;
  });
}

// ---- Life --------------------------------------------------------------------------------------------

PyObject* array_new(PyTypeObject* type, PyObject*, PyObject*) {
  PyObject* self = type->tp_alloc(type, 0);
  if (self) new (&array_container(self)) ArrayContainer(self);
  return self;
}

// Arguments are the business of the Python class.
int array_init(PyObject*, PyObject*, PyObject*) { return 0; }

int array_traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  return array_container(self).traverse(visit, arg);
}

int array_clear_references(PyObject* self) {
  array_container(self).clear();
  return 0;
}

void array_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  if (reinterpret_cast<ContainerHead*>(self)->weak_references) PyObject_ClearWeakRefs(self);
  array_container(self).~ArrayContainer();
  type->tp_free(self);
  Py_DECREF(type);
}

PyMemberDef array_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(ContainerHead, weak_references), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr}};

PyType_Slot array_slots[] = {{Py_tp_new, reinterpret_cast<void*>(array_new)},
                             {Py_tp_init, reinterpret_cast<void*>(array_init)},
                             {Py_tp_dealloc, reinterpret_cast<void*>(array_dealloc)},
                             {Py_tp_traverse, reinterpret_cast<void*>(array_traverse)},
                             {Py_tp_clear, reinterpret_cast<void*>(array_clear_references)},
                             {Py_tp_members, array_members},
                             {Py_tp_methods, array_methods},
                             {Py_tp_hash, reinterpret_cast<void*>(PyObject_HashNotImplemented)},
                             {Py_mp_subscript, reinterpret_cast<void*>(array_subscript)},
                             {Py_mp_ass_subscript, reinterpret_cast<void*>(array_assign)},
                             {Py_mp_length, reinterpret_cast<void*>(array_length)},
                             {Py_bf_getbuffer, reinterpret_cast<void*>(array_get_buffer)},
                             {0, nullptr}};

PyType_Spec array_spec = {"pyrsistence._core.ArrayBase", sizeof(ArrayObject), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, array_slots};

}  // namespace

bool add_array_types(PyObject* module) {
  g_array_type = add_type(module, "ArrayBase", array_spec);
  return g_array_type != nullptr;
}

}  // namespace pyr
