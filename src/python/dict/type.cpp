// The EMDict base type: its life, and the mapping slots.
#include <utility>

#include "python/codec/immutable.h"
#include "python/dict/object.h"

namespace pyr {

void DictContainer::want(PyObject* wanted) {
  unsigned segment_buckets = 0, hash_bits = 0;
  unsigned long long delta_limit = 0;
  require(PyArg_ParseTuple(wanted, "IIK", &segment_buckets, &hash_bits, &delta_limit));
  wanted_ = {segment_buckets, hash_bits, delta_limit};
}

// ---- Records to objects ------------------------------------------------------------------------------

// Other than small integers.
void ExtractedRecord::take_other(const emd::Dict::Record& record) {
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

void ExtractedRecord::take_copy(const emd::Dict::Record& record) {
  const bool live = container_.live();
  if (!copies_) copies_.emplace();
  copies_->clear();
  drop_objects();  // of a read that was in vain
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

PyObject* ExtractedRecord::decode_key() {
  const Bytes all = copies_->bytes();
  return container_.codec().decode_key(all.first(key_size_), all.subspan(key_size_, annex_size_));
}

PyObject* ExtractedRecord::decode_value() {
  if (__builtin_expect(cached_, 0)) return cached_value();
  if (__builtin_expect(shared_, 0)) {
    return container_.shared_object({key_bytes(), value_bytes(), changes_, admission_});
  }
  return container_.codec().decode_value(value_bytes());
}

PyObject* ExtractedRecord::other_object() {
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

bool ExtractedRecord::is(const emd::Dict::Record& record) const {
  return same_bytes(record.key, key_bytes()) && same_bytes(record.value, value_bytes());
}

// The object handed out before, or a new one, remembered unless the dict has been changed meanwhile.
PyObject* ExtractedRecord::cached_value() {
  const OwnedRef name = cache_name(key_bytes());
  if (!name) return nullptr;
  DeferredDecrefs deferred;
  {
    const Container::EntryGuard entered(container_);
    if (OwnedRef known = container_.cache().find(name.get())) return known.release();
  }
  OwnedRef value(container_.codec().decode_value(value_bytes()));
  if (!value || is_immutable(value.get())) return value.release();
  if (!container_.attached()) return value.release();  // decoding has closed it
  const Container::EntryGuard entered(container_);
  WriteBack& cache = container_.cache();
  if (cache.on() && cache.changes() == cache_changes_ && !cache.keep(name.get(), value.get(), deferred))
    return nullptr;
  return value.release();
}

PyObject* known_value(DictContainer& container, Bytes key) {
  PyObject* const known =
      container.read_consistent([&] { return container.decoded().find(key, container.store().changes()); });
  return Py_XNewRef(known);
}

OwnedRef cache_name(Bytes key) {
  return OwnedRef(PyBytes_FromStringAndSize(reinterpret_cast<const char*>(key.data()),
                                            static_cast<Py_ssize_t>(key.size())));
}

// ---- Storing -----------------------------------------------------------------------------------------

namespace {

// Called after a value was stored. Precondition: entered. False with an error set.
bool update_cache(DictContainer& container, Bytes key, PyObject* value, DeferredDecrefs& deferred) {
  const OwnedRef name = cache_name(key);
  if (!name) return false;
  container.cache().forget(name.get(), deferred);
  return is_immutable(value) || container.cache().keep(name.get(), value, deferred);
}

}  // namespace

Stored dict_store(DictContainer& container, PyObject* key, PyObject* value, When when) {
  Buffer canonical;
  Buffer annex;
  Buffer encoded;
  Codec& codec = container.codec();
  if (!codec.encode_key(key, canonical, &annex)) return Stored::failed;
  {
    const Container::EntryGuard entered(container);
    container.dict().prefetch(canonical.bytes());
  }
  if (!codec.encode_value(value, encoded)) return Stored::failed;
  DeferredDecrefs deferred;
  const Container::EntryGuard entered(container);  // again: encoding may have run Python code
  if (when == When::absent && container.dict().find(canonical.bytes())) return Stored::present;
  {
    const emd::Operation operation(container.store());
    container.dict().put(canonical.bytes(), annex.bytes(), encoded.bytes());
  }
  if (__builtin_expect(container.keeps_nothing(), 1)) return Stored::stored;
  container.decoded().forget(canonical.bytes(), deferred);
  const bool done = !container.cache().on() || update_cache(container, canonical.bytes(), value, deferred);
  return done ? Stored::stored : Stored::failed;
}

namespace {

Bytes named_key(PyObject* name) {
  return {reinterpret_cast<const u8*>(PyBytes_AS_STRING(name)),
          static_cast<std::size_t>(PyBytes_GET_SIZE(name))};
}

// The key that is stored as this name.
OwnedRef key_object(DictContainer& container, PyObject* name) {
  std::string annex;
  {
    const Container::EntryGuard entered(container);
    if (const auto record = container.dict().find(named_key(name))) annex = emd::as_text(record->annex);
  }
  return OwnedRef(container.codec().decode_key(named_key(name), emd::as_bytes(annex)));
}

// Writes one value back if its encoding has changed.
bool flush_entry(DictContainer& container, PyObject* name, PyObject* value, PyObject* failures) {
  Buffer encoded;
  if (!container.codec().encode_value(value, encoded)) {
    OwnedRef error = take_exception();
    return error && note_failure(failures, std::move(error), key_object(container, name));
  }
  const Bytes key = named_key(name);
  const Container::EntryGuard entered(container);
  if (container.cache().find(name).get() != value) return true;  // replaced or deleted meanwhile
  const auto record = container.dict().find(key);
  if (!record || same_bytes(record->value, encoded.bytes())) return true;
  const emd::Operation operation(container.store());
  container.dict().put(key, {}, encoded.bytes());
  return true;
}

}  // namespace

bool DictContainer::flush(PyObject* failures) {
  return flush_kept(
      [&](PyObject* name, PyObject* value) { return flush_entry(*this, name, value, failures); });
}

void dict_erase(DictContainer& container, const emd::Dict::Record& record, DeferredDecrefs& deferred) {
  const OwnedRef name = __builtin_expect(container.cache().on(), 0) ? cache_name(record.key) : OwnedRef();
  if (!name) PyErr_Clear();
  container.decoded().forget(record.key, deferred);
  {
    const emd::Operation operation(container.store());
    container.dict().erase(record);
  }
  if (name) container.cache().forget(name.get(), deferred);
}

// ---- Slots -------------------------------------------------------------------------------------------

PyObject* dict_missing(DictContainer& container, PyObject* key) {
  static PyObject* name = PyUnicode_InternFromString("__missing__");
  PyObject* const self = container.self();
  if (_PyType_Lookup(Py_TYPE(self), name)) return PyObject_CallMethodOneArg(self, name, key);
  set_key_error(key);
  return nullptr;
}

namespace {

PyObject* subscript(DictContainer& container, PyObject* key) {
  Buffer canonical;
  if (!encode_key(container, key, canonical)) return nullptr;
  PyObject* const value = dict_value(container, canonical.bytes());
  return value || PyErr_Occurred() ? value : dict_missing(container, key);
}

bool remove(DictContainer& container, Bytes key) {
  DeferredDecrefs deferred;
  const Container::EntryGuard entered(container);
  const auto record = container.dict().find(key);
  if (record) dict_erase(container, *record, deferred);
  return record.has_value();
}

int assign(DictContainer& container, PyObject* key, PyObject* value) {
  if (value) return dict_store(container, key, value) ? 0 : -1;
  Buffer canonical;
  if (!encode_key(container, key, canonical)) return -1;
  if (remove(container, canonical.bytes())) return 0;
  set_key_error(key);
  return -1;
}

int contains(DictContainer& container, PyObject* key) {
  Buffer canonical;
  if (!encode_key(container, key, canonical)) return -1;
  return container.read([&] { return container.dict().find(canonical.bytes()).has_value() ? 1 : 0; });
}

Py_ssize_t length(DictContainer& container) {
  return container.read([&] { return static_cast<Py_ssize_t>(container.dict().size()); });
}

}  // namespace

bool add_dict_types(PyObject* module) {
  return add_container_type<DictContainer>(
             module, dict_methods,
             {slot<&dict_iter>(Py_tp_iter),
              {Py_tp_hash, reinterpret_cast<void*>(PyObject_HashNotImplemented)},
              slot<&subscript>(Py_mp_subscript),
              slot<&assign>(Py_mp_ass_subscript),
              slot<&length>(Py_mp_length),
              slot<&contains>(Py_sq_contains)}) &&
         add_dict_view_types(module);
}

}  // namespace pyr
