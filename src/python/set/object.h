// SetContainer: the C part of EMSet: keys without values. See python/dict/object.h for the order of work in a slot.
//
// Threads: any; see container.h.
#pragma once

#include <Python.h>

#include "python/core/container.h"
#include "python/core/taken.h"
#include "structures/set/set.h"

namespace pyr {

class SetContainer final : public StructureContainer<emd::Set> {
 public:
  static constexpr const char* kTypeName = "pyrsistence._core.SetBase";
  using StructureContainer::StructureContainer;

  // Precondition: entered.
  emd::Set& set() { return structure(); }

  void want(PyObject* wanted) override;
};

// An element on its way out.
class TakenKey {
 public:
  explicit TakenKey(SetContainer& container) : container_(container) {}

  // Within a read.
  void take(const emd::Set::Record& record) {
    copies_.clear();
    key_size_ = record.key.size();
    if (copies_.add(record.key, container_.live())) copies_.add(record.annex, container_.live());
  }
  // After it: whether the read has to be repeated; grow() makes the room for that. Errors: PythonError.
  bool must_grow() const { return copies_.must_grow(); }
  bool grow() { return copies_.grow(); }
  bool is(const emd::Set::Record& record) const {
    return same_bytes(record.key, copies_.bytes().first(key_size_));
  }
  // A new reference, or null with an error set.
  PyObject* object() const {
    const Bytes all = copies_.bytes();
    return container_.codec().decode_key(all.first(key_size_), all.subspan(key_size_));
  }

 private:
  SetContainer& container_;
  std::size_t key_size_ = 0;
  Copies copies_;
};

PyObject* set_iter(SetContainer& container);
PyObject* set_reversed(SetContainer& container);
// An iterator over the elements that another set has too, or over those that it has not: see structures/set/membership.h.
PyObject* set_joined(SetContainer& container, PyObject* other, bool wanted);
// Whether it is an iterator over a set other than this.
bool iterates_over_another(PyObject* object, PyObject* set);

// Creates the types and adds them to the module; false with an error set.
bool add_set_types(PyObject* module);
bool add_set_iterator_type(PyObject* module);

}  // namespace pyr
