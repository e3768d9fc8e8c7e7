// TypedObject: the C part of EMTypedDict, with plain CPython slots. See dict_object.h for the order of work in a slot.
//
// What is encoded before the container is entered has the sizes of its columns; the dict that is found then may be
// another one (another thread has closed and opened it), so the sizes are compared again: dict().
//
// Threads: any; see container.h.
#pragma once

#include <Python.h>

#include "bindings/container.h"
#include "bindings/typed_column.h"
#include "structures/typed_dict.h"

namespace pyr {

class TypedContainer final : public Container {
 public:
  using Container::Container;
  ~TypedContainer() override { detach(); }

  // The types, once they are known: those given, or those of the file.
  Column keys;
  Column values;

  // How a dict that has no bytes yet is laid out. Without one, it is not created.
  void set_layout(emd::TypedDict::Layout layout) { layout_ = std::move(layout); }
  const emd::TypedDict::Layout& layout() const { return layout_; }

  // Precondition of both: entered. The second is for what the columns have encoded. Errors: StateError.
  emd::TypedDict& any_dict() { return *dict_; }
  emd::TypedDict& dict() {
    if (__builtin_expect(dict_->key_bytes() != keys.bytes() || dict_->value_bytes() != values.bytes(), 0))
      refuse_types();
    return *dict_;
  }

 protected:
  void open_structure(emd::Store& store, emd::Member& member) override;
  void close_structure(bool leak) noexcept override;
  bool laid_out() const override { return dict_->laid_out(); }

 private:
  [[noreturn]] void refuse_types() const;

  std::unique_ptr<emd::TypedDict> dict_;
  emd::TypedDict::Layout layout_;
};

struct TypedObject {
  ContainerHead head;
  TypedContainer container;
};

inline TypedContainer& typed_container(PyObject* self) {
  return reinterpret_cast<TypedObject*>(self)->container;
}

bool is_typed_object(PyObject* object);

enum class TypedPart { key, value, item };

// The canonical bytes of a key that is looked up. What cannot be a key is in no dict: then there are none, and no error;
// but what has no hash is refused as dict refuses it.
enum class EncodedKey { yes, never, failed };
EncodedKey encode_wanted(TypedContainer& container, PyObject* key, ScalarBytes& bytes);

// The value of a key: a new reference; null if there is none, or with an error set.
PyObject* typed_value(TypedContainer& container, ScalarBytes& key);
// The part of a row whose bytes were taken out: a new reference, or null with an error set.
PyObject* typed_object(TypedContainer& container, TypedPart part, ScalarBytes& key, ScalarBytes& value);

extern PyMethodDef typed_methods[];
PyObject* typed_iter(PyObject* self);
PyObject* typed_reversed(PyObject* self, PyObject*);

// ---- Batches, of what lies in buffers. All raise ValueError for buffers whose sizes do not go together.

// d.get_many and so on: see python/pyrsistence/_typed.py. `found` may be None.
PyObject* typed_find_many(TypedContainer& container, PyObject* keys, PyObject* out, PyObject* found,
                          PyObject* missing, bool erase);
PyObject* typed_contains_many(TypedContainer& container, PyObject* keys, PyObject* found);
PyObject* typed_put_many(TypedContainer& container, PyObject* keys, PyObject* values);
PyObject* typed_add_many(TypedContainer& container, PyObject* keys, PyObject* deltas);
// The bytes of objects, one behind the other, and which of them can be in the column at all; with none of the latter the
// first that cannot raises its error.
PyObject* typed_pack(TypedContainer& container, bool keys, PyObject* objects, bool wanted);
PyObject* typed_unpack(TypedContainer& container, bool keys, PyObject* buffer);
// The bytes of the live rows' part as they lie, in insertion order.
PyObject* typed_column_bytes(TypedContainer& container, TypedPart part);

// A RegionView of the rows as they lie, as bytes. Errors by exception, beside make_region_view()'s: StateError if there are
// dead rows.
PyObject* typed_view(PyObject* dict);

// Creates the types and adds them to the module; false with an error set.
bool add_typed_types(PyObject* module);
bool add_typed_iterator_type(PyObject* module);
// An iterator over a typed dict; null with an error set.
PyObject* typed_iterator(PyObject* dict, TypedPart part, bool backwards);

}  // namespace pyr
