// The EMList base type: its life, and the sequence slots.
#include <Python.h>

#include "python/kit/method.h"
#include "python/list/object.h"

namespace pyr {

bool list_append(ListContainer& container, PyObject* value) {
  Word word;
  Buffer block;
  const Form form = encode_word(container.codec(), value, word, block);
  if (form == Form::failed) return false;
  DeferredDecrefs deferred;
  const Container::EntryGuard entered(container);
  emd::List& list = container.list();
  {
    const emd::Operation operation(container.store());
    if (form == Form::word) {
      list.append(word);
      return true;
    }
    with_block(list, block.bytes(), [&](Word stored) { list.append(stored); });
  }
  return remember_element(container, list.size() - 1, value, deferred);
}

bool list_set(WordsContainer& container, Py_ssize_t index, PyObject* value, const char* out_of_range) {
  Word word;
  Buffer block;
  const Form form = encode_word(container.codec(), value, word, block);
  if (form == Form::failed) return false;
  DeferredDecrefs deferred;
  const Container::EntryGuard entered(container);
  emd::List& list = container.list();
  const u64 at = resolved_index(index, list.size());
  if (at >= list.size()) {
    PyErr_SetString(PyExc_IndexError, out_of_range);
    return false;
  }
  forget_elements(container, at, 1, 1, deferred);
  {
    const emd::Operation operation(container.store());
    if (form == Form::word) {
      list.set(at, word);
      return true;
    }
    with_block(list, block.bytes(), [&](Word stored) { list.set(at, stored); });
  }
  return remember_element(container, at, value, deferred);
}

void list_remove(ListContainer& container, u64 index, DeferredDecrefs& deferred) {
  forget_elements(container, index, 1, 1, deferred);
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

Py_ssize_t length(ListContainer& container) {
  return container.read([&] { return static_cast<Py_ssize_t>(container.list().size()); });
}

PyObject* item(ListContainer& container, Py_ssize_t index) {
  // The caller has added the length to a negative index already.
  return element_at(container, [&](u64) { return static_cast<u64>(index); });
}

PyObject* subscript(ListContainer& container, PyObject* key) {
  if (PySlice_Check(key)) return list_slice(container, key);
  if (!PyIndex_Check(key)) {
    refuse_key(key);
    return nullptr;
  }
  Py_ssize_t index = 0;
  if (!as_index(key, index)) return nullptr;
  return element_at(container, [&](u64 size) { return resolved_index(index, size); });
}

bool assign_index(ListContainer& container, Py_ssize_t index, PyObject* value) {
  if (value) return list_set(container, index, value);
  DeferredDecrefs deferred;
  const Container::EntryGuard entered(container);
  const u64 at = resolved_index(index, container.list().size());
  if (at >= container.list().size()) {
    PyErr_SetString(PyExc_IndexError, "list assignment index out of range");
    return false;
  }
  list_remove(container, at, deferred);
  return true;
}

int assign_item(ListContainer& container, Py_ssize_t index, PyObject* value) {
  if (index < 0) {  // still negative after the caller added the length
    PyErr_SetString(PyExc_IndexError, "list assignment index out of range");
    return -1;
  }
  return assign_index(container, index, value) ? 0 : -1;
}

int assign(ListContainer& container, PyObject* key, PyObject* value) {
  if (PySlice_Check(key))
    return (value ? list_assign_slice(container, key, value) : list_delete_slice(container, key)) ? 0 : -1;
  if (!PyIndex_Check(key)) {
    refuse_key(key);
    return -1;
  }
  Py_ssize_t index = 0;
  return as_index(key, index) && assign_index(container, index, value) ? 0 : -1;
}

int contains(ListContainer& container, PyObject* value) {
  const Container::SnapshotGuard held(container);
  ExtractedElement element(container, ExtractedElement::Admission::if_free);
  const Py_ssize_t found = list_find(container, value, 0, PY_SSIZE_T_MAX, element);
  return found == -2 ? -1 : found != -1;
}

PyObject* inplace_concat(ListContainer& container, PyObject* other) {
  return list_extend(container, other) ? Py_NewRef(container.self()) : nullptr;
}

}  // namespace

bool add_list_types(PyObject* module) {
  return add_container_type<ListContainer>(
             module, list_methods,
             {slot<&list_iter>(Py_tp_iter),
              {Py_tp_hash, reinterpret_cast<void*>(PyObject_HashNotImplemented)},
              slot<&subscript>(Py_mp_subscript),
              slot<&assign>(Py_mp_ass_subscript),
              slot<&length>(Py_mp_length),
              slot<&length>(Py_sq_length),
              slot<&item>(Py_sq_item),
              slot<&assign_item>(Py_sq_ass_item),
              slot<&contains>(Py_sq_contains),
              slot<&inplace_concat>(Py_sq_inplace_concat)}) &&
         add_list_iterator_type(module);
}

}  // namespace pyr
