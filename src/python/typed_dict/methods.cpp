// The EMTypedDict base type: its methods of one key. What is not hot is written in Python (_containers/typed_dict.py).
#include "python/typed_dict/object.h"

namespace pyr {
namespace {

bool check_count(const char* name, Py_ssize_t count) {
  if (count == 1 || count == 2) return true;
  PyErr_Format(PyExc_TypeError, "%s expected 1 or 2 arguments, got %zd", name, count);
  return false;
}

PyObject* method_get(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  if (!check_count("get", count)) return nullptr;
  return guarded_object([&]() -> PyObject* {
    TypedContainer& container = typed_container(self);
    const Columns& columns = container.columns();
    ScalarBytes key(columns.keys.bytes());
    const EncodedKey encoded = encode_wanted(container, columns.keys, args[0], key);
    if (encoded == EncodedKey::failed) return nullptr;
    PyObject* const value = encoded == EncodedKey::yes ? typed_value(container, columns, key) : nullptr;
    if (value || PyErr_Occurred()) return value;
    return Py_NewRef(count == 2 ? args[1] : Py_None);
  });
}

// Takes the row that find(dict) gives out of the dict: a new reference, or null if there is none or with an error set. It
// is decoded before it is removed, so that what cannot be decoded stays; if another thread has changed it meanwhile,
// once more.
template <class Find>
PyObject* pop_row(TypedContainer& container, const Columns& columns, TypedPart part, Find&& find) {
  ScalarBytes key(columns.keys.bytes());
  ScalarBytes value(columns.values.bytes());
  while (true) {
    const bool found = container.read([&] {
      const emd::TypedDict& dict = container.dict(columns);
      const u64 row = find(dict);
      if (row == emd::TypedDict::kNone) return false;
      std::memcpy(key.data(), dict.key_at(row), key.size());
      std::memcpy(value.data(), dict.value_at(row), value.size());
      return true;
    });
    if (!found) return nullptr;
    Ref object(typed_object(columns, part, key, value));
    if (!object) return nullptr;
    const Container::Entered entered(container);
    emd::TypedDict& dict = container.dict(columns);
    const u64 row = find(dict);
    if (row == emd::TypedDict::kNone || std::memcmp(key.data(), dict.key_at(row), key.size()) != 0 ||
        std::memcmp(value.data(), dict.value_at(row), value.size()) != 0) {
      continue;
    }
    const emd::Operation operation(container.store());
    dict.erase_row(row);
    return object.release();
  }
}

PyObject* method_pop(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  if (!check_count("pop", count)) return nullptr;
  return guarded_object([&]() -> PyObject* {
    TypedContainer& container = typed_container(self);
    const Columns& columns = container.columns();
    ScalarBytes key(columns.keys.bytes());
    const EncodedKey encoded = encode_wanted(container, columns.keys, args[0], key);
    if (encoded == EncodedKey::failed) return nullptr;
    PyObject* const value = encoded == EncodedKey::never
                                ? nullptr
                                : pop_row(container, columns, TypedPart::value,
                                          [&](const emd::TypedDict& dict) { return dict.find(key.data()); });
    if (value || PyErr_Occurred()) return value;
    if (count == 2) return Py_NewRef(args[1]);
    set_key_error(args[0]);
    return nullptr;
  });
}

PyObject* method_popitem(PyObject* self, PyObject*) {
  return guarded_object([&]() -> PyObject* {
    TypedContainer& container = typed_container(self);
    PyObject* const item = pop_row(container, container.columns(), TypedPart::item,
                                   [](const emd::TypedDict& dict) { return dict.last_live(); });
    if (!item && !PyErr_Occurred()) PyErr_SetString(PyExc_KeyError, "popitem(): dictionary is empty");
    return item;
  });
}

// There is no default that every type has, so it is not optional.
PyObject* method_setdefault(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  if (count != 2) {
    PyErr_Format(PyExc_TypeError, "setdefault of a typed dict expected 2 arguments, got %zd", count);
    return nullptr;
  }
  return guarded_object([&]() -> PyObject* {
    TypedContainer& container = typed_container(self);
    const Columns& columns = container.columns();
    ScalarBytes key(columns.keys.bytes());
    ScalarBytes value(columns.values.bytes());
    if (columns.keys.encode(args[0], key.data()) != Column::Fit::yes ||
        columns.values.encode(args[1], value.data()) != Column::Fit::yes)
      return nullptr;
    {
      const Container::Entered entered(container);
      const bool found = container.look([&] {
        const u64 row = container.dict(columns).find(key.data());
        if (row == emd::TypedDict::kNone) return false;
        std::memcpy(value.data(), container.dict(columns).value_at(row), value.size());
        return true;
      });
      if (!found) {
        const emd::Operation operation(container.store());
        container.dict(columns).put(key.data(), value.data());
      }
    }
    return columns.values.decode(value.data());
  });
}

PyObject* method_clear(PyObject* self, PyObject*) {
  return guarded_object([&]() -> PyObject* {
    TypedContainer& container = typed_container(self);
    const Container::Entered entered(container);
    const emd::Operation operation(container.store());
    container.any_dict().clear();
    Py_RETURN_NONE;
  });
}

template <class Function>
PyCFunction c_function(Function function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

}  // namespace

PyMethodDef typed_methods[] = {
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
     "setdefault($self, key, default, /)\n--\n\n"
     "Return the value of key; store default first if there is none.\n\n**Cost**: one or two look-ups."},
    {"clear", method_clear, METH_NOARGS,
     "clear($self, /)\n--\n\nRemove all items.\n\n**Cost**: O(1); space returns to the disk at a "
     "checkpoint."},
    {"__reversed__", typed_reversed, METH_NOARGS, "Iterate over the keys, the last inserted first."},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace pyr
