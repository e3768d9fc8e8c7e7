// NumberArray: a one-dimensional buffer of native numbers, held as long as the object.
//
// Threads: one uses it, with the GIL held, or attached where there is none; but at(), which needs neither.
#pragma once

#include <Python.h>

#include <cstring>

#include "base/bytes.h"

namespace pyr {

using emd::u64;
using emd::u8;

// Whether it is an array of numpy.ma, whose buffer says nothing of items that are missing.
bool is_masked_array(PyObject* object);

class NumberArray {
 public:
  explicit NumberArray(PyObject* object) {
    if (!PyObject_CheckBuffer(object) || is_masked_array(object)) return;
    if (PyObject_GetBuffer(object, &view_, PyBUF_STRIDED_RO | PyBUF_FORMAT) < 0) {
      PyErr_Clear();
      return;
    }
    held_ = true;
    if (view_.ndim == 1) kind_ = number_kind(view_.format ? view_.format : "B");
  }
  ~NumberArray() {
    if (held_) PyBuffer_Release(&view_);
  }
  NumberArray(const NumberArray&) = delete;
  NumberArray& operator=(const NumberArray&) = delete;

  // The kind: 'i' signed, 'u' unsigned, 'f' float, '?' bool; 0 if it is none of these.
  char kind() const { return kind_; }
  Py_ssize_t item_size() const { return view_.itemsize; }
  u64 count() const { return static_cast<u64>(view_.shape[0]); }
  const u8* at(u64 i) const {
    return static_cast<const u8*>(view_.buf) + static_cast<Py_ssize_t>(i) * view_.strides[0];
  }

 private:
  static char number_kind(const char* format) {
    if (*format == '@' || *format == '=' || *format == '<') ++format;
    if (!format[0] || format[1]) return 0;
    if (std::strchr("bhilqn", *format)) return 'i';
    if (std::strchr("BHILQN", *format)) return 'u';
    if (std::strchr("fd", *format)) return 'f';
    return *format == '?' ? '?' : 0;
  }

  Py_buffer view_{};
  bool held_ = false;
  char kind_ = 0;
};

}  // namespace pyr
