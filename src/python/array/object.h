// ArrayObject: the C part of EMArray. Items that are plain numbers are read and written here; slices, indices of
// other kinds and other types are the Python class's business (_get, _set, _delete, _append), which moves bytes by the
// methods here. See python/dict/object.h for the order of work in a slot.
//
// Threads: any; see container.h.
#pragma once

#include <Python.h>

#include <atomic>

#include "python/array/scalars.h"
#include "python/core/container.h"
#include "python/kit/buffer_argument.h"
#include "structures/array/array.h"

namespace pyr {

using emd::Bytes;
using emd::i64;
using emd::u64;
using emd::u8;

class ArrayContainer final : public StructureContainer<emd::Array> {
 public:
  static constexpr const char* kTypeName = "pyrsistence._core.ArrayBase";
  using StructureContainer::StructureContainer;

  // Of the items; valid within read(), and as long as nobody closes the array.
  Scalar scalar() const { return scalar_.load(std::memory_order_relaxed); }
  // Precondition: entered.
  emd::Array& array() { return structure(); }

  void want(PyObject* wanted) override;

 protected:
  void opened() override { scalar_.store(scalar_of(structure().type()), std::memory_order_relaxed); }

 private:
  std::atomic<Scalar> scalar_ = Scalar::none;
};

// Moves of more bytes than this release the GIL.
inline constexpr u64 kLongBytes = u64{256} << 10;

// self.name(first[, second]): a method of the Python class. A new reference, or null with an error set.
PyObject* call_method(PyObject* self, const char* name, PyObject* first, PyObject* second = nullptr);

// A RegionView of the array's items: in their shape, elements of this format, or as bytes if that is "B". Errors as
// there.
PyObject* make_array_view(ArrayContainer& container, bool writable, const char* format);

extern PyMethodDef array_methods[];
PyObject* array_arrow_array(ArrayContainer& container, PyObject* args, PyObject* kwargs);
PyObject* array_arrow_schema(ArrayContainer& container);

// Creates the types and adds them to the module; false with an error set.
bool add_array_types(PyObject* module);

}  // namespace pyr
