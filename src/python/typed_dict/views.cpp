// Iterators over an EMTypedDict; its views are written in Python (pyrsistence/_containers/typed_views.py).
//
// An iterator keeps the row it goes on at. It refuses when a key was inserted or removed, or a transaction was rolled back,
// since it began, or the dict was opened anew; new values for old keys are allowed. The version is in the file, so this holds
// beside a writer too. See iterators.h.
#include <new>

#include "python/kit/iterators.h"
#include "python/typed_dict/object.h"

namespace pyr {
namespace {

struct TypedIterator {
  PyObject_HEAD SharedRef dict;  // empty when exhausted
  TypedPart part;
  bool backwards;
  u64 version;
  u64 epoch;
  u64 row;  // forwards: the next to look at; backwards: the one behind it
  Py_ssize_t remaining;
};

PyTypeObject* g_iterator_type = nullptr;

TypedIterator& iterator_of(PyObject* object) { return *reinterpret_cast<TypedIterator*>(object); }

// One that is exhausted yet.
TypedIterator* new_iterator(Ref& object) {
  auto* const self = PyObject_GC_New(TypedIterator, g_iterator_type);
  if (!self) return nullptr;
  object = Ref(reinterpret_cast<PyObject*>(self));
  new (&self->dict) SharedRef;
  self->part = TypedPart::key;
  self->backwards = false;
  self->version = self->epoch = self->row = 0;
  self->remaining = 0;
  PyObject_GC_Track(object.get());
  return self;
}

enum class Outcome { given, exhausted, changed };

// Precondition: within a read.
bool is_current(const TypedIterator& self, TypedContainer& container) {
  return container.any_dict().version() == self.version && container.epoch() == self.epoch;
}

// Copies the next row out; `next` becomes where the iterator is then.
Outcome advance(const TypedIterator& self, TypedContainer& container, const Columns& columns, u64& next,
                ScalarBytes& key, ScalarBytes& value) {
  if (!is_current(self, container)) return Outcome::changed;
  const emd::TypedDict& dict = container.dict(columns);
  const u64 row = self.backwards ? dict.previous_live(self.row) : dict.next_live(self.row);
  if (row == emd::TypedDict::kNone) return Outcome::exhausted;
  next = self.backwards ? row : row + 1;
  if (self.part != TypedPart::value) std::memcpy(key.data(), dict.key_at(row), key.size());
  if (self.part != TypedPart::key) std::memcpy(value.data(), dict.value_at(row), value.size());
  return Outcome::given;
}

PyObject* refuse_changed(bool by_writer) {
  PyErr_SetString(PyExc_RuntimeError,
                  by_writer ? "dictionary changed during iteration, by a commit of its writer: iterate "
                              "under `with d.snapshot():`"
                            : "dictionary changed size during iteration");
  return nullptr;
}

PyObject* iterator_next(PyObject* object) {
  TypedIterator& self = iterator_of(object);
  const Ref dict = self.dict.get();
  if (!dict) return nullptr;
  return guarded_object([&]() -> PyObject* {
    TypedContainer& container = typed_container(dict.get());
    const Columns& columns = container.columns();
    ScalarBytes key(columns.keys.bytes());
    ScalarBytes value(columns.values.bytes());
    Outcome outcome{};
    bool live = false;
    {
      const Container::Entered entered(container);
      live = container.live();
      u64 next = 0;
      outcome = container.look([&] { return advance(self, container, columns, next, key, value); });
      if (outcome == Outcome::given) {
        self.row = next;
        --self.remaining;
      }
    }
    if (__builtin_expect(outcome == Outcome::given, 1)) return typed_object(columns, self.part, key, value);
    if (outcome == Outcome::changed) return refuse_changed(live);
    self.dict.exchange(Ref());
    return nullptr;
  });
}

PyObject* iterator_length_hint(PyObject* object, PyObject*) {
  TypedIterator& self = iterator_of(object);
  const Ref dict = self.dict.get();
  if (!dict || !typed_container(dict.get()).attached()) return PyLong_FromLong(0);
  return guarded_object([&]() -> PyObject* {
    TypedContainer& container = typed_container(dict.get());
    const Py_ssize_t left = container.read([&] { return is_current(self, container) ? self.remaining : 0; });
    return PyLong_FromSsize_t(left > 0 ? left : 0);
  });
}

PyObject* iterator_reduce(PyObject* object, PyObject*) {
  return guarded_object([&]() -> PyObject* {
    TypedIterator& self = iterator_of(object);
    Ref twin;
    TypedIterator* const other = new_iterator(twin);
    if (Ref dict = self.dict.get(); other && dict) {
      const Container::Entered entered(typed_container(dict.get()));
      other->part = self.part;
      other->backwards = self.backwards;
      other->version = self.version;
      other->epoch = self.epoch;
      other->row = self.row;
      other->remaining = self.remaining;
      other->dict.exchange(std::move(dict));
    }
    return reduced_iterator(twin);
  });
}

int iterator_traverse(PyObject* object, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(object));
  return iterator_of(object).dict.traverse(visit, arg);
}

void iterator_dealloc(PyObject* object) {
  PyTypeObject* type = Py_TYPE(object);
  PyObject_GC_UnTrack(object);
  iterator_of(object).dict.~SharedRef();
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

PyType_Spec iterator_spec = {"pyrsistence._core.TypedDictIterator", sizeof(TypedIterator), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                             iterator_slots};

}  // namespace

PyObject* typed_iterator(PyObject* dict, TypedPart part, bool backwards) {
  return guarded_object([&]() -> PyObject* {
    Ref object;
    TypedIterator* const self = new_iterator(object);
    if (!self) return nullptr;
    self->dict.exchange(Ref::borrowed(dict));
    self->part = part;
    self->backwards = backwards;
    TypedContainer& container = typed_container(dict);
    container.read([&] {
      const emd::TypedDict& typed = container.any_dict();
      self->version = typed.version();
      self->epoch = container.epoch();
      self->row = backwards ? typed.row_count() : 0;
      if (!backwards) self->row = std::min(typed.row_count(), typed.first_live());
      self->remaining = static_cast<Py_ssize_t>(typed.size());
    });
    return object.release();
  });
}

PyObject* typed_iter(PyObject* self) { return typed_iterator(self, TypedPart::key, false); }
PyObject* typed_reversed(PyObject* self, PyObject*) { return typed_iterator(self, TypedPart::key, true); }

bool add_typed_iterator_type(PyObject* module) {
  g_iterator_type = add_type(module, "TypedDictIterator", iterator_spec);
  return g_iterator_type != nullptr;
}

}  // namespace pyr
