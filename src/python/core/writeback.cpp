#include "python/core/writeback.h"

#include "python/kit/errors.h"

namespace pyr {

Ref WriteBack::find(PyObject* name) const {
  PyObject* const found = objects_ ? PyDict_GetItemWithError(objects_, name) : nullptr;
  if (!found) PyErr_Clear();
  return Ref(Py_XNewRef(found));
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

void WriteBack::release_outdated(Trash& trash) {
  for (Ref& old : outdated_) trash.push_back(std::move(old));
  outdated_.clear();
}

bool WriteBack::keep(PyObject* name, PyObject* object, Trash& trash) {
  release_outdated(trash);
  trash.push_back(find(name));
  return PyDict_SetItem(objects_, name, object) == 0;
}

void WriteBack::forget(PyObject* name, Trash& trash) {
  ++changes_;
  trash.push_back(find(name));
  if (trash.back() && PyDict_DelItem(objects_, name) < 0) PyErr_Clear();
}

void WriteBack::forget_all(Trash& trash) {
  release_outdated(trash);
  ++changes_;
  if (!objects_) return;
  PyObject* const fresh = PyDict_New();
  if (fresh) {
    trash.emplace_back(std::exchange(objects_, fresh));
  } else {
    PyErr_Clear();
    trash.push_back(entries());
    PyDict_Clear(objects_);
  }
}

bool note_failure(PyObject* failures, Ref error, const Ref& key) {
  const Ref failure(key ? PyTuple_Pack(2, key.get(), error.get()) : nullptr);
  return failure && PyList_Append(failures, failure.get()) == 0;
}

Ref take_exception() {
  if (!PyErr_ExceptionMatches(PyExc_Exception)) return Ref();
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  PyErr_NormalizeException(&type, &value, &traceback);
  if (value && traceback) PyException_SetTraceback(value, traceback);
  Py_XDECREF(type);
  Py_XDECREF(traceback);
  return Ref(value);
}

}  // namespace pyr
