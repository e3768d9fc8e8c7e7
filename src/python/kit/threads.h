// Locks of single objects, for an interpreter without the GIL; with the GIL they are empty. What guards a store is
// StoreHandle.
#pragma once

#include <Python.h>

#include <atomic>
#include <utility>

#include "python/kit/ref.h"

namespace pyr {

// A mutex under which no Python code runs.
class ObjectMutex {
 public:
#ifdef Py_GIL_DISABLED
  void lock() { PyMutex_Lock(&mutex_); }
  void unlock() { PyMutex_Unlock(&mutex_); }

 private:
  PyMutex mutex_{};
#else
  void lock() {}
  void unlock() {}
#endif
};

class Hold {
 public:
  explicit Hold(ObjectMutex& mutex) : mutex_(mutex) { mutex_.lock(); }
  ~Hold() { mutex_.unlock(); }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;

 private:
  ObjectMutex& mutex_;
};

// A reference that several threads read and replace.
class SharedRef {
 public:
  SharedRef() = default;
  ~SharedRef() { Py_XDECREF(object_.load(std::memory_order_relaxed)); }
  SharedRef(const SharedRef&) = delete;
  SharedRef& operator=(const SharedRef&) = delete;

  bool empty() const { return object_.load(std::memory_order_relaxed) == nullptr; }
  Ref get() const {
    const Hold hold(mutex_);
    return Ref(Py_XNewRef(object_.load(std::memory_order_relaxed)));
  }
  // Gives back what was there: to be released outside of all scopes, for that may run code.
  Ref exchange(Ref object) {
    const Hold hold(mutex_);
    return Ref(object_.exchange(object.release(), std::memory_order_relaxed));
  }
  int traverse(visitproc visit, void* arg) const {
    Py_VISIT(object_.load(std::memory_order_relaxed));
    return 0;
  }

 private:
  mutable ObjectMutex mutex_;
  std::atomic<PyObject*> object_ = nullptr;
};

}  // namespace pyr
