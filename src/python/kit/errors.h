// The boundary of exceptions: C++ exceptions become Python's, at each slot and each bound function.
//
// Threads: call with the GIL held.
#pragma once

#include <Python.h>

#include <exception>
#include <utility>

#include "python/kit/gil.h"

namespace pyr {

// Thrown where a Python error is set already and has to pass through C++ frames.
struct PythonError {};

// For who is told of an error by false, or by null, where errors are thrown.
inline void require(bool done) {
  if (!done) throw PythonError();
}

// Sets the Python error that stands for the exception being handled. Call in a catch (...) only.
void set_python_error() noexcept;

// Creates DamagedError, FormatError, LockedError and SnapshotError and adds them to the module; false with an error
// set.
bool add_errors(PyObject* module);
PyObject* damaged_error();

// KeyError(key) as dict raises it: a tuple is one argument.
void set_key_error(PyObject* key);

// Sets the TypeError of a call with too few or too many arguments, in CPython's words; returns null.
PyObject* refuse_count(const char* name, Py_ssize_t least, Py_ssize_t most, Py_ssize_t given);

// Creates a type from its spec and adds it to the module, under the last part of its name; null with an error set. The
// reference is the module's and, for the rest of the process, the caller's. The name is to live as long.
PyTypeObject* add_type(PyObject* module, PyType_Spec& spec);

// Runs the body of a slot. What it throws becomes a Python error and the result `failed`.
template <class Result, class Body>
inline Result guarded(Result failed, Body&& body) noexcept {
  try {
    return std::forward<Body>(body)();
  } catch (const abi::__forced_unwind&) {
    park();
  } catch (...) {
    set_python_error();
    return failed;
  }
}
template <class Body>
inline PyObject* guarded_object(Body&& body) noexcept {
  return guarded<PyObject*>(nullptr, std::forward<Body>(body));
}

}  // namespace pyr
