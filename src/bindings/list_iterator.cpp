// Iterators over an EMList: they see a list that grows, and once exhausted stay so.
#include "bindings/list_object.h"

namespace pyr {
namespace {

struct ListIterator {
  PyObject_HEAD PyObject* list;  // null when exhausted
  bool backwards;
  Py_ssize_t index;  // of the next element
};

PyTypeObject* g_iterator_type = nullptr;

PyObject* make_iterator(PyObject* list, bool backwards) {
  return guarded_object([&]() -> PyObject* {
    ListContainer& container = list_container(list);
    container.enter();
    auto* self = PyObject_GC_New(ListIterator, g_iterator_type);
    if (!self) return nullptr;
    self->list = Py_NewRef(list);
    self->backwards = backwards;
    self->index = backwards ? static_cast<Py_ssize_t>(container.list().size()) - 1 : 0;
    PyObject_GC_Track(self);
    return reinterpret_cast<PyObject*>(self);
  });
}

PyObject* iterator_next(PyObject* object) {
  auto& self = *reinterpret_cast<ListIterator*>(object);
  if (!self.list) return nullptr;
  return guarded_object([&]() -> PyObject* {
    ListContainer& container = list_container(self.list);
    container.enter();
    const Py_ssize_t index = self.index;
    if (index < 0 || static_cast<u64>(index) >= container.list().size()) {
      Py_CLEAR(self.list);
      return nullptr;
    }
    self.index += self.backwards ? -1 : 1;
    return list_value(container, static_cast<u64>(index));
  });
}

PyObject* iterator_length_hint(PyObject* object, PyObject*) {
  auto& self = *reinterpret_cast<ListIterator*>(object);
  return guarded_object([&]() -> PyObject* {
    Py_ssize_t left = 0;
    if (self.list && list_container(self.list).attached()) {
      const auto size = static_cast<Py_ssize_t>(list_container(self.list).list().size());
      left = self.backwards ? (self.index < size ? self.index + 1 : 0) : size - self.index;
    }
    return PyLong_FromSsize_t(left < 0 ? 0 : left);
  });
}

int iterator_traverse(PyObject* object, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(object));
  Py_VISIT(reinterpret_cast<ListIterator*>(object)->list);
  return 0;
}

void iterator_dealloc(PyObject* object) {
  PyTypeObject* type = Py_TYPE(object);
  PyObject_GC_UnTrack(object);
  Py_CLEAR(reinterpret_cast<ListIterator*>(object)->list);
  PyObject_GC_Del(object);
  Py_DECREF(type);
}

PyMethodDef iterator_methods[] = {
    {"__length_hint__", iterator_length_hint, METH_NOARGS, "How many elements are left."},
    {nullptr, nullptr, 0, nullptr}};

PyType_Slot iterator_slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(iterator_dealloc)},
                                {Py_tp_traverse, reinterpret_cast<void*>(iterator_traverse)},
                                {Py_tp_iter, reinterpret_cast<void*>(PyObject_SelfIter)},
                                {Py_tp_iternext, reinterpret_cast<void*>(iterator_next)},
                                {Py_tp_methods, iterator_methods},
                                {0, nullptr}};

PyType_Spec iterator_spec = {"pyrsistence._core.ListIterator", sizeof(ListIterator), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                             iterator_slots};

}  // namespace

PyObject* list_iter(PyObject* self) { return make_iterator(self, false); }
PyObject* list_reversed(PyObject* self, PyObject*) { return make_iterator(self, true); }

bool add_list_iterator_type(PyObject* module) {
  g_iterator_type = add_type(module, "ListIterator", iterator_spec);
  return g_iterator_type != nullptr;
}

}  // namespace pyr
