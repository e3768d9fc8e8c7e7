// The EMDict base type: its life, and the mapping slots.
#include <Python.h>
#include <structmember.h>

#include <new>
#include <utility>

#include "python/codec/immutable.h"
#include "python/dict/object.h"

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

// Other than small integers.
void TakenRecord::take_other(const emd::Dict::Record& record) {
  const bool wants_key = part_ != Part::value;
  const bool wants_value = part_ != Part::key;
  if (container_.live() || (wants_key && !(record.annex.empty() && decodes_in_place(record.key))) ||
      (wants_value && !decodes_in_place(record.value))) {
    return take_copy(record);
  }
  decoded_ = true;
  Codec& codec = container_.codec();
  if (wants_key) key_ = codec.decode_key(record.key, {});
  if (wants_value && (!wants_key || key_)) value_ = decode_scalar(codec, record.value);
}

void TakenRecord::take_copy(const emd::Dict::Record& record) {
  const bool live = container_.live();
  if (!copies_) copies_.emplace();
  copies_->clear();
  drop_objects();  // of a look that was in vain
  decoded_ = false;
  const WriteBack& cache = container_.cache();
  cached_ = cache.on();
  cache_changes_ = cache.changes();
  shared_ = container_.decoded().on() && !copy_always_;
  changes_ = container_.store().changes();
  key_size_ = record.key.size();
  annex_size_ = record.annex.size();
  if (!copies_->add(record.key, live) || !copies_->add(record.annex, live)) return;
  if (part_ != Part::key) copies_->add(record.value, live);
}

PyObject* TakenRecord::decode_key() {
  const Bytes all = copies_->bytes();
  return container_.codec().decode_key(all.first(key_size_), all.subspan(key_size_, annex_size_));
}

PyObject* TakenRecord::decode_value() {
  if (__builtin_expect(cached_, 0)) return cached_value();
  if (__builtin_expect(shared_, 0)) {
    return container_.shared_object({key_bytes(), value_bytes(), changes_, place_});
  }
  return container_.codec().decode_value(value_bytes());
}

PyObject* TakenRecord::other_object() {
  if (!decoded_ && part_ != Part::value) key_ = decode_key();
  if (!decoded_ && (part_ == Part::value || (part_ == Part::item && key_))) value_ = decode_value();
  if (part_ == Part::key) return std::exchange(key_, nullptr);
  if (part_ == Part::value) return std::exchange(value_, nullptr);
  PyObject* const item = key_ && value_ ? PyTuple_New(2) : nullptr;
  if (!item) return nullptr;
  PyTuple_SET_ITEM(item, 0, std::exchange(key_, nullptr));
  PyTuple_SET_ITEM(item, 1, std::exchange(value_, nullptr));
  return item;
}

bool TakenRecord::is(const emd::Dict::Record& record) const {
  return same_bytes(record.key, key_bytes()) && same_bytes(record.value, value_bytes());
}

// The object handed out before, or a new one, remembered unless the dict has been changed meanwhile.
PyObject* TakenRecord::cached_value() {
  const Ref name = cache_name(key_bytes());
  if (!name) return nullptr;
  Trash trash;
  {
    const Container::Entered entered(container_);
    if (Ref known = container_.cache().find(name.get())) return known.release();
  }
  Ref value(container_.codec().decode_value(value_bytes()));
  if (!value || is_immutable(value.get())) return value.release();
  if (!container_.attached()) return value.release();  // decoding has closed it
  const Container::Entered entered(container_);
  WriteBack& cache = container_.cache();
  if (cache.on() && cache.changes() == cache_changes_ && !cache.keep(name.get(), value.get(), trash))
    return nullptr;
  return value.release();
}

PyObject* known_value(DictContainer& container, Bytes key) {
  PyObject* const known =
      container.look([&] { return container.decoded().find(key, container.store().changes()); });
  return Py_XNewRef(known);
}

Ref cache_name(Bytes key) {
  return Ref(PyBytes_FromStringAndSize(reinterpret_cast<const char*>(key.data()),
                                       static_cast<Py_ssize_t>(key.size())));
}

// ---- Storing -----------------------------------------------------------------------------------------

namespace {

// After a value was stored: precondition: entered. False with an error set.
bool update_cache(DictContainer& container, Bytes key, PyObject* value, Trash& trash) {
  const Ref name = cache_name(key);
  if (!name) return false;
  container.cache().forget(name.get(), trash);
  return is_immutable(value) || container.cache().keep(name.get(), value, trash);
}

}  // namespace

Stored dict_store(DictContainer& container, PyObject* key, PyObject* value, When when) {
  Buffer canonical;
  Buffer annex;
  Buffer encoded;
  Codec& codec = container.codec();
  if (!codec.encode_key(key, canonical, &annex)) return Stored::failed;
  {
    const Container::Entered entered(container);
    container.dict().prefetch(canonical.bytes());
  }
  if (!codec.encode_value(value, encoded)) return Stored::failed;
  Trash trash;
  const Container::Entered entered(container);  // again: encoding may have run Python code
  if (when == When::absent && container.dict().find(canonical.bytes())) return Stored::present;
  {
    const emd::Operation operation(container.store());
    container.dict().put(canonical.bytes(), annex.bytes(), encoded.bytes());
  }
  if (__builtin_expect(container.keeps_nothing(), 1)) return Stored::stored;
  container.decoded().forget(canonical.bytes(), trash);
  const bool done = !container.cache().on() || update_cache(container, canonical.bytes(), value, trash);
  return done ? Stored::stored : Stored::failed;
}

namespace {

Bytes named_key(PyObject* name) {
  return {reinterpret_cast<const u8*>(PyBytes_AS_STRING(name)),
          static_cast<std::size_t>(PyBytes_GET_SIZE(name))};
}

// The key that is stored as this name.
Ref key_object(DictContainer& container, PyObject* name) {
  std::string annex;
  {
    const Container::Entered entered(container);
    if (const auto record = container.dict().find(named_key(name))) annex = emd::as_text(record->annex);
  }
  return Ref(container.codec().decode_key(named_key(name), emd::as_bytes(annex)));
}

// Writes one value back if its encoding has changed.
bool flush_entry(DictContainer& container, PyObject* name, PyObject* value, PyObject* failures) {
  Buffer encoded;
  if (!container.codec().encode_value(value, encoded)) {
    Ref error = take_exception();
    return error && note_failure(failures, std::move(error), key_object(container, name));
  }
  const Bytes key = named_key(name);
  const Container::Entered entered(container);
  if (container.cache().find(name).get() != value) return true;  // replaced or deleted meanwhile
  const auto record = container.dict().find(key);
  if (!record || same_bytes(record->value, encoded.bytes())) return true;
  const emd::Operation operation(container.store());
  container.dict().put(key, {}, encoded.bytes());
  return true;
}

}  // namespace

bool flush_dict(DictContainer& container, PyObject* failures) {
  if (!container.cache().on()) return true;
  Ref entries;
  {
    const Container::Entered entered(container);
    entries = container.cache().entries();
  }
  if (!entries) return false;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(entries.get()); ++i) {
    PyObject* const entry = PyList_GET_ITEM(entries.get(), i);
    if (!flush_entry(container, PyTuple_GET_ITEM(entry, 0), PyTuple_GET_ITEM(entry, 1), failures))
      return false;
  }
  return true;
}

void dict_erase(DictContainer& container, const emd::Dict::Record& record, Trash& trash) {
  const Ref name = __builtin_expect(container.cache().on(), 0) ? cache_name(record.key) : Ref();
  if (!name) PyErr_Clear();
  container.decoded().forget(record.key, trash);
  {
    const emd::Operation operation(container.store());
    container.dict().erase(record);
  }
  if (name) container.cache().forget(name.get(), trash);
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
    PyObject* const value = dict_value(container, canonical.bytes());
    return value || PyErr_Occurred() ? value : missing(self, key);
  });
}

}  // namespace

PyObject* dict_value_anew(PyObject* self, PyObject* key) {
  return guarded_object([&]() -> PyObject* {
    DictContainer& container = dict_container(self);
    Buffer canonical;
    if (!encode_key(container, key, canonical)) return nullptr;
    TakenRecord record(container, Part::value);
    record.copy_always();
    const bool found = record.read([&](emd::Dict& dict) { return dict.find(canonical.bytes()); });
    return found ? record.object() : missing(self, key);
  });
}

namespace {

bool remove(DictContainer& container, Bytes key) {
  Trash trash;
  const Container::Entered entered(container);
  const auto record = container.dict().find(key);
  if (record) dict_erase(container, *record, trash);
  return record.has_value();
}

int dict_assign(PyObject* self, PyObject* key, PyObject* value) {
  return guarded(-1, [&] {
    DictContainer& container = dict_container(self);
    if (value) return dict_store(container, key, value) ? 0 : -1;
    Buffer canonical;
    if (!encode_key(container, key, canonical)) return -1;
    if (remove(container, canonical.bytes())) return 0;
    set_key_error(key);
    return -1;
  });
}

int dict_contains(PyObject* self, PyObject* key) {
  return guarded(-1, [&] {
    DictContainer& container = dict_container(self);
    Buffer canonical;
    if (!encode_key(container, key, canonical)) return -1;
    return container.read([&] { return container.dict().find(canonical.bytes()).has_value() ? 1 : 0; });
  });
}

Py_ssize_t dict_length(PyObject* self) {
  return guarded(Py_ssize_t{-1}, [&] {
    DictContainer& container = dict_container(self);
    return container.read([&] { return static_cast<Py_ssize_t>(container.dict().size()); });
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
