// The EMDict base type: its life, and the mapping slots.
#include <Python.h>
#include <structmember.h>

#include <new>
#include <utility>

#include "bindings/dict_object.h"

namespace pyr {
namespace {

PyTypeObject* g_dict_type = nullptr;

}  // namespace

void DictContainer::open_structure(emd::Store& store, emd::Member& member) {
  dict_ = std::make_unique<emd::Dict>(store, member, options_);
}

void DictContainer::close_structure(bool leak) noexcept {
  if (leak) {
    (void)dict_.release();
  } else {
    dict_.reset();
  }
}

// ---- Records to objects ------------------------------------------------------------------------------

namespace {

// The slow path of record_value: the object handed out before, or a new one, remembered.
PyObject* cached_value(DictContainer& container, const emd::Dict::Record& record) {
  PyObject* name = cache_name(record.key);
  if (!name) return nullptr;
  PyObject* value = Py_XNewRef(PyDict_GetItemWithError(container.cache(), name));
  if (!value && !PyErr_Occurred()) {
    value = container.decode_value(record.value);
    if (value && container.cache() && is_mutable_value(value) &&
        PyDict_SetItem(container.cache(), name, value) < 0) {
      Py_CLEAR(value);
    }
  }
  Py_DECREF(name);
  return value;
}

}  // namespace

PyObject* cache_name(Bytes key) {
  return PyBytes_FromStringAndSize(reinterpret_cast<const char*>(key.data()),
                                   static_cast<Py_ssize_t>(key.size()));
}

PyObject* record_value(DictContainer& container, const emd::Dict::Record& record) {
  if (__builtin_expect(container.cache() != nullptr, 0)) return cached_value(container, record);
  return container.decode_value(record.value);
}

PyObject* record_key(DictContainer& container, const emd::Dict::Record& record) {
  return container.decode_key(record.key, record.annex);
}

PyObject* record_item(DictContainer& container, const emd::Dict::Record& record) {
  if (container.cache() || !record.annex.empty() || !decodes_in_place(record.key) ||
      !decodes_in_place(record.value)) {
    return record_item_copy(container, record);
  }
  PyObject* key = container.codec().decode_key(record.key, record.annex);
  if (!key) return nullptr;
  PyObject* value = container.codec().decode_value(record.value);
  return pair(key, value);
}

// Decoding the key may run Python code that changes the dict, so the value is copied before.
PyObject* record_item_copy(DictContainer& container, const emd::Dict::Record& record) {
  Buffer copy;
  if (!append_bytes(copy, record.key) || !append_bytes(copy, record.annex) ||
      !append_bytes(copy, record.value)) {
    return nullptr;
  }
  const Bytes all = copy.bytes();
  emd::Dict::Record own = record;
  own.key = all.first(record.key.size());
  own.annex = all.subspan(record.key.size(), record.annex.size());
  own.value = all.subspan(record.key.size() + record.annex.size());
  PyObject* key = container.codec().decode_key(own.key, own.annex);
  if (!key) return nullptr;
  return pair(key, record_value(container, own));
}

PyObject* pair(PyObject* first, PyObject* second) {
  PyObject* both = first && second ? PyTuple_New(2) : nullptr;
  if (!both) {
    Py_XDECREF(first);
    Py_XDECREF(second);
    return nullptr;
  }
  PyTuple_SET_ITEM(both, 0, first);
  PyTuple_SET_ITEM(both, 1, second);
  return both;
}

// ---- Storing -----------------------------------------------------------------------------------------

namespace {

bool update_cache(DictContainer& container, Bytes key, PyObject* value) {
  if (!is_mutable_value(value)) {
    forget_cached(container, key);
    return true;
  }
  PyObject* name = cache_name(key);
  const bool done = name && PyDict_SetItem(container.cache(), name, value) == 0;
  Py_XDECREF(name);
  return done;
}

}  // namespace

void forget_cached(DictContainer& container, Bytes key) {
  if (!container.cache()) return;
  PyObject* name = cache_name(key);
  if (!name || PyDict_DelItem(container.cache(), name) < 0) PyErr_Clear();
  Py_XDECREF(name);
}

bool dict_store(DictContainer& container, PyObject* key, PyObject* value) {
  Buffer canonical;
  Buffer annex;
  Buffer encoded;
  Codec& codec = container.codec();
  if (!codec.encode_key(key, canonical, &annex)) return false;
  container.enter();
  container.dict().prefetch(canonical.bytes());
  if (!codec.encode_value(value, encoded)) return false;
  container.enter();  // again: encoding may have run Python code
  {
    const emd::Operation operation(container.store());
    container.dict().put(canonical.bytes(), annex.bytes(), encoded.bytes());
  }
  if (__builtin_expect(container.cache() != nullptr, 0)) {
    return update_cache(container, canonical.bytes(), value);
  }
  return true;
}

namespace {

// Writes one value back if its encoding has changed.
bool flush_entry(DictContainer& container, PyObject* name, PyObject* value) {
  Buffer encoded;
  if (!container.codec().encode_value(value, encoded)) return false;
  container.enter();
  const Bytes key{reinterpret_cast<const u8*>(PyBytes_AS_STRING(name)),
                  static_cast<std::size_t>(PyBytes_GET_SIZE(name))};
  const auto record = container.dict().find(key);
  if (!record || (record->value.size() == encoded.size() &&
                  std::memcmp(record->value.data(), encoded.data(), encoded.size()) == 0)) {
    return true;
  }
  const emd::Operation operation(container.store());
  container.dict().put(key, {}, encoded.bytes());
  return true;
}

}  // namespace

bool flush_dict(DictContainer& container) {
  if (!container.cache()) return true;
  const Ref entries(PyDict_Items(container.cache()));
  if (!entries) return false;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(entries.get()); ++i) {
    PyObject* const entry = PyList_GET_ITEM(entries.get(), i);
    if (!flush_entry(container, PyTuple_GET_ITEM(entry, 0), PyTuple_GET_ITEM(entry, 1))) return false;
  }
  return true;
}

bool dict_erase(DictContainer& container, Bytes key) {
  container.enter();
  {
    const emd::Operation operation(container.store());
    if (!container.dict().erase(key)) return false;
  }
  forget_cached(container, key);
  return true;
}

// ---- Slots -------------------------------------------------------------------------------------------

namespace {

// A missing key: subclasses may define __missing__, as those of dict.
PyObject* missing(PyObject* self, PyObject* key) {
  static PyObject* name = PyUnicode_InternFromString("__missing__");
  PyObject* method = _PyType_Lookup(Py_TYPE(self), name);
  if (method) return PyObject_CallMethodOneArg(self, name, key);
  set_key_error(key);
  return nullptr;
}

PyObject* dict_subscript(PyObject* self, PyObject* key) {
  return guarded_object([&]() -> PyObject* {
    DictContainer& container = dict_container(self);
    Buffer canonical;
    if (!encode_key(container, key, canonical)) return nullptr;
    container.enter();
    const auto record = container.dict().find(canonical.bytes());
    if (!record) return missing(self, key);
    return record_value(container, *record);
  });
}

int dict_assign(PyObject* self, PyObject* key, PyObject* value) {
  return guarded(-1, [&] {
    DictContainer& container = dict_container(self);
    if (value) return dict_store(container, key, value) ? 0 : -1;
    Buffer canonical;
    if (!encode_key(container, key, canonical)) return -1;
    if (dict_erase(container, canonical.bytes())) return 0;
    set_key_error(key);
    return -1;
  });
}

int dict_contains(PyObject* self, PyObject* key) {
  return guarded(-1, [&] {
    DictContainer& container = dict_container(self);
    Buffer canonical;
    if (!encode_key(container, key, canonical)) return -1;
    container.enter();
    return container.dict().find(canonical.bytes()).has_value() ? 1 : 0;
  });
}

Py_ssize_t dict_length(PyObject* self) {
  return guarded(Py_ssize_t{-1}, [&] {
    DictContainer& container = dict_container(self);
    container.enter();
    return static_cast<Py_ssize_t>(container.dict().size());
  });
}

// ---- Life --------------------------------------------------------------------------------------------

PyObject* dict_new(PyTypeObject* type, PyObject*, PyObject*) {
  PyObject* self = type->tp_alloc(type, 0);
  if (self) new (&dict_container(self)) DictContainer(self);
  return self;
}

// Arguments are the business of the Python class.
int dict_init(PyObject*, PyObject*, PyObject*) { return 0; }

int dict_traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  return dict_container(self).traverse(visit, arg);
}

int dict_clear_references(PyObject* self) {
  dict_container(self).clear();
  return 0;
}

void dict_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  if (reinterpret_cast<ContainerHead*>(self)->weak_references) PyObject_ClearWeakRefs(self);
  dict_container(self).~DictContainer();
  type->tp_free(self);
  Py_DECREF(type);
}

PyMemberDef dict_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(ContainerHead, weak_references), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr}};

PyType_Slot dict_slots[] = {{Py_tp_new, reinterpret_cast<void*>(dict_new)},
                            {Py_tp_init, reinterpret_cast<void*>(dict_init)},
                            {Py_tp_dealloc, reinterpret_cast<void*>(dict_dealloc)},
                            {Py_tp_traverse, reinterpret_cast<void*>(dict_traverse)},
                            {Py_tp_clear, reinterpret_cast<void*>(dict_clear_references)},
                            {Py_tp_members, dict_members},
                            {Py_tp_methods, dict_methods},
                            {Py_tp_iter, reinterpret_cast<void*>(dict_iter)},
                            {Py_tp_hash, reinterpret_cast<void*>(PyObject_HashNotImplemented)},
                            {Py_mp_subscript, reinterpret_cast<void*>(dict_subscript)},
                            {Py_mp_ass_subscript, reinterpret_cast<void*>(dict_assign)},
                            {Py_mp_length, reinterpret_cast<void*>(dict_length)},
                            {Py_sq_contains, reinterpret_cast<void*>(dict_contains)},
                            {0, nullptr}};

PyType_Spec dict_spec = {"pyrsistence._core.DictBase", sizeof(DictObject), 0,
                         Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, dict_slots};

}  // namespace

bool is_dict_object(PyObject* object) { return PyObject_TypeCheck(object, g_dict_type); }

bool add_dict_types(PyObject* module) {
  g_dict_type = add_type(module, "DictBase", dict_spec);
  return g_dict_type && add_dict_view_types(module, g_dict_type);
}

}  // namespace pyr
