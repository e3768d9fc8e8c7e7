// ListObject: the C part of EMList, with plain CPython slots. See dict_object.h for the order of work in a slot.
//
// Threads: with the GIL held.
#pragma once

#include <Python.h>

#include <memory>

#include "bindings/container.h"
#include "bindings/list_words.h"
#include "structures/list.h"

namespace pyr {

class ListContainer final : public Container {
 public:
  using Container::Container;
  ~ListContainer() override { detach(); }

  emd::List& list() { return *list_; }
  std::shared_ptr<emd::List> share_list() const { return list_; }

  // Runs `work` as one operation of the store; a long one with the GIL released.
  template <class Work>
  void change(bool is_long, Work&& work) {
    if (is_long) {
      handle().run_long([&] {
        const emd::Operation operation(store());
        work();
      });
    } else {
      const emd::Operation operation(store());
      work();
    }
  }

 protected:
  void open_structure(emd::Store& store, emd::Member& member) override;
  void close_structure(bool leak) noexcept override;

 private:
  std::shared_ptr<emd::List> list_;
};

struct ListObject {
  ContainerHead head;
  ListContainer container;
};

// Changes of more words than this release the GIL.
inline constexpr u64 kLongWords = u64{1} << 16;

inline ListContainer& list_container(PyObject* self) {
  return reinterpret_cast<ListObject*>(self)->container;
}

bool is_list_object(PyObject* object);

// The element at an index that is in range: a new reference, or null with an error set.
PyObject* list_value(ListContainer& container, u64 index);
// The same for a reference word when there is a write-back cache.
PyObject* cached_element(ListContainer& container, Word word, u64 index);

// False with an error set. Errors by exception: those of the structure.
bool list_append(ListContainer& container, PyObject* value);
bool list_set(ListContainer& container, u64 index, PyObject* value);
bool list_extend(PyObject* self, PyObject* iterable);
// l *= times.
bool list_repeat(PyObject* self, Py_ssize_t times);
void list_remove(ListContainer& container, u64 index);

// The write-back cache: drops the elements about to leave; keeps one that came.
void forget_elements(ListContainer& container, u64 from, u64 step, u64 count);
bool remember_element(ListContainer& container, u64 index, PyObject* value);
// Writes changed elements back; false with an error set.
bool flush_list(ListContainer& container);

PyObject* list_slice(ListContainer& container, PyObject* slice);
bool list_assign_slice(ListContainer& container, PyObject* slice, PyObject* values);
bool list_delete_slice(ListContainer& container, PyObject* slice);

PyObject* list_sort(PyObject* self, PyObject* args, PyObject* kwargs);

// The first index in [from, to) whose element equals `value`, or -1; -2 with an error set.
Py_ssize_t list_find(ListContainer& container, PyObject* value, u64 from, u64 to);

extern PyMethodDef list_methods[];
PyObject* list_iter(PyObject* self);
PyObject* list_reversed(PyObject* self, PyObject*);

// Creates the types and adds them to the module; false with an error set.
bool add_list_types(PyObject* module);
bool add_list_iterator_type(PyObject* module);

}  // namespace pyr
