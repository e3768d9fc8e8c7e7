// DictObject: the C part of EMDict. Its hot slots are plain CPython slots: no dispatch, and no allocation
// but the result.
//
// Every slot encodes first (which may run Python code), then enters the container, then works on the
// structure without running Python code; what it decodes is decoded last.
//
// Threads: with the GIL held.
#pragma once

#include <Python.h>

#include <optional>

#include "bindings/container.h"
#include "structures/dict.h"

namespace pyr {

class DictContainer final : public Container {
 public:
  using Container::Container;
  ~DictContainer() override { detach(); }

  emd::Dict& dict() { return *dict_; }
  void set_options(const emd::Dict::Options& options) { options_ = options; }

 protected:
  void open_structure(emd::Store& store, emd::Member& member) override;
  void close_structure(bool leak) noexcept override;

 private:
  std::unique_ptr<emd::Dict> dict_;
  emd::Dict::Options options_;
};

struct DictObject {
  ContainerHead head;
  DictContainer container;
};

inline DictContainer& dict_container(PyObject* self) {
  return reinterpret_cast<DictObject*>(self)->container;
}

bool is_dict_object(PyObject* object);

// The canonical bytes of a key, for a look-up; false with an error set.
inline bool encode_key(DictContainer& container, PyObject* key, Buffer& canonical) {
  return container.codec().encode_key(key, canonical, nullptr);
}

// d[key] = value. Returns false with an error set.
bool dict_store(DictContainer& container, PyObject* key, PyObject* value);
// d.update(other). Returns false with an error set; what was stored before it stays.
bool dict_update(DictContainer& container, PyObject* other);
// The value of a record (with its key's canonical bytes, for the write-back cache): a new reference, or null
// with an error set.
PyObject* record_value(DictContainer& container, const emd::Dict::Record& record);
PyObject* record_key(DictContainer& container, const emd::Dict::Record& record);
// (key, value)
PyObject* record_item(DictContainer& container, const emd::Dict::Record& record);
PyObject* record_item_copy(DictContainer& container, const emd::Dict::Record& record);
// Steals both references; null with an error set if one is null.
PyObject* pair(PyObject* first, PyObject* second);
// Removes a key; false if it is not there.
bool dict_erase(DictContainer& container, Bytes key);
// The key's name in the write-back cache.
PyObject* cache_name(Bytes key);
// Drops a key's value from the write-back cache.
void forget_cached(DictContainer& container, Bytes key);

// Writes changed values of the write-back cache; false with an error set.
bool flush_dict(DictContainer& container);
// Removes the key and gives `result`, which it steals. Errors: as Dict::erase; `result` is released.
PyObject* finish_removal(DictContainer& container, Bytes key, PyObject* result);

extern PyMethodDef dict_methods[];
PyObject* dict_iter(PyObject* self);
PyObject* dict_reversed(PyObject* self, PyObject*);

// Creates the types and adds them to the module; false with an error set.
bool add_dict_types(PyObject* module);
bool add_dict_view_types(PyObject* module, PyTypeObject* dict_type);

}  // namespace pyr
