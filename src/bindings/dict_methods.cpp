// The EMDict base type: its methods. What is not hot is written in Python (python/pyrsistence/_dict.py).
#include <optional>

#include "bindings/dict_object.h"

namespace pyr {
namespace {

bool check_count(const char* name, Py_ssize_t count, Py_ssize_t least, Py_ssize_t most) {
  if (count >= least && count <= most) return true;
  PyErr_Format(PyExc_TypeError, "%s expected %s %zd argument%s, got %zd", name,
               least == most ? "exactly" : (count < least ? "at least" : "at most"),
               count < least ? least : most, (count < least ? least : most) == 1 ? "" : "s", count);
  return false;
}

// The record of a key, which was encoded and looked up; `failed` when an error is set.
std::optional<emd::Dict::Record> look_up(DictContainer& container, PyObject* key, Buffer& canonical,
                                         bool& failed) {
  failed = !encode_key(container, key, canonical);
  if (failed) return std::nullopt;
  container.enter();
  return container.dict().find(canonical.bytes());
}

PyObject* method_get(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  if (!check_count("get", count, 1, 2)) return nullptr;
  return guarded_object([&]() -> PyObject* {
    DictContainer& container = dict_container(self);
    Buffer canonical;
    bool failed = false;
    const auto record = look_up(container, args[0], canonical, failed);
    if (failed) return nullptr;
    if (!record) return Py_NewRef(count == 2 ? args[1] : Py_None);
    return record_value(container, *record);
  });
}

// The value is decoded before the key is removed: what cannot be decoded stays.
PyObject* method_pop(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  if (!check_count("pop", count, 1, 2)) return nullptr;
  return guarded_object([&]() -> PyObject* {
    DictContainer& container = dict_container(self);
    Buffer canonical;
    bool failed = false;
    const auto record = look_up(container, args[0], canonical, failed);
    if (failed) return nullptr;
    if (!record) {
      if (count == 2) return Py_NewRef(args[1]);
      set_key_error(args[0]);
      return nullptr;
    }
    PyObject* value = record_value(container, *record);
    return value ? finish_removal(container, canonical.bytes(), value) : nullptr;
  });
}

PyObject* method_popitem(PyObject* self, PyObject*) {
  return guarded_object([&]() -> PyObject* {
    DictContainer& container = dict_container(self);
    container.enter();
    const auto record = container.dict().last();
    if (!record) {
      PyErr_SetString(PyExc_KeyError, "popitem(): dictionary is empty");
      return nullptr;
    }
    Buffer key;
    if (!append_bytes(key, record->key)) return nullptr;
    PyObject* item = record_item(container, *record);
    return item ? finish_removal(container, key.bytes(), item) : nullptr;
  });
}

PyObject* method_setdefault(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  if (!check_count("setdefault", count, 1, 2)) return nullptr;
  return guarded_object([&]() -> PyObject* {
    DictContainer& container = dict_container(self);
    Buffer canonical;
    bool failed = false;
    const auto record = look_up(container, args[0], canonical, failed);
    if (failed) return nullptr;
    if (record) return record_value(container, *record);
    PyObject* value = count == 2 ? args[1] : Py_None;
    return dict_store(container, args[0], value) ? Py_NewRef(value) : nullptr;
  });
}

PyObject* method_clear(PyObject* self, PyObject*) {
  return guarded_object([&]() -> PyObject* {
    DictContainer& container = dict_container(self);
    container.enter();
    {
      const emd::Operation operation(container.store());
      container.dict().clear();
    }
    if (container.cache()) PyDict_Clear(container.cache());
    Py_RETURN_NONE;
  });
}

template <class Function>
PyCFunction c_function(Function function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

}  // namespace

// Removes the key and gives `result` (stolen), or an error.
PyObject* finish_removal(DictContainer& container, Bytes key, PyObject* result) {
  try {
    dict_erase(container, key);
    return result;
  } catch (...) {
    Py_DECREF(result);
    throw;
  }
}

PyMethodDef dict_methods[] = {
    {"get", c_function(method_get), METH_FASTCALL,
     "get($self, key, default=None, /)\n--\n\n"
     "Return the value of key, or default if there is none.\n\n**Cost**: one look-up."},
    {"pop", c_function(method_pop), METH_FASTCALL,
     "Remove key and return its value, or default if given and there is none; else KeyError.\n\n"
     "**Cost**: two look-ups, the second in the cache."},
    {"popitem", method_popitem, METH_NOARGS,
     "popitem($self, /)\n--\n\n"
     "Remove the pair inserted last and return it; KeyError if there is none.\n\n**Cost**: one look-up."},
    {"setdefault", c_function(method_setdefault), METH_FASTCALL,
     "setdefault($self, key, default=None, /)\n--\n\n"
     "Return the value of key; store default first if there is none.\n\n**Cost**: one or two look-ups."},
    {"clear", method_clear, METH_NOARGS,
     "clear($self, /)\n--\n\nRemove all items.\n\n**Cost**: O(1); space returns to the disk at a "
     "checkpoint."},
    {"__reversed__", dict_reversed, METH_NOARGS, "Iterate over the keys, the last inserted first."},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace pyr
