// Locks of single objects, for an interpreter without the GIL; with the GIL they are empty. What guards a store is
// StoreHandle.
#pragma once

#include <Python.h>

#include <atomic>
#include <utility>

#include "python/kit/owned_ref.h"

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

class MutexGuard {
 public:
  explicit MutexGuard(ObjectMutex& mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexGuard() { mutex_.unlock(); }
  MutexGuard(const MutexGuard&) = delete;
  MutexGuard& operator=(const MutexGuard&) = delete;

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
  OwnedRef get() const {
    const MutexGuard hold(mutex_);
    return OwnedRef(Py_XNewRef(object_.load(std::memory_order_relaxed)));
  }
  // Gives back what was there: to be released outside of all scopes, for that may run code.
  OwnedRef exchange(OwnedRef object) {
    const MutexGuard hold(mutex_);
    return OwnedRef(object_.exchange(object.release(), std::memory_order_relaxed));
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
