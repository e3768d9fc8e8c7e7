// DequeContainer: the C part of EMDeque: a list's words (python/list/object.h), taken and put at both ends. See
// python/dict/object.h for the order of work in a slot.
//
// Threads: any; see container.h.
#pragma once

#include <Python.h>

#include "python/list/object.h"
#include "structures/deque/deque.h"

namespace pyr {

class DequeContainer final : public StructureContainer<emd::Deque, WordsContainer> {
 public:
  static constexpr const char* kTypeName = "pyrsistence._core.DequeBase";
  using StructureContainer::StructureContainer;

  // Precondition: entered.
  emd::Deque& deque() { return structure(); }

  const char* noun() const override { return "deque"; }
  void want(PyObject* wanted) override;

 protected:
  void opened() override { words_ = &structure(); }
};

enum class End { left, right };

// False with an error set.
bool deque_append(DequeContainer& container, PyObject* value, End end);
bool deque_extend(DequeContainer& container, PyObject* iterable, End end);
bool deque_repeat(DequeContainer& container, Py_ssize_t times);
// A new reference, or null with an error set.
PyObject* deque_pop(DequeContainer& container, End end);
// Drops the elements [from, from + count) from the caches and the deque. Precondition: entered.
void deque_remove(DequeContainer& container, u64 from, u64 count, DeferredDecrefs& deferred);

PyObject* deque_iter(DequeContainer& container);
PyObject* deque_reversed(DequeContainer& container);

// Creates the types and adds them to the module; false with an error set.
bool add_deque_types(PyObject* module);
bool add_deque_iterator_type(PyObject* module);

}  // namespace pyr
