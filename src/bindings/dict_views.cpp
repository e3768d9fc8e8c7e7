// Iterators over an EMDict and the base types of its views.
//
// An iterator keeps the position of the record it gave last. It refuses to go on when a key was inserted or
// removed, or a transaction was rolled back, since then; new values for old keys are allowed.
#include "bindings/dict_object.h"

namespace pyr {
namespace {

enum class Part : int { keys, values, items };

struct DictIterator {
  PyObject_HEAD PyObject* dict;  // null when exhausted
  Part part;
  bool backwards;
  bool started;
  emd::RecordPos position;
  emd::u64 version;
  emd::u64 epoch;
  Py_ssize_t remaining;
};

struct DictView {
  PyObject_HEAD PyObject* dict;
};

PyTypeObject* g_iterator_type = nullptr;
PyTypeObject* g_dict_type = nullptr;

PyObject* make_iterator(PyObject* dict, Part part, bool backwards) {
  return guarded_object([&]() -> PyObject* {
    DictContainer& container = dict_container(dict);
    container.enter();
    auto* self = PyObject_GC_New(DictIterator, g_iterator_type);
    if (!self) return nullptr;
    self->dict = Py_NewRef(dict);
    self->part = part;
    self->backwards = backwards;
    self->started = false;
    self->version = container.dict().version();
    self->epoch = container.epoch();
    self->remaining = static_cast<Py_ssize_t>(container.dict().size());
    PyObject_GC_Track(self);
    return reinterpret_cast<PyObject*>(self);
  });
}

// ---- Iterator slots ----------------------------------------------------------------------------------

bool is_current(const DictIterator& self, DictContainer& container) {
  return container.dict().version() == self.version && container.epoch() == self.epoch;
}

std::optional<emd::Dict::Record> step(const DictIterator& self, const emd::Dict& dict) {
  if (self.backwards) return self.started ? dict.previous(self.position) : dict.last();
  return self.started ? dict.next(self.position) : dict.first();
}

PyObject* iterator_next(PyObject* object) {
  auto& self = *reinterpret_cast<DictIterator*>(object);
  if (!self.dict) return nullptr;
  return guarded_object([&]() -> PyObject* {
    DictContainer& container = dict_container(self.dict);
    container.enter();
    if (!is_current(self, container)) {
      PyErr_SetString(PyExc_RuntimeError, "dictionary changed size during iteration");
      return nullptr;
    }
    const auto record = step(self, container.dict());
    if (!record) {
      Py_CLEAR(self.dict);
      return nullptr;
    }
    self.started = true;
    self.position = record->position;
    --self.remaining;
    switch (self.part) {
      case Part::keys:
        return record_key(container, *record);
      case Part::values:
        return record_value(container, *record);
      case Part::items:
        return record_item(container, *record);
    }
    return nullptr;
  });
}

PyObject* iterator_length_hint(PyObject* object, PyObject*) {
  auto& self = *reinterpret_cast<DictIterator*>(object);
  return guarded_object([&]() -> PyObject* {
    const bool going = self.dict && dict_container(self.dict).attached() &&
                       is_current(self, dict_container(self.dict)) && self.remaining > 0;
    return PyLong_FromSsize_t(going ? self.remaining : 0);
  });
}

// As for dict: what is left, as a list's iterator; so that iterators can be copied and pickled.
PyObject* iterator_reduce(PyObject* object, PyObject*) {
  auto& self = *reinterpret_cast<DictIterator*>(object);
  PyObject* builtins = PyImport_ImportModule("builtins");
  PyObject* iter = builtins ? PyObject_GetAttrString(builtins, "iter") : nullptr;
  Py_XDECREF(builtins);
  if (!iter) return nullptr;
  const DictIterator before = self;
  PyObject* keep = Py_XNewRef(self.dict);
  PyObject* rest = PySequence_List(object);
  self.started = before.started;
  self.position = before.position;
  self.remaining = before.remaining;
  Py_XSETREF(self.dict, keep);
  PyObject* result = rest ? Py_BuildValue("N(N)", iter, rest) : nullptr;
  if (!rest) Py_DECREF(iter);
  return result;
}

int iterator_traverse(PyObject* object, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(object));
  Py_VISIT(reinterpret_cast<DictIterator*>(object)->dict);
  return 0;
}

void iterator_dealloc(PyObject* object) {
  PyTypeObject* type = Py_TYPE(object);
  PyObject_GC_UnTrack(object);
  Py_CLEAR(reinterpret_cast<DictIterator*>(object)->dict);
  PyObject_GC_Del(object);
  Py_DECREF(type);
}

PyMethodDef iterator_methods[] = {
    {"__length_hint__", iterator_length_hint, METH_NOARGS, "How many items are left."},
    {"__reduce__", iterator_reduce, METH_NOARGS, "The items left, as an iterator over a list."},
    {nullptr, nullptr, 0, nullptr}};

PyType_Slot iterator_slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(iterator_dealloc)},
                                {Py_tp_traverse, reinterpret_cast<void*>(iterator_traverse)},
                                {Py_tp_iter, reinterpret_cast<void*>(PyObject_SelfIter)},
                                {Py_tp_iternext, reinterpret_cast<void*>(iterator_next)},
                                {Py_tp_methods, iterator_methods},
                                {0, nullptr}};

PyType_Spec iterator_spec = {"pyrsistence._core.DictIterator", sizeof(DictIterator), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                             iterator_slots};

// ---- Views -------------------------------------------------------------------------------------------

PyObject* view_dict(PyObject* view) { return reinterpret_cast<DictView*>(view)->dict; }

PyObject* view_new(PyTypeObject* type, PyObject* args, PyObject*) {
  PyObject* dict = nullptr;
  if (!PyArg_ParseTuple(args, "O!", g_dict_type, &dict)) return nullptr;
  PyObject* self = type->tp_alloc(type, 0);
  if (self) reinterpret_cast<DictView*>(self)->dict = Py_NewRef(dict);
  return self;
}

int view_traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(view_dict(self));
  return 0;
}

void view_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  Py_CLEAR(reinterpret_cast<DictView*>(self)->dict);
  type->tp_free(self);
  Py_DECREF(type);
}

Py_ssize_t view_length(PyObject* self) { return PyObject_Size(view_dict(self)); }

template <Part kPart>
PyObject* view_iter(PyObject* self) {
  return make_iterator(view_dict(self), kPart, false);
}

template <Part kPart>
PyObject* view_reversed(PyObject* self, PyObject*) {
  return make_iterator(view_dict(self), kPart, true);
}

int keys_contains(PyObject* self, PyObject* key) { return PySequence_Contains(view_dict(self), key); }

int items_contains(PyObject* self, PyObject* item) {
  if (!PyTuple_Check(item) || PyTuple_GET_SIZE(item) != 2) return 0;
  return guarded(-1, [&] {
    DictContainer& container = dict_container(view_dict(self));
    Buffer canonical;
    if (!encode_key(container, PyTuple_GET_ITEM(item, 0), canonical)) return -1;
    container.enter();
    const auto record = container.dict().find(canonical.bytes());
    if (!record) return 0;
    const Ref value(record_value(container, *record));
    return value ? PyObject_RichCompareBool(value.get(), PyTuple_GET_ITEM(item, 1), Py_EQ) : -1;
  });
}

PyObject* view_mapping(PyObject* self, void*) { return Py_NewRef(view_dict(self)); }

PyGetSetDef view_getset[] = {{"mapping", view_mapping, nullptr, "The dict this is a view of.", nullptr},
                             {nullptr, nullptr, nullptr, nullptr, nullptr}};

template <Part kPart>
PyMethodDef view_methods[] = {
    {"__reversed__", view_reversed<kPart>, METH_NOARGS, "Iterate backwards, the last inserted first."},
    {nullptr, nullptr, 0, nullptr}};

template <Part kPart>
PyTypeObject* add_view_type(PyObject* module, const char* name, const char* qualified, objobjproc contains) {
  PyType_Slot slots[] = {{Py_tp_new, reinterpret_cast<void*>(view_new)},
                         {Py_tp_dealloc, reinterpret_cast<void*>(view_dealloc)},
                         {Py_tp_traverse, reinterpret_cast<void*>(view_traverse)},
                         {Py_tp_iter, reinterpret_cast<void*>(view_iter<kPart>)},
                         {Py_tp_methods, view_methods<kPart>},
                         {Py_tp_getset, view_getset},
                         {Py_sq_length, reinterpret_cast<void*>(view_length)},
                         {contains ? Py_sq_contains : 0, reinterpret_cast<void*>(contains)},
                         {0, nullptr}};
  PyType_Spec spec = {qualified, sizeof(DictView), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
  return add_type(module, name, spec);
}

}  // namespace

PyObject* dict_iter(PyObject* self) { return make_iterator(self, Part::keys, false); }
PyObject* dict_reversed(PyObject* self, PyObject*) { return make_iterator(self, Part::keys, true); }

bool add_dict_view_types(PyObject* module, PyTypeObject* dict_type) {
  g_dict_type = dict_type;
  g_iterator_type = add_type(module, "DictIterator", iterator_spec);
  return g_iterator_type &&
         add_view_type<Part::keys>(module, "KeysBase", "pyrsistence._core.KeysBase", keys_contains) &&
         add_view_type<Part::values>(module, "ValuesBase", "pyrsistence._core.ValuesBase", nullptr) &&
         add_view_type<Part::items>(module, "ItemsBase", "pyrsistence._core.ItemsBase", items_contains);
}

}  // namespace pyr
