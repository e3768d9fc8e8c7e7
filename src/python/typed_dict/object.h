// TypedContainer: the C part of EMTypedDict, with plain CPython slots, and most of that of EMTypedSet. See
// python/dict/object.h for the order of work in a slot.
//
// What is encoded before the container is entered has the types that the dict had then. The dict that is found may be
// another one (the code that encoding has run, or another thread, has opened it anew), so whoever has encoded by
// columns() asks for dict() of these columns.
//
// Threads: any; see container.h.
#pragma once

#include <Python.h>

#include <atomic>
#include <memory>
#include <vector>

#include "python/core/container.h"
#include "python/kit/buffer_argument.h"
#include "python/typed_dict/column.h"
#include "structures/typed_dict/typed_dict.h"

namespace pyr {

class TypedContainer : public StructureContainer<emd::TypedDict> {
 public:
  static constexpr const char* kTypeName = "pyrsistence._core.TypedDictBase";
  explicit TypedContainer(PyObject* self) noexcept;

  // The types, once they are known; of a set without one of values: those given, or those of the file. They are valid
  // as long as the container, whatever it is opened with later: a call may go on with them.
  const Columns& columns() const { return *columns_.load(std::memory_order_acquire); }
  // Sets them, for the dict that is open. Errors by exception: PythonError; as EntryGuard.
  void describe(PyObject* keys, PyObject* values);

  // Precondition of both: entered. The second is for what these columns have encoded. Errors: StateError.
  emd::TypedDict& any_dict() { return structure(); }
  emd::TypedDict& dict(const Columns& columns) {
    if (__builtin_expect(&columns != settled_, 0)) refuse_types();
    return structure();
  }

  void want(PyObject* wanted) override;
  int traverse(visitproc visit, void* arg) override;

 protected:
  void opened() override { settled_ = nullptr; }

 private:
  [[noreturn]] void refuse_types() const;
  const Columns* known(std::unique_ptr<Columns> columns);

  const Columns* settled_ = nullptr;  // the columns of the dict that is open; null while they are not known
  std::atomic<const Columns*> columns_;
  ObjectMutex describing_;
  std::vector<std::unique_ptr<const Columns>> all_columns_;  // that it has had
};

// An element is the key of a set.
enum class TypedPart { key, value, item, element };

// The canonical bytes of a key that is looked up. What cannot be a key is in no dict: then there are none, and no
// error; but what has no hash is refused as dict refuses it.
enum class EncodedKey { yes, never, failed };
EncodedKey encode_wanted(TypedContainer& container, const Column& keys, PyObject* key, ScalarBytes& bytes);

// Takes the last row out: as typed_object(); null if there is none.
PyObject* typed_pop_last(TypedContainer& container, TypedPart part);

// The value of a key: a new reference; null if there is none, or with an error set.
PyObject* typed_value(TypedContainer& container, const Columns& columns, ScalarBytes& key);
// The part of a row whose bytes were taken out: a new reference, or null with an error set.
PyObject* typed_object(const Columns& columns, TypedPart part, ScalarBytes& key, ScalarBytes& value);

// ---- Methods: see pyrsistence/_containers/typed_dict.py for those with an underscore

extern PyMethodDef typed_methods[];
void typed_clear(TypedContainer& container);
void typed_configure(TypedContainer& container, PyObject* keys, PyObject* values);
PyObject* typed_layout(TypedContainer& container);
// The slots, of sets too.
int typed_contains(TypedContainer& container, PyObject* key);
Py_ssize_t typed_length(TypedContainer& container);
PyObject* typed_iter(TypedContainer& container);
// An iterator; null with an error set.
PyObject* typed_iterator(TypedContainer& container, TypedPart part, bool backwards);

// Of what lies in buffers. Errors by exception: ValueError for buffers whose sizes do not go together.

u64 typed_find_many(TypedContainer& container, const ReadBuffer& keys, const WriteBuffer& out,
                    const OrNone<WriteBuffer>& found, const OrNone<ReadBuffer>& missing, bool erase);
void typed_contains_many(TypedContainer& container, const ReadBuffer& keys, const WriteBuffer& found);
void typed_put_many(TypedContainer& container, const ReadBuffer& keys, const ReadBuffer& values);
void typed_add_many(TypedContainer& container, const ReadBuffer& keys, const ReadBuffer& deltas);
// The bytes of objects, one behind the other, and which of them can be in the column at all; with none of the latter
// the first that cannot raises its error.
PyObject* typed_pack(TypedContainer& container, bool keys, PyObject* objects, bool wanted);
PyObject* typed_unpack(TypedContainer& container, bool keys, const ReadBuffer& buffer);
// The bytes of the live rows' part as they lie, in insertion order.
PyObject* typed_column_bytes(TypedContainer& container, bool of_keys);
// A RegionView of the rows as they lie, as bytes. Errors by exception, beside make_region_view()'s: StateError if there
// are dead rows.
PyObject* typed_view(TypedContainer& container);

// Creates the types and adds them to the module; false with an error set.
bool add_typed_types(PyObject* module);
bool add_typed_iterator_type(PyObject* module);

}  // namespace pyr
