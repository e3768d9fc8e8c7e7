// TypedObject: the C part of EMTypedDict, with plain CPython slots. See python/dict/object.h for the order of work in a slot.
//
// What is encoded before the container is entered has the types that the dict had then. The dict that is found may be another
// one (the code that encoding has run, or another thread, has opened it anew), so whoever has encoded by columns() asks for
// dict() of these columns.
//
// Threads: any; see container.h.
#pragma once

#include <Python.h>

#include <atomic>
#include <memory>
#include <vector>

#include "python/core/container.h"
#include "python/typed_dict/column.h"
#include "structures/typed_dict/typed_dict.h"

namespace pyr {

class TypedContainer final : public Container {
 public:
  explicit TypedContainer(PyObject* self);
  ~TypedContainer() override { detach(); }

  // The types, once they are known: those given, or those of the file. They are valid as long as the container, whatever it
  // is opened with later: a call may go on with them.
  const Columns& columns() const { return *columns_.load(std::memory_order_acquire); }
  // Sets them, for the dict that is open. False with an error set. Errors by exception: as Entered.
  bool describe(PyObject* keys, PyObject* values);

  // How a dict that has no bytes yet is laid out. Without one, it is not created.
  void set_layout(emd::TypedDict::Layout layout) { layout_ = std::move(layout); }
  const emd::TypedDict::Layout& layout() const { return layout_; }

  // Precondition of both: entered. The second is for what these columns have encoded. Errors: StateError.
  emd::TypedDict& any_dict() { return *dict_; }
  emd::TypedDict& dict(const Columns& columns) {
    if (__builtin_expect(&columns != settled_, 0)) refuse_types();
    return *dict_;
  }

  int traverse_columns(visitproc visit, void* arg) const;

 protected:
  void open_structure(emd::Store& store, emd::Member& member) override;
  void close_structure(bool leak) noexcept override;
  bool laid_out() const override { return dict_->laid_out(); }

 private:
  [[noreturn]] void refuse_types() const;

  const Columns* known(std::unique_ptr<Columns> columns);

  std::unique_ptr<emd::TypedDict> dict_;
  const Columns* settled_ = nullptr;  // the columns of dict_; null while they are not known
  std::atomic<const Columns*> columns_;
  ObjectMutex describing_;
  std::vector<std::unique_ptr<const Columns>> all_columns_;  // that it has had
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
EncodedKey encode_wanted(TypedContainer& container, const Column& keys, PyObject* key, ScalarBytes& bytes);

// The value of a key: a new reference; null if there is none, or with an error set.
PyObject* typed_value(TypedContainer& container, const Columns& columns, ScalarBytes& key);
// The part of a row whose bytes were taken out: a new reference, or null with an error set.
PyObject* typed_object(const Columns& columns, TypedPart part, ScalarBytes& key, ScalarBytes& value);

extern PyMethodDef typed_methods[];
PyObject* typed_iter(PyObject* self);
PyObject* typed_reversed(PyObject* self, PyObject*);

// ---- Batches, of what lies in buffers. All raise ValueError for buffers whose sizes do not go together.

// d.get_many and so on: see pyrsistence/_containers/typed_dict.py. `found` may be None.
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
