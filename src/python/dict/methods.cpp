// The EMDict base type: its methods. What is not hot is written in Python (pyrsistence/_containers/dict.py).
#include <optional>

#include "python/dict/batch.h"
#include "python/kit/method.h"

namespace pyr {
namespace {

PyObject* get(DictContainer& container, PyObject* key, std::optional<PyObject*> fallback) {
  Buffer canonical;
  if (!encode_key(container, key, canonical)) return nullptr;
  PyObject* const value = dict_value(container, canonical.bytes());
  if (value || PyErr_Occurred()) return value;
  return Py_NewRef(fallback.value_or(Py_None));
}

// Takes the record that find(dict) gives out of the dict: a new reference, or null if there is none or with an error
// set. It is decoded before it is removed, so that what cannot be decoded stays; if another thread has changed
// it meanwhile, once more.
template <class Find>
PyObject* pop_record(DictContainer& container, Part part, Find&& find) {
  while (true) {
    ExtractedRecord record(container, part);
    record.copy_always();
    if (!record.read(find)) return nullptr;
    OwnedRef object(record.object());
    if (!object) return nullptr;
    DeferredDecrefs deferred;
    const Container::EntryGuard entered(container);
    const auto now = find(container.dict());
    if (!now || !record.is(*now)) continue;
    dict_erase(container, *now, deferred);
    return object.release();
  }
}

}  // namespace

PyObject* dict_pop(DictContainer& container, Bytes key) {
  return pop_record(container, Part::value, [&](emd::Dict& dict) { return dict.find(key); });
}

namespace {

PyObject* pop(DictContainer& container, PyObject* key, std::optional<PyObject*> fallback) {
  Buffer canonical;
  if (!encode_key(container, key, canonical)) return nullptr;
  PyObject* const value = dict_pop(container, canonical.bytes());
  if (value || PyErr_Occurred()) return value;
  if (fallback) return Py_NewRef(*fallback);
  set_key_error(key);
  return nullptr;
}

PyObject* popitem(DictContainer& container) {
  PyObject* const item = pop_record(container, Part::item, [](emd::Dict& dict) { return dict.last(); });
  if (!item && !PyErr_Occurred()) PyErr_SetString(PyExc_KeyError, "popitem(): dictionary is empty");
  return item;
}

PyObject* setdefault(DictContainer& container, PyObject* key, std::optional<PyObject*> fallback) {
  Buffer canonical;
  if (!encode_key(container, key, canonical)) return nullptr;
  while (true) {
    PyObject* const value = dict_value(container, canonical.bytes());
    if (value || PyErr_Occurred()) return value;
    PyObject* const given = fallback.value_or(Py_None);
    const Stored stored = dict_store(container, key, given, When::absent);
    if (stored != Stored::present) return stored == Stored::stored ? Py_NewRef(given) : nullptr;
  }
}

void clear(DictContainer& container) {
  DeferredDecrefs deferred;
  const Container::EntryGuard entered(container);
  container.change([&] { container.dict().clear(); });
  container.cache().forget_all(deferred);
  container.decoded().forget_all(deferred);
}

// (keys, default=None)
using OfMany = PyObject* (*)(DictContainer&, PyObject*, PyObject*);
template <OfMany function>
PyObject* of_many(DictContainer& container, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"", "default", nullptr};
  PyObject* keys = nullptr;
  PyObject* fallback = Py_None;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O", const_cast<char**>(names), &keys, &fallback))
    return nullptr;
  return function(container, keys, fallback);
}

void set_many(DictContainer& container, PyObject* keys, PyObject* values) {
  require(dict_set_many(container, keys, values));
}

void update(DictContainer& container, PyObject* other) { require(dict_update(container, other)); }

// The value of a key as an object that nobody else has.
PyObject* decoded_anew(DictContainer& container, PyObject* key) {
  Buffer canonical;
  if (!encode_key(container, key, canonical)) return nullptr;
  ExtractedRecord record(container, Part::value);
  record.copy_always();
  const bool found = record.read([&](emd::Dict& dict) { return dict.find(canonical.bytes()); });
  return found ? record.object() : dict_missing(container, key);
}

}  // namespace

PyMethodDef dict_methods[] = {
    method<"get", &get>("get($self, key, default=None, /)\n--\n\nReturn the value of key, or default if "
                        "there is none.\n\n**Cost**: one look-up."),
    method_with_keywords<"get_many", &of_many<&dict_get_many>>(
        "get_many($self, keys, /, default=None)\n--\n\nReturn the values of keys, in their order, as a list, "
        "with default where there is none.\n\nKeys are taken from any iterable, some hundred at a time, "
        "before they are looked up; an array's numbers count as Python's.\n\n**Cost**: a look-up each, but "
        "side by side: warm a half to a third of the loop, beyond RAM at the disk's full rate. Errors: "
        "TypeError of a key that is none, with its place.\n\n>>> EMDict(None, {1: 'a', 2: 'b'}).get_many([2, "
        "3, 1])\n['b', None, 'a']"),
    method<"contains_many", &dict_contains_many>(
        "contains_many($self, keys, /)\n--\n\nReturn, as a list of booleans, which of keys are "
        "there.\n\n**Cost**, errors: as get_many().\n\n>>> EMDict(None, {1: "
        "'a'}).contains_many(range(3))\n[False, True, False]"),
    method<"set_many", &set_many>(
        "set_many($self, keys, values, /)\n--\n\nStore each value under its key, as assigning them in this "
        "order does: of equal keys the last one counts.\n\n**Cost**: an insertion each, their reads side by "
        "side as in get_many(). Errors: ValueError if there are not as many values as keys (before anything "
        "is stored, where both state their length), TypeError with the place of what cannot be stored; what "
        "came before it stays, but for a transaction that is rolled back.\n\n>>> d = EMDict()\n>>> "
        "d.set_many(range(3), 'abc')\n>>> d.copy()\n{0: 'a', 1: 'b', 2: 'c'}"),
    method_with_keywords<"pop_many", &of_many<&dict_pop_many>>(
        "pop_many($self, keys, /, default=None)\n--\n\nRemove keys and return their values, in their order, "
        "as a list, with default where there is none.\n\n**Cost**: as get_many(), and a removal each. "
        "Errors: as get_many(); what was removed before it stays removed.\n\n>>> d = EMDict(None, {1: 'a', "
        "2: 'b'})\n>>> d.pop_many([2, 2], 0), d.copy()\n(['b', 0], {1: 'a'})"),
    method<"pop", &pop>("Remove key and return its value, or default if given and there is none; else "
                        "KeyError.\n\n**Cost**: two look-ups, the second in the cache."),
    method<"popitem", &popitem>("popitem($self, /)\n--\n\nRemove the pair inserted last and return it; "
                                "KeyError if there is none.\n\n**Cost**: one look-up."),
    method<"setdefault", &setdefault>(
        "setdefault($self, key, default=None, /)\n--\n\nReturn the value of key; store default first if "
        "there is none.\n\n**Cost**: one or two look-ups."),
    method<"clear", &clear>("clear($self, /)\n--\n\nRemove all items.\n\n**Cost**: O(1); space returns to "
                            "the disk at a checkpoint."),
    method<"__reversed__", &dict_reversed>("Iterate over the keys, the last inserted first."),
    method<"_update", &update>("Do update(other)."),
    method<"_decoded_anew", &decoded_anew>("Return the value of key as an object that nobody else has."),
    kEndOfMethods};

}  // namespace pyr
