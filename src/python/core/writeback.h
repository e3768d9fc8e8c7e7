// The write-back cache of a container: the name of a place -> the object that was handed out for it.
//
// Threads: used only while the container is entered. What it lets go of goes into the caller's DeferredDecrefs, to be
// released outside: that may run code.
//
// What it holds is of one state of the container, which has a stamp (Container::stamp()). It compares that itself at
// each use: a rollback, and a compaction where names are places, need not tell it.
#pragma once

#include <Python.h>

#include "python/codec/support.h"
#include "python/core/handle.h"

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
  // Tells the stamp of the state that the container is in. What is kept of another state is forgotten.
  void follow(u64 stamp) {
    if (__builtin_expect(stamp != stamp_, 0)) outdate(stamp);
  }
  void stop(DeferredDecrefs& deferred) {
    release_outdated(deferred);
    if (objects_) deferred.emplace_back(std::exchange(objects_, nullptr));
  }
  // Grows with every change that makes what was read before old: a value decoded outside is kept only if it is as
  // before.
  u64 changes() const { return changes_; }
  void changed() { ++changes_; }

  // The object of this name, or none.
  OwnedRef find(PyObject* name) const;
  // False with an error set.
  bool keep(PyObject* name, PyObject* object, DeferredDecrefs& deferred);
  // The value at this place is another one now, or none.
  void forget(PyObject* name, DeferredDecrefs& deferred);
  void forget_all(DeferredDecrefs& deferred);
  // All (name, object), as a list; null with an error set.
  OwnedRef entries() const { return OwnedRef(objects_ ? PyDict_Items(objects_) : PyList_New(0)); }
  bool empty() const { return !objects_ || PyDict_GET_SIZE(objects_) == 0; }

  int traverse(visitproc visit, void* arg) {
    Py_VISIT(objects_);
    for (const OwnedRef& old : outdated_) Py_VISIT(old.get());
    return 0;
  }
  void clear() {
    Py_CLEAR(objects_);
    outdated_.clear();
  }

 private:
  void outdate(u64 stamp);
  void release_outdated(DeferredDecrefs& deferred);

  PyObject* objects_ = nullptr;
  DeferredDecrefs outdated_;  // to be released by the next call that is given some
  u64 stamp_ = 0;
  u64 changes_ = 0;
};

// For who writes back: one value that cannot be encoded does not keep the others from being written.

// The error that is set, taken from where it is; null, and it stays, for what is no Exception (KeyboardInterrupt).
OwnedRef take_exception();
// Adds (key, error) to a list; null keys and failures are errors that are set.
bool note_failure(PyObject* failures, OwnedRef error, const OwnedRef& key);

}  // namespace pyr
