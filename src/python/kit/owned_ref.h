// OwnedRef: an owned reference to a Python object.
//
// Threads: call with the GIL held, or attached where there is none.
#pragma once

#include <Python.h>

#include <utility>

#include "python/kit/gil.h"

namespace pyr {

// An owned reference. Converts to bool: whether there is one.
class OwnedRef {
 public:
  OwnedRef() = default;
  explicit OwnedRef(PyObject* owned) : object_(owned) {}
  OwnedRef(OwnedRef&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  OwnedRef& operator=(OwnedRef&& other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~OwnedRef() {
    if (!object_) return;
    // A thread that the ending interpreter unwinds comes by here, without the GIL.
    if (__builtin_expect(interpreter_ends.load(std::memory_order_relaxed), 0)) park_without_gil();
    Py_DECREF(object_);
  }
  static OwnedRef borrowed(PyObject* object) {
    Py_XINCREF(object);
    return OwnedRef(object);
  }
  PyObject* get() const { return object_; }
  PyObject* release() { return std::exchange(object_, nullptr); }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  PyObject* object_ = nullptr;
};

}  // namespace pyr
