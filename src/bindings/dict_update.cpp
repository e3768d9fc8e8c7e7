// EMDict.update from a mapping or an iterable of pairs, with the errors of dict.update.
#include "bindings/dict_object.h"

namespace pyr {
namespace {

bool update_from_dict(DictContainer& container, PyObject* given) {
  const Ref walked = to_walk(given);
  if (!walked) return false;
  PyObject* const other = walked.get();
  PyObject *key, *value;
  Py_ssize_t position = 0;
  const Py_ssize_t size = PyDict_GET_SIZE(other);
  while (PyDict_Next(other, &position, &key, &value)) {
    const Ref own_key = Ref::borrowed(key);
    const Ref own_value = Ref::borrowed(value);
    if (!dict_store(container, key, value)) return false;
    if (PyDict_GET_SIZE(other) != size) {  // encoding has run code that changed it
      PyErr_SetString(PyExc_RuntimeError, "dictionary changed size during iteration");
      return false;
    }
  }
  return true;
}

bool update_from_mapping(DictContainer& container, PyObject* other, PyObject* keys_method) {
  const Ref keys(PyObject_CallNoArgs(keys_method));
  const Ref iterator(keys ? PyObject_GetIter(keys.get()) : nullptr);
  if (!iterator) return false;
  while (true) {
    const Ref key(PyIter_Next(iterator.get()));
    if (!key) return !PyErr_Occurred();
    const Ref value(PyObject_GetItem(other, key.get()));
    if (!value || !dict_store(container, key.get(), value.get())) return false;
  }
}

bool store_pair(DictContainer& container, PyObject* item, Py_ssize_t number) {
  const Ref pair(PySequence_Fast(item, ""));
  if (!pair) {
    if (PyErr_ExceptionMatches(PyExc_TypeError)) {
      PyErr_Format(PyExc_TypeError, "cannot convert dictionary update sequence element #%zd to a sequence",
                   number);
    }
    return false;
  }
  const Py_ssize_t size = PySequence_Fast_GET_SIZE(pair.get());
  if (size != 2) {
    PyErr_Format(PyExc_ValueError, "dictionary update sequence element #%zd has length %zd; 2 is required",
                 number, size);
    return false;
  }
  const Ref key = item_of(pair.get(), 0);
  const Ref value = item_of(pair.get(), 1);
  return key && value && dict_store(container, key.get(), value.get());
}

bool update_from_pairs(DictContainer& container, PyObject* other) {
  const Ref iterator(PyObject_GetIter(other));
  if (!iterator) return false;
  for (Py_ssize_t number = 0;; ++number) {
    const Ref item(PyIter_Next(iterator.get()));
    if (!item) return !PyErr_Occurred();
    if (!store_pair(container, item.get(), number)) return false;
  }
}

}  // namespace

bool dict_update(DictContainer& container, PyObject* other) {
  { const Container::Entered entered(container); }  // a closed one is refused, whatever `other` is
  if (PyDict_CheckExact(other)) return update_from_dict(container, other);
  const Ref keys(PyObject_GetAttrString(other, "keys"));
  if (keys) return update_from_mapping(container, other, keys.get());
  if (!PyErr_ExceptionMatches(PyExc_AttributeError)) return false;
  PyErr_Clear();
  return update_from_pairs(container, other);
}

}  // namespace pyr
