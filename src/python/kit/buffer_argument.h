// The buffer of an argument, C-contiguous, held as long as this object.
//
// Threads: as Python objects; its bytes by anyone.
#pragma once

#include <Python.h>

#include <span>

#include "base/bytes.h"

namespace pyr {

// Bytes as numbers, as far as they are whole.
template <class Number>
std::span<const Number> numbers(emd::Bytes bytes) {
  return {reinterpret_cast<const Number*>(bytes.data()), bytes.size() / sizeof(Number)};
}

template <bool kWritable>
class BufferArgument {
 public:
  BufferArgument() = default;
  ~BufferArgument() {
    if (view_.obj) PyBuffer_Release(&view_);
  }
  BufferArgument(const BufferArgument&) = delete;
  BufferArgument& operator=(const BufferArgument&) = delete;

  // False with an error set.
  bool take(PyObject* object) {
    return PyObject_GetBuffer(object, &view_, kWritable ? PyBUF_WRITABLE : PyBUF_SIMPLE) == 0;
  }
  // As an argument of a method; see method.h.
  template <class State>
  bool take(State&, PyObject* const* objects) {
    return take(objects[0]);
  }

  bool given() const { return view_.obj != nullptr; }
  emd::u8* data() const { return static_cast<emd::u8*>(view_.buf); }
  emd::u64 size() const { return static_cast<emd::u64>(view_.len); }
  emd::Bytes bytes() const { return {data(), size()}; }
  template <class Number>
  std::span<const Number> as() const {
    return numbers<Number>(bytes());
  }

 private:
  Py_buffer view_{};
};

using ReadBuffer = BufferArgument<false>;
using WriteBuffer = BufferArgument<true>;

// One that may be None: then it is none.
template <class Argument>
struct OrNone : Argument {
  template <class State>
  bool take(State& state, PyObject* const* objects) {
    return objects[0] == Py_None || Argument::take(state, objects);
  }
};

}  // namespace pyr
