// What the codec's files share: the error for damaged bytes, attributes of modules.
// Threads: call with the GIL held, or attached where there is none.
#pragma once

#include <Python.h>

#include "python/codec/codec.h"
#include "python/kit/owned_ref.h"

namespace pyr {

// Sets DamagedError saying `what` (a PyErr_Format text) and returns null.
PyObject* damaged(const char* what, ...);

// Turns the error that is set into DamagedError, saying `what`; leaves MemoryError, RecursionError and whatever is
// not an Exception (KeyboardInterrupt) as it is. Returns null.
PyObject* damaged_from_error(const char* what);

// The error that is set, taken aside: until it is put back there is none, so that anything may be called. Whoever calls
// into Python with an error set would lose it, or be told that the call has failed.
class PendingErrorGuard {
 public:
  PendingErrorGuard();
  // Puts it back, in place of any that was set meanwhile, unless it was dropped.
  ~PendingErrorGuard();
  PendingErrorGuard(const PendingErrorGuard&) = delete;
  PendingErrorGuard& operator=(const PendingErrorGuard&) = delete;
  bool matches(PyObject* type) const { return PyErr_GivenExceptionMatches(type_, type) != 0; }
  // The exception itself. Borrowed.
  PyObject* exception() const { return value_; }
  void drop();

 private:
  PyObject *type_ = nullptr, *value_ = nullptr, *traceback_ = nullptr;
};

// Replaces the error that is set by `type` with the text `what` about `subject` (a %R of its type), the former as its
// cause.
void raise_from(PyObject* type, const char* what, PyObject* subject);

// `module.name`, importing the module if need be; kept in `cache` for ever. A borrowed reference, or null with
// an error set.
PyObject* imported(PyObject*& cache, const char* module, const char* name);

// As above, but null without an error if the module has not been imported by anyone: then no object of its types
// exists.
// Precondition: no error is set.
PyObject* if_imported(PyObject*& cache, const char* module, const char* name);

// A list, dict or set to walk: itself with the GIL; without it a copy, since another thread may change it meanwhile.
// Null with an error set.
OwnedRef to_walk(PyObject* container);

// The item of a list or tuple; null, with an error set, where another thread has shortened the list.
OwnedRef item_of(PyObject* sequence, Py_ssize_t index);

}  // namespace pyr
