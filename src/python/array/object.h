// ArrayObject: the C part of EMArray. Items that are plain numbers are read and written here; slices, indices of
// other kinds and other types are the Python class's business (_get, _set, _delete, _append), which moves bytes by the
// methods here. See python/dict/object.h for the order of work in a slot.
//
// Threads: any; see container.h.
#pragma once

#include <Python.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "python/array/scalars.h"
#include "python/core/container.h"
#include "structures/array/array.h"

namespace pyr {

using emd::Bytes;
using emd::i64;
using emd::u64;
using emd::u8;

// What an array is to hold: for a new one all of it counts, of another one what was said.
struct WantedType {
  emd::Array::Type type;
  bool dtype_said = false;
  bool shape_said = false;
};

class ArrayContainer final : public Container {
 public:
  using Container::Container;
  ~ArrayContainer() override { detach(); }

  // Before attach().
  void want(WantedType wanted) { wanted_ = std::move(wanted); }

  // Of the items; valid within read(), and as long as nobody closes the array.
  Scalar scalar() const { return scalar_.load(std::memory_order_relaxed); }

  // Precondition of the rest: entered.
  emd::Array& array() { return *array_; }

  // As look(), with the GIL released: for reads of many bytes.
  template <class Work>
  void look_long(Work&& work) {
    if (live()) handle().require_snapshot();
    handle().run_long([&] { store().look(member(), work); });
  }
  // Runs `work` as one operation of the store; a long one with the GIL released.
  template <class Work>
  void change(bool is_long, Work&& work) {
    const auto operate = [&] {
      const emd::Operation operation(store());
      work();
    };
    if (is_long) {
      handle().run_long(operate);
    } else {
      operate();
    }
  }

 protected:
  void open_structure(emd::Store& store, emd::Member& member) override;
  void close_structure(bool leak) noexcept override;
  bool laid_out() const override { return array_->laid_out(); }

 private:
  std::shared_ptr<emd::Array> array_;
  std::atomic<Scalar> scalar_ = Scalar::none;
  WantedType wanted_;
};

struct ArrayObject {
  ContainerHead head;
  ArrayContainer container;
};

// Moves of more bytes than this release the GIL.
inline constexpr u64 kLongBytes = u64{256} << 10;

inline ArrayContainer& array_container(PyObject* self) {
  return reinterpret_cast<ArrayObject*>(self)->container;
}

bool is_array_object(PyObject* object);

// self.name(first[, second]): a method of the Python class. A new reference, or null with an error set.
PyObject* call_method(PyObject* self, const char* name, PyObject* first, PyObject* second = nullptr);

// The buffer of an object, C-contiguous, released at the end.
class BytesArgument {
 public:
  BytesArgument() = default;
  ~BytesArgument() {
    if (view_.obj) PyBuffer_Release(&view_);
  }
  BytesArgument(const BytesArgument&) = delete;
  BytesArgument& operator=(const BytesArgument&) = delete;
  // False with an error set.
  bool take(PyObject* object, bool writable = false) {
    return PyObject_GetBuffer(object, &view_, writable ? PyBUF_WRITABLE : PyBUF_SIMPLE) == 0;
  }
  u8* data() const { return static_cast<u8*>(view_.buf); }
  u64 size() const { return static_cast<u64>(view_.len); }
  Bytes bytes() const { return {data(), size()}; }

 private:
  Py_buffer view_{};
};

// A RegionView of the array's items: in their shape, elements of this format, or as bytes if that is "B". Errors as there.
PyObject* make_array_view(PyObject* array, bool writable, const char* format);
// The format of an element in the buffer protocol; empty with an error set. May run code.
std::string buffer_format(PyObject* array);

extern PyMethodDef array_methods[];
PyObject* array_arrow_array(PyObject* self, PyObject* args, PyObject* kwargs);
PyObject* array_arrow_schema(PyObject* self, PyObject*);

// Creates the types and adds them to the module; false with an error set.
bool add_array_types(PyObject* module);

}  // namespace pyr
