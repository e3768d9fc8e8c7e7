// The EMTypedDict base type: its life, and the mapping slots.
#include "python/kit/method.h"
#include "python/typed_dict/object.h"
#include "structures/kinds.h"

namespace pyr {

TypedContainer::TypedContainer(PyObject* self) noexcept : StructureContainer(self) {
  columns_ = all_columns_.emplace_back(std::make_unique<Columns>()).get();
}

// The layout of a new dict, with the knobs for tests: a row of no bytes, if none is to be made.
void TypedContainer::want(PyObject* wanted) {
  emd::TypedDict::Layout layout;
  const char *key_text = "", *value_text = "";
  unsigned long long delta_limit = 0;
  require(PyArg_ParseTuple(wanted, "(IIIIss)IIK", &layout.key_bytes, &layout.value_bytes,
                           &layout.value_offset, &layout.row_bytes, &key_text, &value_text,
                           &layout.max_segment_buckets, &layout.hash_bits, &delta_limit));
  layout.key_text = key_text;
  layout.value_text = value_text;
  layout.delta_limit = delta_limit;
  if (layout.row_bytes != 0 && !emd::TypedDict::is_possible(layout)) {
    throw std::invalid_argument(
        "a row of a typed dict or set has 1 byte to 1 MiB, and a key of at least one");
  }
  wanted_ = std::move(layout);
}

// Columns are few, so none is ever given up: those of the same types are one.
const Columns* TypedContainer::known(std::unique_ptr<Columns> columns) {
  const MutexGuard hold(describing_);
  for (const auto& old : all_columns_) {
    if (old->keys.is_same(columns->keys) && old->values.is_same(columns->values)) return old.get();
  }
  return all_columns_.emplace_back(std::move(columns)).get();
}

void TypedContainer::describe(PyObject* keys, PyObject* values) {
  auto made = std::make_unique<Columns>();
  require(made->keys.configure(keys, true));
  if (values != Py_None) require(made->values.configure(values, false));
  const Columns* const columns = known(std::move(made));
  const EntryGuard entered(*this);
  const emd::TypedDict& dict = any_dict();
  if (dict.key_bytes() != columns->keys.bytes() || dict.value_bytes() != columns->values.bytes())
    refuse_types();
  settled_ = columns;
  columns_.store(columns, std::memory_order_release);
}

int TypedContainer::traverse(visitproc visit, void* arg) {
  for (const auto& columns : all_columns_) {
    int stopped = columns->keys.traverse(visit, arg);
    if (stopped == 0) stopped = columns->values.traverse(visit, arg);
    if (stopped != 0) return stopped;
  }
  return Container::traverse(visit, arg);
}

void TypedContainer::refuse_types() const {
  throw emd::StateError(std::string("the ") + emd::kind_name(kind()) + " was opened anew meanwhile");
}

// ---- One key

EncodedKey encode_wanted(TypedContainer& container, const Column& keys, PyObject* key, ScalarBytes& bytes) {
  const Column::Fit fit = keys.encode(key, bytes.data());
  if (__builtin_expect(fit == Column::Fit::yes, 1)) return EncodedKey::yes;
  if (fit == Column::Fit::failed) return EncodedKey::failed;
  PyErr_Clear();
  if (!container.attached()) const Container::EntryGuard refused(container);  // what it says is another error
  return PyObject_Hash(key) == -1 ? EncodedKey::failed : EncodedKey::never;
}

PyObject* typed_value(TypedContainer& container, const Columns& columns, ScalarBytes& key) {
  ScalarBytes value(columns.values.bytes());
  const bool found = container.read([&] {
    const emd::TypedDict& dict = container.dict(columns);
    const u64 row = dict.find(key.data());
    if (row == emd::TypedDict::kNone) return false;
    std::memcpy(value.data(), dict.value_at(row), value.size());
    return true;
  });
  return found ? columns.values.decode(value.data()) : nullptr;
}

PyObject* typed_object(const Columns& columns, TypedPart part, ScalarBytes& key, ScalarBytes& value) {
  if (part == TypedPart::value) return columns.values.decode(value.data());
  OwnedRef key_object(columns.keys.decode(key.data()));
  if (part == TypedPart::key || part == TypedPart::element || !key_object) return key_object.release();
  OwnedRef value_object(columns.values.decode(value.data()));
  return value_object ? PyTuple_Pack(2, key_object.get(), value_object.get()) : nullptr;
}

// ---- Slots -------------------------------------------------------------------------------------------

namespace {

PyObject* subscript(TypedContainer& container, PyObject* key) {
  const Columns& columns = container.columns();
  ScalarBytes bytes(columns.keys.bytes());
  const EncodedKey encoded = encode_wanted(container, columns.keys, key, bytes);
  if (encoded == EncodedKey::failed) return nullptr;
  PyObject* const value = encoded == EncodedKey::yes ? typed_value(container, columns, bytes) : nullptr;
  if (!value && !PyErr_Occurred()) set_key_error(key);
  return value;
}

int remove(TypedContainer& container, PyObject* key) {
  const Columns& columns = container.columns();
  ScalarBytes bytes(columns.keys.bytes());
  const EncodedKey encoded = encode_wanted(container, columns.keys, key, bytes);
  if (encoded == EncodedKey::failed) return -1;
  bool erased = false;
  if (encoded == EncodedKey::yes) {
    const Container::EntryGuard entered(container);
    erased = container.change([&] { return container.dict(columns).erase(bytes.data()); });
  }
  if (!erased) set_key_error(key);
  return erased ? 0 : -1;
}

int assign(TypedContainer& container, PyObject* key, PyObject* value) {
  if (!value) return remove(container, key);
  const Columns& columns = container.columns();
  ScalarBytes key_bytes(columns.keys.bytes());
  ScalarBytes value_bytes(columns.values.bytes());
  if (columns.keys.encode(key, key_bytes.data()) != Column::Fit::yes ||
      columns.values.encode(value, value_bytes.data()) != Column::Fit::yes)
    return -1;
  const Container::EntryGuard entered(container);
  container.change([&] { container.dict(columns).put(key_bytes.data(), value_bytes.data()); });
  return 0;
}

}  // namespace

int typed_contains(TypedContainer& container, PyObject* key) {
  const Columns& columns = container.columns();
  ScalarBytes bytes(columns.keys.bytes());
  const EncodedKey encoded = encode_wanted(container, columns.keys, key, bytes);
  if (encoded != EncodedKey::yes) return encoded == EncodedKey::never ? 0 : -1;
  return container.read(
      [&] { return container.dict(columns).find(bytes.data()) != emd::TypedDict::kNone ? 1 : 0; });
}

Py_ssize_t typed_length(TypedContainer& container) {
  return container.read([&] { return static_cast<Py_ssize_t>(container.any_dict().size()); });
}

bool add_typed_types(PyObject* module) {
  return add_container_type<TypedContainer>(
             module, typed_methods,
             {slot<&typed_iter>(Py_tp_iter),
              {Py_tp_hash, reinterpret_cast<void*>(PyObject_HashNotImplemented)},
              slot<&subscript>(Py_mp_subscript),
              slot<&assign>(Py_mp_ass_subscript),
              slot<&typed_length>(Py_mp_length),
              slot<&typed_contains>(Py_sq_contains)}) &&
         add_typed_iterator_type(module);
}

}  // namespace pyr
