// The EMList base type: its life, and the sequence slots.
#include <Python.h>
#include <structmember.h>

#include <new>

#include "python/list/object.h"

namespace pyr {
namespace {

PyTypeObject* g_list_type = nullptr;

}  // namespace

void ListContainer::open_structure(emd::Store& store, emd::Member& member) {
  list_ = std::make_shared<emd::List>(store, member);
}

void ListContainer::close_structure(bool leak) noexcept {
  if (leak) {
    new std::shared_ptr<emd::List>(std::move(list_));  // never destroyed
  } else {
    list_.reset();
  }
}

bool is_list_object(PyObject* object) { return PyObject_TypeCheck(object, g_list_type); }

bool list_append(ListContainer& container, PyObject* value) {
  Word word;
  Buffer block;
  const Form form = encode_word(container.codec(), value, word, block);
  if (form == Form::failed) return false;
  Trash trash;
  const Container::Entered entered(container);
  emd::List& list = container.list();
  {
    const emd::Operation operation(container.store());
    if (form == Form::word) {
      list.append(word);
      return true;
    }
    with_block(list, block.bytes(), [&](Word stored) { list.append(stored); });
  }
  return remember_element(container, list.size() - 1, value, trash);
}

bool list_set(ListContainer& container, Py_ssize_t index, PyObject* value) {
  Word word;
  Buffer block;
  const Form form = encode_word(container.codec(), value, word, block);
  if (form == Form::failed) return false;
  Trash trash;
  const Container::Entered entered(container);
  emd::List& list = container.list();
  const u64 at = resolved_index(index, list.size());
  if (at >= list.size()) {
    PyErr_SetString(PyExc_IndexError, "list assignment index out of range");
    return false;
  }
  forget_elements(container, at, 1, 1, trash);
  {
    const emd::Operation operation(container.store());
    if (form == Form::word) {
      list.set(at, word);
      return true;
    }
    with_block(list, block.bytes(), [&](Word stored) { list.set(at, stored); });
  }
  return remember_element(container, at, value, trash);
}

void list_remove(ListContainer& container, u64 index, Trash& trash) {
  forget_elements(container, index, 1, 1, trash);
  emd::List& list = container.list();
  container.change(list.size() - index > kLongWords, [&] { list.splice(index, index + 1, {}); });
}

namespace {

// ---- Slots -------------------------------------------------------------------------------------------

bool as_index(PyObject* key, Py_ssize_t& index) {
  index = PyNumber_AsSsize_t(key, PyExc_IndexError);
  return index != -1 || !PyErr_Occurred();
}

void refuse_key(PyObject* key) {
  PyErr_Format(PyExc_TypeError, "list indices must be integers or slices, not %.200s", Py_TYPE(key)->tp_name);
}

Py_ssize_t list_length(PyObject* self) {
  return guarded(Py_ssize_t{-1}, [&] {
    ListContainer& container = list_container(self);
    return container.read([&] { return static_cast<Py_ssize_t>(container.list().size()); });
  });
}

// Whatever it is. A new reference, or null with an error set.
template <class Resolve>
__attribute__((noinline)) PyObject* any_element_at(ListContainer& container, Resolve&& resolve) {
  TakenElement element(container);
  const bool found = element.read([&](u64 size) {
    const u64 at = resolve(size);
    return __builtin_expect(at < size, 1) ? std::optional<u64>(at) : std::nullopt;
  });
  if (__builtin_expect(found, 1)) return element.object();
  PyErr_SetString(PyExc_IndexError, "list index out of range");
  return nullptr;
}

// The element at resolve(size). A new reference, or null with an error set.
template <class Resolve>
PyObject* element_at(ListContainer& container, Resolve&& resolve) {
  Word word;
  {
    const Container::Entered entered(container);
    word = word_at(container, resolve);
  }
  return word.is_reference() ? any_element_at(container, resolve) : inline_value(word);
}

PyObject* list_item(PyObject* self, Py_ssize_t index) {
  return guarded_object([&]() -> PyObject* {
    // The caller has added the length to a negative index already.
    return element_at(list_container(self), [&](u64) { return static_cast<u64>(index); });
  });
}

PyObject* list_subscript(PyObject* self, PyObject* key) {
  return guarded_object([&]() -> PyObject* {
    ListContainer& container = list_container(self);
    if (PySlice_Check(key)) return list_slice(container, key);
    if (!PyIndex_Check(key)) {
      refuse_key(key);
      return nullptr;
    }
    Py_ssize_t index = 0;
    if (!as_index(key, index)) return nullptr;
    return element_at(container, [&](u64 size) { return resolved_index(index, size); });
  });
}

}  // namespace

PyObject* list_element_anew(PyObject* self, PyObject* key) {
  return guarded_object([&]() -> PyObject* {
    Py_ssize_t index = 0;
    if (!as_index(key, index)) return nullptr;
    TakenElement element(list_container(self));
    element.copy_always();
    const bool found = element.read([&](u64 size) {
      const u64 at = resolved_index(index, size);
      return at < size ? std::optional<u64>(at) : std::nullopt;
    });
    if (found) return element.object();
    PyErr_SetString(PyExc_IndexError, "list index out of range");
    return nullptr;
  });
}

namespace {

bool assign_index(ListContainer& container, Py_ssize_t index, PyObject* value) {
  if (value) return list_set(container, index, value);
  Trash trash;
  const Container::Entered entered(container);
  const u64 at = resolved_index(index, container.list().size());
  if (at >= container.list().size()) {
    PyErr_SetString(PyExc_IndexError, "list assignment index out of range");
    return false;
  }
  list_remove(container, at, trash);
  return true;
}

int list_assign_item(PyObject* self, Py_ssize_t index, PyObject* value) {
  return guarded(-1, [&] {
    if (index < 0) {  // still negative after the caller added the length
      PyErr_SetString(PyExc_IndexError, "list assignment index out of range");
      return -1;
    }
    return assign_index(list_container(self), index, value) ? 0 : -1;
  });
}

int list_assign(PyObject* self, PyObject* key, PyObject* value) {
  return guarded(-1, [&] {
    ListContainer& container = list_container(self);
    if (PySlice_Check(key)) {
      return (value ? list_assign_slice(container, key, value) : list_delete_slice(container, key)) ? 0 : -1;
    }
    if (!PyIndex_Check(key)) {
      refuse_key(key);
      return -1;
    }
    Py_ssize_t index = 0;
    return as_index(key, index) && assign_index(container, index, value) ? 0 : -1;
  });
}

int list_contains(PyObject* self, PyObject* value) {
  return guarded(-1, [&] {
    ListContainer& container = list_container(self);
    const Container::Snapshot held(container);
    TakenElement element(container, TakenElement::Place::free);
    const Py_ssize_t found = list_find(container, value, 0, PY_SSIZE_T_MAX, element);
    return found == -2 ? -1 : found != -1;
  });
}

PyObject* list_inplace_concat(PyObject* self, PyObject* other) {
  return guarded_object([&] { return list_extend(self, other) ? Py_NewRef(self) : nullptr; });
}

// ---- Life --------------------------------------------------------------------------------------------

PyObject* list_new(PyTypeObject* type, PyObject*, PyObject*) {
  PyObject* self = type->tp_alloc(type, 0);
  if (self) new (&list_container(self)) ListContainer(self);
  return self;
}

// Arguments are the business of the Python class.
int list_init(PyObject*, PyObject*, PyObject*) { return 0; }

int list_traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  return list_container(self).traverse(visit, arg);
}

int list_clear_references(PyObject* self) {
  list_container(self).clear();
  return 0;
}

void list_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  if (reinterpret_cast<ContainerHead*>(self)->weak_references) PyObject_ClearWeakRefs(self);
  list_container(self).~ListContainer();
  type->tp_free(self);
  Py_DECREF(type);
}

PyMemberDef list_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(ContainerHead, weak_references), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr}};

PyType_Slot list_slots[] = {{Py_tp_new, reinterpret_cast<void*>(list_new)},
                            {Py_tp_init, reinterpret_cast<void*>(list_init)},
                            {Py_tp_dealloc, reinterpret_cast<void*>(list_dealloc)},
                            {Py_tp_traverse, reinterpret_cast<void*>(list_traverse)},
                            {Py_tp_clear, reinterpret_cast<void*>(list_clear_references)},
                            {Py_tp_members, list_members},
                            {Py_tp_methods, list_methods},
                            {Py_tp_iter, reinterpret_cast<void*>(list_iter)},
                            {Py_tp_hash, reinterpret_cast<void*>(PyObject_HashNotImplemented)},
                            {Py_mp_subscript, reinterpret_cast<void*>(list_subscript)},
                            {Py_mp_ass_subscript, reinterpret_cast<void*>(list_assign)},
                            {Py_mp_length, reinterpret_cast<void*>(list_length)},
                            {Py_sq_length, reinterpret_cast<void*>(list_length)},
                            {Py_sq_item, reinterpret_cast<void*>(list_item)},
                            {Py_sq_ass_item, reinterpret_cast<void*>(list_assign_item)},
                            {Py_sq_contains, reinterpret_cast<void*>(list_contains)},
                            {Py_sq_inplace_concat, reinterpret_cast<void*>(list_inplace_concat)},
                            {0, nullptr}};

PyType_Spec list_spec = {"pyrsistence._core.ListBase", sizeof(ListObject), 0,
                         Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, list_slots};

}  // namespace

bool add_list_types(PyObject* module) {
  g_list_type = add_type(module, "ListBase", list_spec);
  return g_list_type && add_list_iterator_type(module);
}

}  // namespace pyr
