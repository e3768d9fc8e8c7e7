// See support.h.
#include "python/codec/support.h"

#include <atomic>
#include <cstdarg>

namespace pyr {

PyObject* damaged_error_type = nullptr;

PyObject* damaged(const char* what, ...) {
  va_list arguments;
  va_start(arguments, what);
  PyErr_FormatV(damaged_error_type ? damaged_error_type : PyExc_ValueError, what, arguments);
  va_end(arguments);
  return nullptr;
}

PyObject* damaged_from_error(const char* what) {
  if (PyErr_ExceptionMatches(PyExc_MemoryError) || PyErr_ExceptionMatches(PyExc_RecursionError) ||
      !PyErr_ExceptionMatches(PyExc_Exception))
    return nullptr;
  PyErr_Clear();
  return damaged("%s", what);
}

PendingErrorGuard::PendingErrorGuard() {
  PyErr_Fetch(&type_, &value_, &traceback_);
  PyErr_NormalizeException(&type_, &value_, &traceback_);
  if (value_ && traceback_) PyException_SetTraceback(value_, traceback_);
}

PendingErrorGuard::~PendingErrorGuard() {
  if (type_) PyErr_Restore(type_, value_, traceback_);
}

void PendingErrorGuard::drop() {
  Py_CLEAR(type_);
  Py_CLEAR(value_);
  Py_CLEAR(traceback_);
}

void raise_from(PyObject* type, const char* what, PyObject* subject) {
  PendingErrorGuard former;
  PyErr_Format(type, "%R: %s", Py_TYPE(subject), what);
  const PendingErrorGuard latter;
  if (former.exception() && latter.exception()) {
    PyException_SetContext(latter.exception(), Py_NewRef(former.exception()));
    PyException_SetCause(latter.exception(), Py_NewRef(former.exception()));
  }
  former.drop();
}

namespace {

// Several threads may find the cache empty: the first one's attribute stays.
PyObject* cache_attribute(PyObject*& cache, PyObject* owner, const char* name) {
  PyObject* const found = PyObject_GetAttrString(owner, name);
  PyObject* known = nullptr;
  if (!found || std::atomic_ref(cache).compare_exchange_strong(known, found)) return found;
  Py_DECREF(found);
  return known;
}

}  // namespace

PyObject* imported(PyObject*& cache, const char* module, const char* name) {
  if (PyObject* const known = std::atomic_ref(cache).load(std::memory_order_acquire)) return known;
  const OwnedRef owner(PyImport_ImportModule(module));
  return owner ? cache_attribute(cache, owner.get(), name) : nullptr;
}

PyObject* if_imported(PyObject*& cache, const char* module, const char* name) {
  if (PyObject* const known = std::atomic_ref(cache).load(std::memory_order_acquire)) return known;
  PyObject* const owner = PyDict_GetItemString(PyImport_GetModuleDict(), module);
  if (!owner) return nullptr;
  const OwnedRef held = OwnedRef::borrowed(owner);  // its attributes may be made by code
  PyObject* const found = cache_attribute(cache, owner, name);
  if (!found) PyErr_Clear();  // a module still being imported: its types have no objects yet
  return found;
}

#ifdef Py_GIL_DISABLED

OwnedRef to_walk(PyObject* container) {
  if (PyList_Check(container)) return OwnedRef(PyList_GetSlice(container, 0, PY_SSIZE_T_MAX));
  return OwnedRef(PyDict_Check(container) ? PyDict_Copy(container) : PySet_New(container));
}

OwnedRef item_of(PyObject* sequence, Py_ssize_t index) {
  return PyTuple_Check(sequence) ? OwnedRef::borrowed(PyTuple_GET_ITEM(sequence, index))
                                 : OwnedRef(PyList_GetItemRef(sequence, index));
}

#else

OwnedRef to_walk(PyObject* container) { return OwnedRef::borrowed(container); }
OwnedRef item_of(PyObject* sequence, Py_ssize_t index) {
  return OwnedRef::borrowed(PySequence_Fast_GET_ITEM(sequence, index));
}

#endif

}  // namespace pyr
