// DictObject: the C part of EMDict. Its hot slots are plain CPython slots: no dispatch, and no allocation
// but the result.
//
// Every slot encodes first (which may run Python code), then enters the container and works on the structure, without
// Python code, and decodes last what it has taken out of it.
//
// Threads: any; see container.h.
#pragma once

#include <Python.h>

#include <optional>
#include <utility>

#include "python/core/container.h"
#include "python/core/extracted.h"
#include "structures/dict/dict.h"

namespace pyr {

class DictContainer final : public StructureContainer<emd::Dict> {
 public:
  static constexpr const char* kTypeName = "pyrsistence._core.DictBase";
  using StructureContainer::StructureContainer;

  // Precondition: entered.
  emd::Dict& dict() { return structure(); }

  void want(PyObject* wanted) override;
  bool flush(PyObject* failures) override;
  bool can_share() const override { return true; }
};

// An iterator over an EMDict: its keys, values or items.
bool is_dict_iterator(PyObject* object);
// Whether it is this dict, a view of it, or an iterator over it.
bool shows_dict(PyObject* object, PyObject* dict);

enum class Part { key, value, item };

// A record, or the part of it that is wanted, taken out of a dict.
class ExtractedRecord {
 public:
  using Admission = DecodedCache::Admission;

  // `admission`: what the object may push out of the cache of decoded ones.
  ExtractedRecord(DictContainer& container, Part part, Admission admission = Admission::evicting)
      : container_(container), part_(part), admission_(admission) {}
  ~ExtractedRecord() { drop_objects(); }
  ExtractedRecord(const ExtractedRecord&) = delete;
  ExtractedRecord& operator=(const ExtractedRecord&) = delete;

  // Reads what find(dict), an optional record, gives; true if there was one. Errors: as Container::read; those of find.
  template <class Find>
  bool read(Find&& find) {
    bool found = false;
    do {
      container_.read([&] {
        const std::optional<emd::Dict::Record> record = find(container_.dict());
        found = record.has_value();
        if (found) take(*record);
      });
    } while (found && grow());
    return found;
  }
  // The parts of read(). Within a read of the container: takes the record.
  void take(const emd::Dict::Record& record);
  // After it: whether the read has to be repeated; grow() makes the room for that. Errors: PythonError.
  bool must_grow() const { return __builtin_expect(copies_.has_value(), 0) && copies_->must_grow(); }
  bool grow() { return __builtin_expect(copies_.has_value(), 0) && copies_->grow(); }

  // Has copies taken of scalars too, and an object made that nobody else has: for is(). Before read().
  void copy_always() { copy_always_ = true; }
  // Whether that record has the same key and value as this one. Precondition: copy_always(); not Part::key.
  bool is(const emd::Dict::Record& record) const;

  // The part, a key, a value or a tuple of both: a new reference, or null with an error set. Once.
  PyObject* object() {
    if (__builtin_expect(!decoded_ || part_ == Part::item, 0)) return other_object();
    return std::exchange(part_ == Part::key ? key_ : value_, nullptr);
  }

 private:
  void take_other(const emd::Dict::Record& record);
  void take_copy(const emd::Dict::Record& record);
  PyObject* other_object();
  PyObject* decode_key();
  PyObject* decode_value();
  PyObject* cached_value();
  Bytes key_bytes() const { return copies_->bytes().first(key_size_); }
  Bytes value_bytes() const { return copies_->bytes().subspan(key_size_ + annex_size_); }
  void drop_objects() {
    Py_CLEAR(key_);
    Py_CLEAR(value_);
  }

  DictContainer& container_;
  const Part part_;
  const Admission admission_;
  bool copy_always_ = false;
  bool decoded_ = false;  // key_ and value_ are what was asked for; null with an error set
  bool cached_ = false;   // there is a write-back cache
  bool shared_ = false;   // there is a cache of decoded objects
  PyObject* key_ = nullptr;
  PyObject* value_ = nullptr;
  // Set with the copies.
  u64 cache_changes_;
  u64 changes_;  // of the store
  std::size_t key_size_;
  std::size_t annex_size_;
  std::optional<Copies> copies_;  // key, annex, value; made when they are needed
};

// The common cases without a call.
__attribute__((always_inline)) inline void ExtractedRecord::take(const emd::Dict::Record& record) {
  if (__builtin_expect(!container_.gives_plainly() || copy_always_, 0)) return take_copy(record);
  const bool wants_key = part_ != Part::value;
  const bool wants_value = part_ != Part::key;
  const bool small_key = is_small_int(record.key) && record.annex.empty();
  const bool small_value = is_small_int(record.value);
  if (__builtin_expect((!wants_key || small_key) && (!wants_value || small_value), 1)) {
    drop_objects();  // of a read that was in vain
    decoded_ = true;
    if (wants_key) key_ = small_int(record.key);
    if (wants_value) value_ = small_int(record.value);
    return;
  }
  take_other(record);
}

// The canonical bytes of a key, for a look-up; false with an error set.
inline bool encode_key(DictContainer& container, PyObject* key, Buffer& canonical) {
  return container.codec().encode_key(key, canonical, nullptr);
}

// The object decoded before for this key, if its value is certain to be the same: a new reference, or null.
// Precondition: entered, and there is a cache of decoded objects.
PyObject* known_value(DictContainer& container, Bytes key);

// Reads the value of a key. Returns a new reference; null if there is none, or with an error set.
inline PyObject* dict_value(DictContainer& container, Bytes key) {
  ExtractedRecord record(container, Part::value);
  bool taken = false;
  {
    const Container::EntryGuard entered(container);
    if (container.decodes_at_once()) {
      const auto found = container.dict().find(key);
      if (!found) return nullptr;
      if (is_small_int(found->value)) return small_int(found->value);
      if (decodes_in_place(found->value)) return container.codec().decode_value(found->value);
      record.take(*found);
      taken = true;
    } else if (container.decoded().on()) {
      if (PyObject* const known = known_value(container, key)) return known;
    }
  }
  if (!taken && !record.read([&](emd::Dict& dict) { return dict.find(key); })) return nullptr;
  return record.object();
}

enum class Stored { failed, stored, present };
enum class When { always, absent };
// d[key] = value. Stored::failed with an error set; Stored::present if the key is there and was not to be.
Stored dict_store(DictContainer& container, PyObject* key, PyObject* value, When when);
inline bool dict_store(DictContainer& container, PyObject* key, PyObject* value) {
  return dict_store(container, key, value, When::always) == Stored::stored;
}
// Removes a key and returns its value; null if there is none, or with an error set.
PyObject* dict_pop(DictContainer& container, Bytes key);
// d.update(other). Returns false with an error set; what was stored before it stays.
bool dict_update(DictContainer& container, PyObject* other);
// Removes a record found while entered, and its value from the write-back cache. Precondition: entered.
void dict_erase(DictContainer& container, const emd::Dict::Record& record, DeferredDecrefs& deferred);
// The key's name in the write-back cache; null with an error set.
OwnedRef cache_name(Bytes key);

extern PyMethodDef dict_methods[];
PyObject* dict_iter(DictContainer& container);
PyObject* dict_reversed(DictContainer& container);
// A missing key: KeyError, or what __missing__ of a subclass returns.
PyObject* dict_missing(DictContainer& container, PyObject* key);

// Creates the types and adds them to the module; false with an error set.
bool add_dict_types(PyObject* module);
bool add_dict_view_types(PyObject* module);

}  // namespace pyr
