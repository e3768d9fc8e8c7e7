// The EMTypedDict base type: its methods of one key. What is not hot is written in Python (_containers/typed_dict.py).
#include <optional>
#include <string>

#include "python/kit/method.h"
#include "python/typed_dict/object.h"

namespace pyr {
namespace {

PyObject* get(TypedContainer& container, PyObject* object, std::optional<PyObject*> fallback) {
  const Columns& columns = container.columns();
  ScalarBytes key(columns.keys.bytes());
  const EncodedKey encoded = encode_wanted(container, columns.keys, object, key);
  if (encoded == EncodedKey::failed) return nullptr;
  PyObject* const value = encoded == EncodedKey::yes ? typed_value(container, columns, key) : nullptr;
  if (value || PyErr_Occurred()) return value;
  return Py_NewRef(fallback.value_or(Py_None));
}

// Takes the row that find(dict) gives out of the dict: a new reference, or null if there is none or with an error set.
// It is decoded before it is removed, so that what cannot be decoded stays; if another thread has changed it meanwhile,
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
    OwnedRef object(typed_object(columns, part, key, value));
    if (!object) return nullptr;
    const Container::EntryGuard entered(container);
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

PyObject* pop(TypedContainer& container, PyObject* object, std::optional<PyObject*> fallback) {
  const Columns& columns = container.columns();
  ScalarBytes key(columns.keys.bytes());
  const EncodedKey encoded = encode_wanted(container, columns.keys, object, key);
  if (encoded == EncodedKey::failed) return nullptr;
  PyObject* const value = encoded == EncodedKey::never
                              ? nullptr
                              : pop_row(container, columns, TypedPart::value,
                                        [&](const emd::TypedDict& dict) { return dict.find(key.data()); });
  if (value || PyErr_Occurred()) return value;
  if (fallback) return Py_NewRef(*fallback);
  set_key_error(object);
  return nullptr;
}

PyObject* popitem(TypedContainer& container) {
  PyObject* const item = typed_pop_last(container, TypedPart::item);
  if (!item && !PyErr_Occurred()) PyErr_SetString(PyExc_KeyError, "popitem(): dictionary is empty");
  return item;
}

// There is no default that every type has, so it is not optional.
PyObject* setdefault(TypedContainer& container, PyObject* key_object, PyObject* fallback) {
  const Columns& columns = container.columns();
  ScalarBytes key(columns.keys.bytes());
  ScalarBytes value(columns.values.bytes());
  if (columns.keys.encode(key_object, key.data()) != Column::Fit::yes ||
      columns.values.encode(fallback, value.data()) != Column::Fit::yes)
    return nullptr;
  {
    const Container::EntryGuard entered(container);
    const bool found = container.read_consistent([&] {
      const u64 row = container.dict(columns).find(key.data());
      if (row == emd::TypedDict::kNone) return false;
      std::memcpy(value.data(), container.dict(columns).value_at(row), value.size());
      return true;
    });
    if (!found) container.change([&] { container.dict(columns).put(key.data(), value.data()); });
  }
  return columns.values.decode(value.data());
}

PyObject* reversed(TypedContainer& container) { return typed_iterator(container, TypedPart::key, true); }

// Of "key", "value" or "item".
struct PartName {
  bool take(TypedContainer&, PyObject* const* objects) {
    const char* const name = PyUnicode_AsUTF8(objects[0]);
    if (name) part = *name == 'k' ? TypedPart::key : *name == 'v' ? TypedPart::value : TypedPart::item;
    return name;
  }
  TypedPart part = TypedPart::item;
};
PyObject* iterator(TypedContainer& container, const PartName& of, bool backwards) {
  return typed_iterator(container, of.part, backwards);
}

}  // namespace

PyObject* typed_pop_last(TypedContainer& container, TypedPart part) {
  return pop_row(container, container.columns(), part,
                 [](const emd::TypedDict& dict) { return dict.last_live(); });
}

void typed_clear(TypedContainer& container) {
  const Container::EntryGuard entered(container);
  container.change([&] { container.any_dict().clear(); });
}

void typed_configure(TypedContainer& container, PyObject* keys, PyObject* values) {
  container.describe(keys, values);
}

// The layout of the one that is open, as far as Python needs it.
PyObject* typed_layout(TypedContainer& container) {
  const emd::TypedDict::Layout found = container.read([&] { return container.any_dict().layout(); });
  const auto text = [](const std::string& t) { return static_cast<Py_ssize_t>(t.size()); };
  return Py_BuildValue("IIIIs#s#", found.key_bytes, found.value_bytes, found.value_offset, found.row_bytes,
                       found.key_text.data(), text(found.key_text), found.value_text.data(),
                       text(found.value_text));
}

PyMethodDef typed_methods[] = {
    method<"get", &get>("get($self, key, default=None, /)\n--\n\n"
                        "Return the value of key, or default if there is none.\n\n**Cost**: one look-up."),
    method<"pop", &pop>(
        "Remove key and return its value, or default if given and there is none; else KeyError.\n\n"
        "**Cost**: two look-ups, the second in the cache."),
    method<"popitem", &popitem>(
        "popitem($self, /)\n--\n\n"
        "Remove the pair inserted last and return it; KeyError if there is none.\n\n**Cost**: one look-up."),
    method<"setdefault", &setdefault>(
        "setdefault($self, key, default, /)\n--\n\n"
        "Return the value of key; store default first if there is none.\n\n**Cost**: one or two look-ups."),
    method<"clear", &typed_clear>(
        "clear($self, /)\n--\n\nRemove all items.\n\n**Cost**: O(1); space returns to the disk at a "
        "checkpoint."),
    method<"__reversed__", &reversed>("Iterate over the keys, the last inserted first."),
    method<"_configure_types", &typed_configure>("Set the types of keys and values."),
    method<"_layout_of_rows", &typed_layout>(
        "Return (key_bytes, value_bytes, value_offset, row_bytes, key's text, value's text)."),
    method<"_iterator", &iterator>("Return an iterator over keys, values or items."),
    method<"_find_many", &typed_find_many>(
        "Put the values of keys into a buffer; return how many there are."),
    method<"_contains_many", &typed_contains_many>("Note in a buffer which keys are there."),
    method<"_put_many", &typed_put_many>("Store a value for each key."),
    method<"_add_many", &typed_add_many>("Add to the value of each key."),
    method<"_pack", &typed_pack>("Return the bytes of objects, and which of them fit."),
    method<"_unpack", &typed_unpack>("Return the objects of bytes."),
    method<"_column_bytes", &typed_column_bytes>("Return a copy of the keys, or of the values."),
    method<"_rows_view", &typed_view>("Return an object whose buffer is the rows."),
    kEndOfMethods};

}  // namespace pyr
