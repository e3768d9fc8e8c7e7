// Iterators over an EMList: they see a list that grows, and once exhausted stay so. See iterators.h.
#include <new>

#include "python/kit/iterators.h"
#include "python/list/object.h"

namespace pyr {
namespace {

struct ListIterator {
  PyObject_HEAD SharedRef list;  // empty when exhausted
  u64 opening;
  Py_ssize_t step;   // 1, or -1: backwards
  Py_ssize_t index;  // of the next element
  emd::Scan words;
  emd::Scan blocks;
};

PyTypeObject* g_iterator_type = nullptr;

ListIterator& iterator_of(PyObject* object) { return *reinterpret_cast<ListIterator*>(object); }

// One that is exhausted yet.
ListIterator* new_iterator(Ref& object) {
  auto* const self = PyObject_GC_New(ListIterator, g_iterator_type);
  if (!self) return nullptr;
  object = Ref(reinterpret_cast<PyObject*>(self));
  new (&self->list) SharedRef;
  new (&self->words) emd::Scan;
  new (&self->blocks) emd::Scan;
  self->opening = 0;
  self->step = 1;
  self->index = 0;
  PyObject_GC_Track(object.get());
  return self;
}

PyObject* make_iterator(PyObject* list, Py_ssize_t step) {
  return guarded_object([&]() -> PyObject* {
    Ref object;
    ListIterator* const self = new_iterator(object);
    if (!self) return nullptr;
    self->list.exchange(Ref::borrowed(list));
    self->step = step;
    ListContainer& container = list_container(list);
    const auto size = container.read([&] {
      self->opening = container.opening();
      return static_cast<Py_ssize_t>(container.list().size());
    });
    if (step < 0) self->index = size - 1;
    return object.release();
  });
}

// Precondition of both: entered.

bool is_current(const ListIterator& self, const ListContainer& container) {
  return __builtin_expect(container.opening() == self.opening, 1);
}

void require_current(const ListIterator& self, const ListContainer& container) {
  if (is_current(self, container)) return;
  throw emd::StateError("the list was closed, and opened again, during iteration");
}

// Takes the next element, whatever it is; false if there is none.
bool take_next(ListIterator& self, ListContainer& container, TakenElement& element) {
  bool found = false;
  do {
    const Container::Entered entered(container);
    require_current(self, container);
    const auto index = static_cast<u64>(self.index);  // -1, when the front is reached, is beyond any size
    found = container.look([&] {
      if (index >= container.list().size()) return false;
      element.take(index);
      return true;
    });
    if (found && element.word().is_reference()) container.list().reached_block(element.word(), self.blocks);
    if (found && !element.must_grow()) self.index += self.step;
  } while (found && element.grow());
  return found;
}

__attribute__((noinline)) PyObject* next_or_end(ListIterator& self, ListContainer& container) {
  TakenElement element(container, TakenElement::Place::free);
  if (take_next(self, container, element)) return element.object();
  self.list.exchange(Ref());
  return nullptr;
}

PyObject* iterator_next(PyObject* object) {
  ListIterator& self = iterator_of(object);
  const Ref list = self.list.get();
  if (!list) return nullptr;
  return guarded_object([&]() -> PyObject* {
    ListContainer& container = list_container(list.get());
    Word word;
    {
      const Container::Entered entered(container);
      require_current(self, container);
      word = word_at(container, [&](u64) { return static_cast<u64>(self.index); });
      container.list().reached(static_cast<u64>(self.index), self.words);
      if (!word.is_reference()) self.index += self.step;
    }
    return word.is_reference() ? next_or_end(self, container) : inline_value(word);
  });
}

PyObject* iterator_length_hint(PyObject* object, PyObject*) {
  ListIterator& self = iterator_of(object);
  const Ref list = self.list.get();
  if (!list || !list_container(list.get()).attached()) return PyLong_FromLong(0);
  return guarded_object([&]() -> PyObject* {
    ListContainer& container = list_container(list.get());
    const Py_ssize_t left = container.read([&] {
      const auto size = static_cast<Py_ssize_t>(container.list().size());
      if (!is_current(self, container)) return Py_ssize_t{0};
      return self.step < 0 ? (self.index < size ? self.index + 1 : 0) : size - self.index;
    });
    return PyLong_FromSsize_t(left < 0 ? 0 : left);
  });
}

PyObject* iterator_reduce(PyObject* object, PyObject*) {
  return guarded_object([&]() -> PyObject* {
    ListIterator& self = iterator_of(object);
    Ref twin;
    ListIterator* const other = new_iterator(twin);
    if (Ref list = self.list.get(); other && list) {
      const Container::Entered entered(list_container(list.get()));
      other->opening = self.opening;
      other->step = self.step;
      other->index = self.index;
      other->list.exchange(std::move(list));
    }
    return reduced_iterator(twin);
  });
}

int iterator_traverse(PyObject* object, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(object));
  return iterator_of(object).list.traverse(visit, arg);
}

void iterator_dealloc(PyObject* object) {
  PyTypeObject* type = Py_TYPE(object);
  PyObject_GC_UnTrack(object);
  iterator_of(object).list.~SharedRef();
  iterator_of(object).words.~Scan();
  iterator_of(object).blocks.~Scan();
  PyObject_GC_Del(object);
  Py_DECREF(type);
}

PyMethodDef iterator_methods[] = {
    {"__length_hint__", iterator_length_hint, METH_NOARGS, "How many elements are left."},
    {"__reduce__", iterator_reduce, METH_NOARGS, "The elements left, as an iterator over a list."},
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

PyObject* list_iter(PyObject* self) { return make_iterator(self, 1); }
PyObject* list_reversed(PyObject* self, PyObject*) { return make_iterator(self, -1); }

bool iterates_over(PyObject* object, PyObject* list) {
  return Py_IS_TYPE(object, g_iterator_type) && iterator_of(object).list.get().get() == list;
}

bool add_list_iterator_type(PyObject* module) {
  g_iterator_type = add_type(module, "ListIterator", iterator_spec);
  return g_iterator_type != nullptr;
}

}  // namespace pyr
