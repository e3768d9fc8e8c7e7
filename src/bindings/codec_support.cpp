// See codec_support.h.
#include "bindings/codec_support.h"

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

void raise_from(PyObject* type, const char* what, PyObject* subject) {
  PyObject *old_type, *old_value, *old_traceback;
  PyErr_Fetch(&old_type, &old_value, &old_traceback);
  PyErr_NormalizeException(&old_type, &old_value, &old_traceback);
  PyErr_Format(type, "%R: %s", Py_TYPE(subject), what);
  PyObject *new_type, *new_value, *new_traceback;
  PyErr_Fetch(&new_type, &new_value, &new_traceback);
  PyErr_NormalizeException(&new_type, &new_value, &new_traceback);
  if (old_value && new_value) {
    Py_INCREF(old_value);
    PyException_SetContext(new_value, old_value);  // steals
    PyException_SetCause(new_value, old_value);    // steals
  } else {
    Py_XDECREF(old_value);
  }
  Py_XDECREF(old_type);
  Py_XDECREF(old_traceback);
  PyErr_Restore(new_type, new_value, new_traceback);
}

PyObject* imported(PyObject*& cache, const char* module, const char* name) {
  if (cache) return cache;
  const Ref owner(PyImport_ImportModule(module));
  if (owner) cache = PyObject_GetAttrString(owner.get(), name);
  return cache;
}

PyObject* if_imported(PyObject*& cache, const char* module, const char* name) {
  if (cache) return cache;
  PyObject* owner = PyDict_GetItemString(PyImport_GetModuleDict(), module);
  if (!owner) return nullptr;
  cache = PyObject_GetAttrString(owner, name);
  if (!cache) PyErr_Clear();  // a module still being imported: its types have no objects yet
  return cache;
}

}  // namespace pyr
