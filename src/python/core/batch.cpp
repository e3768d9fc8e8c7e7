// What the batches of all containers say when they are refused, and how they give other threads a turn.
#include "python/core/batch.h"

#include <utility>

#include "python/kit/gil.h"
#include "python/kit/owned_ref.h"

namespace pyr {

void name_place(const char* what, Py_ssize_t place) {
  if (!PyErr_ExceptionMatches(PyExc_TypeError) && !PyErr_ExceptionMatches(PyExc_IndexError)) return;
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  PyErr_NormalizeException(&type, &value, &traceback);
  OwnedRef cause_type(type);
  OwnedRef cause(value);
  OwnedRef cause_traceback(traceback);
  // Only a plain one: a subclass may carry more than a text.
  if (cause_type.get() != PyExc_TypeError && cause_type.get() != PyExc_IndexError) {
    return PyErr_Restore(cause_type.release(), cause.release(), cause_traceback.release());
  }
  const OwnedRef text(PyUnicode_FromFormat("%s #%zd: %S", what, place, cause.get()));
  const OwnedRef named(text ? PyObject_CallOneArg(cause_type.get(), text.get()) : nullptr);
  if (!named) return;
  PyException_SetCause(named.get(), cause.release());
  PyErr_SetObject(cause_type.get(), named.get());
}

bool let_others_in() {
  { const GilReleaseGuard released; }
  return PyErr_CheckSignals() == 0;
}

bool append_object(PyObject* list, PyObject* object) {
  const OwnedRef held(object);
  return held && PyList_Append(list, held.get()) == 0;
}

namespace {

// The length that an iterable states: -1 without an error if it has none. False with an error set.
bool stated_size(PyObject* iterable, Py_ssize_t& size) {
  size = PyObject_Size(iterable);
  if (size >= 0) return true;
  if (!PyErr_ExceptionMatches(PyExc_TypeError)) return false;
  PyErr_Clear();
  return true;
}

}  // namespace

bool may_pair(PyObject* first, PyObject* values, const char* what) {
  Py_ssize_t first_size = -1;
  Py_ssize_t value_size = -1;
  if (!stated_size(first, first_size) || !stated_size(values, value_size)) return false;
  if (first_size < 0 || value_size < 0 || first_size == value_size) return true;
  PyErr_Format(PyExc_ValueError, "set_many() takes as many values as %s, got %zd %s and %zd values", what,
               first_size, what, value_size);
  return false;
}

void refuse_end(const char* what, bool values_ended, Py_ssize_t count) {
  PyErr_Format(PyExc_ValueError, "set_many() takes as many values as %s, but the %s ended first, after %zd",
               what, values_ended ? "values" : what, count);
}

}  // namespace pyr
