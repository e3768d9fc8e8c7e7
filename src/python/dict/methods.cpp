// The EMDict base type: its methods. What is not hot is written in Python (pyrsistence/_containers/dict.py).
#include "python/dict/batch.h"

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

}  // namespace

PyObject* dict_pop(DictContainer& container, Bytes key) {
  return pop_record(container, Part::value, [&](emd::Dict& dict) { return dict.find(key); });
}

namespace {

PyObject* method_pop(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  if (!check_count("pop", count, 1, 2)) return nullptr;
  return guarded_object([&]() -> PyObject* {
    DictContainer& container = dict_container(self);
    Buffer canonical;
    if (!encode_key(container, args[0], canonical)) return nullptr;
    PyObject* const value = dict_pop(container, canonical.bytes());
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
    container.decoded().forget_all(trash);
    Py_RETURN_NONE;
  });
}

PyObject* method_get_many(PyObject* self, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"", "default", nullptr};
  PyObject* keys = nullptr;
  PyObject* fallback = Py_None;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:get_many", const_cast<char**>(names), &keys, &fallback))
    return nullptr;
  return guarded_object([&] { return dict_get_many(dict_container(self), keys, fallback); });
}

PyObject* method_contains_many(PyObject* self, PyObject* keys) {
  return guarded_object([&] { return dict_contains_many(dict_container(self), keys); });
}

PyObject* method_pop_many(PyObject* self, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"", "default", nullptr};
  PyObject* keys = nullptr;
  PyObject* fallback = Py_None;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:pop_many", const_cast<char**>(names), &keys, &fallback))
    return nullptr;
  return guarded_object([&] { return dict_pop_many(dict_container(self), keys, fallback); });
}

PyObject* method_set_many(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  if (!check_count("set_many", count, 2, 2)) return nullptr;
  return guarded_object([&]() -> PyObject* {
    if (!dict_set_many(dict_container(self), args[0], args[1])) return nullptr;
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
    {"get_many", c_function(method_get_many), METH_VARARGS | METH_KEYWORDS,
     "get_many($self, keys, /, default=None)\n--\n\n"
     "Return the values of keys, in their order, as a list, with default where there is none.\n\n"
     "Keys are taken from any iterable, some hundred at a time, before they are looked up; an array's "
     "numbers count "
     "as Python's.\n\n"
     "**Cost**: a look-up each, but side by side: warm a half to a third of the loop, beyond RAM at the "
     "disk's "
     "full rate. Errors: TypeError of a key that is none, with its place.\n\n"
     ">>> EMDict(None, {1: 'a', 2: 'b'}).get_many([2, 3, 1])\n['b', None, 'a']"},
    {"contains_many", method_contains_many, METH_O,
     "contains_many($self, keys, /)\n--\n\n"
     "Return, as a list of booleans, which of keys are there.\n\n"
     "**Cost**, errors: as get_many().\n\n"
     ">>> EMDict(None, {1: 'a'}).contains_many(range(3))\n[False, True, False]"},
    {"set_many", c_function(method_set_many), METH_FASTCALL,
     "set_many($self, keys, values, /)\n--\n\n"
     "Store each value under its key, as assigning them in this order does: of equal keys the last one "
     "counts.\n\n"
     "**Cost**: an insertion each, their reads side by side as in get_many(). Errors: ValueError if there "
     "are not as "
     "many values as keys (before anything is stored, where both state their length), TypeError with the "
     "place of "
     "what cannot be stored; what came before it stays, but for a transaction that is rolled back.\n\n"
     ">>> d = EMDict()\n>>> d.set_many(range(3), 'abc')\n>>> d.copy()\n{0: 'a', 1: 'b', 2: 'c'}"},
    {"pop_many", c_function(method_pop_many), METH_VARARGS | METH_KEYWORDS,
     "pop_many($self, keys, /, default=None)\n--\n\n"
     "Remove keys and return their values, in their order, as a list, with default where there is none.\n\n"
     "**Cost**: as get_many(), and a removal each. Errors: as get_many(); what was removed before it stays "
     "removed.\n\n"
     ">>> d = EMDict(None, {1: 'a', 2: 'b'})\n>>> d.pop_many([2, 2], 0), d.copy()\n(['b', 0], {1: 'a'})"},
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
