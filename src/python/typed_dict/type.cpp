// The EMTypedDict base type: its life, and the mapping slots.
#include <Python.h>
#include <structmember.h>

#include <new>

#include "python/typed_dict/object.h"

namespace pyr {
namespace {

PyTypeObject* g_typed_type = nullptr;

}  // namespace

TypedContainer::TypedContainer(PyObject* self) : Container(self) {
  columns_ = all_columns_.emplace_back(std::make_unique<Columns>()).get();
}

// Columns are few, so none is ever given up: those of the same types are one.
const Columns* TypedContainer::known(std::unique_ptr<Columns> columns) {
  const Hold hold(describing_);
  for (const auto& old : all_columns_) {
    if (old->keys.is_same(columns->keys) && old->values.is_same(columns->values)) return old.get();
  }
  return all_columns_.emplace_back(std::move(columns)).get();
}

bool TypedContainer::describe(PyObject* keys, PyObject* values) {
  auto made = std::make_unique<Columns>();
  if (!made->keys.configure(keys, true) || !made->values.configure(values, false)) return false;
  const Columns* const columns = known(std::move(made));
  const Entered entered(*this);
  if (dict_->key_bytes() != columns->keys.bytes() || dict_->value_bytes() != columns->values.bytes())
    refuse_types();
  settled_ = columns;
  columns_.store(columns, std::memory_order_release);
  return true;
}

int TypedContainer::traverse_columns(visitproc visit, void* arg) const {
  for (const auto& columns : all_columns_) {
    int stopped = columns->keys.traverse(visit, arg);
    if (stopped == 0) stopped = columns->values.traverse(visit, arg);
    if (stopped != 0) return stopped;
  }
  return 0;
}

void TypedContainer::open_structure(emd::Store& store, emd::Member& member) {
  settled_ = nullptr;
  if (layout_.row_bytes == 0) {
    dict_ = std::make_unique<emd::TypedDict>(store, member);
  } else {
    dict_ = std::make_unique<emd::TypedDict>(store, member, layout_);
  }
}

void TypedContainer::close_structure(bool leak) noexcept {
  if (leak) {
    (void)dict_.release();
  } else {
    dict_.reset();
  }
}

void TypedContainer::refuse_types() const {
  throw emd::StateError("the typed dict was opened anew meanwhile");
}

// ---- One key

EncodedKey encode_wanted(TypedContainer& container, const Column& keys, PyObject* key, ScalarBytes& bytes) {
  const Column::Fit fit = keys.encode(key, bytes.data());
  if (__builtin_expect(fit == Column::Fit::yes, 1)) return EncodedKey::yes;
  if (fit == Column::Fit::failed) return EncodedKey::failed;
  PyErr_Clear();
  if (!container.attached()) const Container::Entered refused(container);  // what it says is another error
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
  Ref key_object(columns.keys.decode(key.data()));
  if (part == TypedPart::key || !key_object) return key_object.release();
  Ref value_object(columns.values.decode(value.data()));
  return value_object ? PyTuple_Pack(2, key_object.get(), value_object.get()) : nullptr;
}

// ---- Slots -------------------------------------------------------------------------------------------

namespace {

PyObject* typed_subscript(PyObject* self, PyObject* key) {
  return guarded_object([&]() -> PyObject* {
    TypedContainer& container = typed_container(self);
    const Columns& columns = container.columns();
    ScalarBytes bytes(columns.keys.bytes());
    const EncodedKey encoded = encode_wanted(container, columns.keys, key, bytes);
    if (encoded == EncodedKey::failed) return nullptr;
    PyObject* const value = encoded == EncodedKey::yes ? typed_value(container, columns, bytes) : nullptr;
    if (!value && !PyErr_Occurred()) set_key_error(key);
    return value;
  });
}

int remove(TypedContainer& container, PyObject* key) {
  const Columns& columns = container.columns();
  ScalarBytes bytes(columns.keys.bytes());
  const EncodedKey encoded = encode_wanted(container, columns.keys, key, bytes);
  if (encoded == EncodedKey::failed) return -1;
  bool erased = false;
  if (encoded == EncodedKey::yes) {
    const Container::Entered entered(container);
    const emd::Operation operation(container.store());
    erased = container.dict(columns).erase(bytes.data());
  }
  if (!erased) set_key_error(key);
  return erased ? 0 : -1;
}

int typed_assign(PyObject* self, PyObject* key, PyObject* value) {
  return guarded(-1, [&] {
    TypedContainer& container = typed_container(self);
    if (!value) return remove(container, key);
    const Columns& columns = container.columns();
    ScalarBytes key_bytes(columns.keys.bytes());
    ScalarBytes value_bytes(columns.values.bytes());
    if (columns.keys.encode(key, key_bytes.data()) != Column::Fit::yes ||
        columns.values.encode(value, value_bytes.data()) != Column::Fit::yes)
      return -1;
    const Container::Entered entered(container);
    const emd::Operation operation(container.store());
    container.dict(columns).put(key_bytes.data(), value_bytes.data());
    return 0;
  });
}

int typed_contains(PyObject* self, PyObject* key) {
  return guarded(-1, [&] {
    TypedContainer& container = typed_container(self);
    const Columns& columns = container.columns();
    ScalarBytes bytes(columns.keys.bytes());
    const EncodedKey encoded = encode_wanted(container, columns.keys, key, bytes);
    if (encoded != EncodedKey::yes) return encoded == EncodedKey::never ? 0 : -1;
    return container.read(
        [&] { return container.dict(columns).find(bytes.data()) != emd::TypedDict::kNone ? 1 : 0; });
  });
}

Py_ssize_t typed_length(PyObject* self) {
  return guarded(Py_ssize_t{-1}, [&] {
    TypedContainer& container = typed_container(self);
    return container.read([&] { return static_cast<Py_ssize_t>(container.any_dict().size()); });
  });
}

// ---- Life --------------------------------------------------------------------------------------------

PyObject* typed_new(PyTypeObject* type, PyObject*, PyObject*) {
  PyObject* self = type->tp_alloc(type, 0);
  if (self) new (&typed_container(self)) TypedContainer(self);
  return self;
}

// Arguments are the business of the Python class.
int typed_init(PyObject*, PyObject*, PyObject*) { return 0; }

int typed_traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  TypedContainer& container = typed_container(self);
  const int stopped = container.traverse_columns(visit, arg);
  return stopped != 0 ? stopped : container.traverse(visit, arg);
}

int typed_clear_references(PyObject* self) {
  TypedContainer& container = typed_container(self);
  container.clear();
  return 0;
}

void typed_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  if (reinterpret_cast<ContainerHead*>(self)->weak_references) PyObject_ClearWeakRefs(self);
  typed_container(self).~TypedContainer();
  type->tp_free(self);
  Py_DECREF(type);
}

PyMemberDef typed_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(ContainerHead, weak_references), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr}};

PyType_Slot typed_slots[] = {{Py_tp_new, reinterpret_cast<void*>(typed_new)},
                             {Py_tp_init, reinterpret_cast<void*>(typed_init)},
                             {Py_tp_dealloc, reinterpret_cast<void*>(typed_dealloc)},
                             {Py_tp_traverse, reinterpret_cast<void*>(typed_traverse)},
                             {Py_tp_clear, reinterpret_cast<void*>(typed_clear_references)},
                             {Py_tp_members, typed_members},
                             {Py_tp_methods, typed_methods},
                             {Py_tp_iter, reinterpret_cast<void*>(typed_iter)},
                             {Py_tp_hash, reinterpret_cast<void*>(PyObject_HashNotImplemented)},
                             {Py_mp_subscript, reinterpret_cast<void*>(typed_subscript)},
                             {Py_mp_ass_subscript, reinterpret_cast<void*>(typed_assign)},
                             {Py_mp_length, reinterpret_cast<void*>(typed_length)},
                             {Py_sq_contains, reinterpret_cast<void*>(typed_contains)},
                             {0, nullptr}};

PyType_Spec typed_spec = {"pyrsistence._core.TypedDictBase", sizeof(TypedObject), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, typed_slots};

}  // namespace

bool is_typed_object(PyObject* object) { return PyObject_TypeCheck(object, g_typed_type); }

bool add_typed_types(PyObject* module) {
  g_typed_type = add_type(module, "TypedDictBase", typed_spec);
  return g_typed_type && add_typed_iterator_type(module);
}

}  // namespace pyr
