// The write-back cache of a container: the name of a place -> the object that was handed out for it.
//
// Threads: used only while the container is entered. What it lets go of is put into the caller's trash, to be released
// outside: that may run code.
#pragma once

#include <Python.h>

#include "bindings/codec_support.h"
#include "bindings/handle.h"

namespace pyr {

class WriteBack {
 public:
  WriteBack() = default;
  WriteBack(const WriteBack&) = delete;
  WriteBack& operator=(const WriteBack&) = delete;
  ~WriteBack() { Py_CLEAR(objects_); }

  bool on() const { return objects_ != nullptr; }
  // False with an error set.
  bool start() {
    if (!objects_) objects_ = PyDict_New();
    return objects_ != nullptr;
  }
  void stop(Trash& trash) {
    if (objects_) trash.emplace_back(std::exchange(objects_, nullptr));
  }
  // Grows with every change that makes what was read before old: a value decoded outside is kept only if it is as
  // before.
  u64 changes() const { return changes_; }
  void changed() { ++changes_; }

  // The object of this name, or none.
  Ref find(PyObject* name) const;
  // False with an error set.
  bool keep(PyObject* name, PyObject* object, Trash& trash);
  // The value at this place is another one now, or none.
  void forget(PyObject* name, Trash& trash);
  void forget_all(Trash& trash);
  // All (name, object), as a list; null with an error set.
  Ref entries() const { return Ref(objects_ ? PyDict_Items(objects_) : PyList_New(0)); }
  bool empty() const { return !objects_ || PyDict_GET_SIZE(objects_) == 0; }

  int traverse(visitproc visit, void* arg) {
    Py_VISIT(objects_);
    return 0;
  }
  void clear() { Py_CLEAR(objects_); }

 private:
  PyObject* objects_ = nullptr;
  u64 changes_ = 0;
};

}  // namespace pyr
