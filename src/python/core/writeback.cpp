// WriteBack: objects by name, forgotten as a whole when the container is in another state.
#include "python/core/writeback.h"

#include "python/kit/errors.h"

namespace pyr {

OwnedRef WriteBack::find(PyObject* name) const {
  PyObject* const found = objects_ ? PyDict_GetItemWithError(objects_, name) : nullptr;
  if (!found) PyErr_Clear();
  return OwnedRef(Py_XNewRef(found));
}

void WriteBack::outdate(u64 stamp) {
  if (PyDict_GET_SIZE(objects_) != 0) {
    PyObject* const fresh = PyDict_New();
    if (!fresh) throw PythonError();
    outdated_.emplace_back(std::exchange(objects_, fresh));
  }
  stamp_ = stamp;
  ++changes_;
}

void WriteBack::release_outdated(DeferredDecrefs& deferred) {
  for (OwnedRef& old : outdated_) deferred.push_back(std::move(old));
  outdated_.clear();
}

bool WriteBack::keep(PyObject* name, PyObject* object, DeferredDecrefs& deferred) {
  release_outdated(deferred);
  deferred.push_back(find(name));
  return PyDict_SetItem(objects_, name, object) == 0;
}

void WriteBack::forget(PyObject* name, DeferredDecrefs& deferred) {
  ++changes_;
  deferred.push_back(find(name));
  if (deferred.back() && PyDict_DelItem(objects_, name) < 0) PyErr_Clear();
}

void WriteBack::forget_all(DeferredDecrefs& deferred) {
  release_outdated(deferred);
  ++changes_;
  if (!objects_) return;
  PyObject* const fresh = PyDict_New();
  if (fresh) {
    deferred.emplace_back(std::exchange(objects_, fresh));
  } else {
    PyErr_Clear();
    deferred.push_back(entries());
    PyDict_Clear(objects_);
  }
}

bool note_failure(PyObject* failures, OwnedRef error, const OwnedRef& key) {
  const OwnedRef failure(key ? PyTuple_Pack(2, key.get(), error.get()) : nullptr);
  return failure && PyList_Append(failures, failure.get()) == 0;
}

OwnedRef take_exception() {
  if (!PyErr_ExceptionMatches(PyExc_Exception)) return OwnedRef();
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  PyErr_NormalizeException(&type, &value, &traceback);
  if (value && traceback) PyException_SetTraceback(value, traceback);
  Py_XDECREF(type);
  Py_XDECREF(traceback);
  return OwnedRef(value);
}

}  // namespace pyr
