// The EMDict base type: its methods. What is not hot is written in Python (python/pyrsistence/_dict.py).
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

PyObject* method_get(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  if (!check_count("get", count, 1, 2)) return nullptr;
  return guarded_object([&]() -> PyObject* {
    DictContainer& container = dict_container(self);
    Buffer canonical;
    if (!encode_key(container, args[0], canonical)) return nullptr;
    PyObject* const value = dict_value(container, canonical.bytes());
    if (value || PyErr_Occurred()) return value;
    return Py_NewRef(count == 2 ? args[1] : Py_None);
  });
}

// Takes the record that find(dict) gives out of the dict: a new reference, or null if there is none or with an error
// set. It is decoded before it is removed, so that what cannot be decoded stays; if another thread has changed
// it meanwhile, once more.
template <class Find>
PyObject* pop_record(DictContainer& container, Part part, Find&& find) {
  while (true) {
    TakenRecord record(container, part);
    record.copy_always();
    if (!record.read(find)) return nullptr;
    Ref object(record.object());
    if (!object) return nullptr;
    Trash trash;
    const Container::Entered entered(container);
    const auto now = find(container.dict());
    if (!now || !record.is(*now)) continue;
    dict_erase(container, *now, trash);
    return object.release();
  }
}

PyObject* method_pop(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  if (!check_count("pop", count, 1, 2)) return nullptr;
  return guarded_object([&]() -> PyObject* {
    DictContainer& container = dict_container(self);
    Buffer canonical;
    if (!encode_key(container, args[0], canonical)) return nullptr;
    PyObject* const value =
        pop_record(container, Part::value, [&](emd::Dict& dict) { return dict.find(canonical.bytes()); });
    if (value || PyErr_Occurred()) return value;
    if (count == 2) return Py_NewRef(args[1]);
    set_key_error(args[0]);
    return nullptr;
  });
}

PyObject* method_popitem(PyObject* self, PyObject*) {
  return guarded_object([&]() -> PyObject* {
    DictContainer& container = dict_container(self);
    PyObject* const item = pop_record(container, Part::item, [](emd::Dict& dict) { return dict.last(); });
    if (!item && !PyErr_Occurred()) PyErr_SetString(PyExc_KeyError, "popitem(): dictionary is empty");
    return item;
  });
}

PyObject* method_setdefault(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  if (!check_count("setdefault", count, 1, 2)) return nullptr;
  return guarded_object([&]() -> PyObject* {
    DictContainer& container = dict_container(self);
    Buffer canonical;
    if (!encode_key(container, args[0], canonical)) return nullptr;
    PyObject* const fallback = count == 2 ? args[1] : Py_None;
    while (true) {
      PyObject* const value = dict_value(container, canonical.bytes());
      if (value || PyErr_Occurred()) return value;
      const Stored stored = dict_store(container, args[0], fallback, When::absent);
      if (stored != Stored::present) return stored == Stored::stored ? Py_NewRef(fallback) : nullptr;
    }
  });
}

PyObject* method_clear(PyObject* self, PyObject*) {
  return guarded_object([&]() -> PyObject* {
    DictContainer& container = dict_container(self);
    Trash trash;
    const Container::Entered entered(container);
    {
      const emd::Operation operation(container.store());
      container.dict().clear();
    }
    container.cache().forget_all(trash);
    Py_RETURN_NONE;
  });
}

template <class Function>
PyCFunction c_function(Function function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

}  // namespace

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
