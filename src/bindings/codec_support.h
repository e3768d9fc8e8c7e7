// What the codec's files share: owned references, the error for damaged bytes, attributes of modules.
// Threads: call with the GIL held.
#pragma once

#include <Python.h>

#include <utility>

#include "bindings/codec.h"

namespace pyr {

// An owned reference. Converts to bool: whether there is one.
class Ref {
 public:
  Ref() = default;
  explicit Ref(PyObject* owned) : object_(owned) {}
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Ref& operator=(Ref&& other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Ref() { Py_XDECREF(object_); }
  static Ref borrowed(PyObject* object) {
    Py_XINCREF(object);
    return Ref(object);
  }
  PyObject* get() const { return object_; }
  PyObject* release() { return std::exchange(object_, nullptr); }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  PyObject* object_ = nullptr;
};

// Sets DamagedError saying `what` (a PyErr_Format text) and returns null.
PyObject* damaged(const char* what, ...);

// Turns the error that is set into DamagedError, saying `what`; leaves MemoryError, RecursionError and whatever is
// not an Exception (KeyboardInterrupt) as it is. Returns null.
PyObject* damaged_from_error(const char* what);

// Replaces the error that is set by `type` with the text `what` about `subject` (a %R of its type), the former as its cause.
void raise_from(PyObject* type, const char* what, PyObject* subject);

// `module.name`, importing the module if need be; kept in `cache` for ever. A borrowed reference, or null with
// an error set.
PyObject* imported(PyObject*& cache, const char* module, const char* name);

// As above, but null without an error if the module has not been imported by anyone: then no object of its types exists.
PyObject* if_imported(PyObject*& cache, const char* module, const char* name);

}  // namespace pyr
