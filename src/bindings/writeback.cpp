#include "bindings/writeback.h"

namespace pyr {

Ref WriteBack::find(PyObject* name) const {
  PyObject* const found = objects_ ? PyDict_GetItemWithError(objects_, name) : nullptr;
  if (!found) PyErr_Clear();
  return Ref(Py_XNewRef(found));
}

bool WriteBack::keep(PyObject* name, PyObject* object, Trash& trash) {
  trash.push_back(find(name));
  return PyDict_SetItem(objects_, name, object) == 0;
}

void WriteBack::forget(PyObject* name, Trash& trash) {
  ++changes_;
  trash.push_back(find(name));
  if (trash.back() && PyDict_DelItem(objects_, name) < 0) PyErr_Clear();
}

void WriteBack::forget_all(Trash& trash) {
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

}  // namespace pyr
