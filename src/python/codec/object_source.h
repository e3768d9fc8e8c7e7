// ObjectSource: the objects of any iterable, one after the other, as batches take them.
//
// A one-dimensional NumPy array of numbers or texts is turned into Python's own a piece at a time, so that an array of
// any size costs little memory; its items are then int, float, bool, str or bytes, and not NumPy's scalars.
//
// Threads: one uses it. Any call may run Python code.
#pragma once

#include <Python.h>

#include "python/kit/owned_ref.h"

namespace pyr {

class ObjectSource {
 public:
  // Precondition of all else: open() has returned true. False with an error set (TypeError: it is not iterable).
  bool open(PyObject* iterable);

  // The next object; null at the end, or with an error set.
  OwnedRef next();
  // How many next() has given.
  Py_ssize_t given() const { return given_; }
  // Whether next() runs nobody's code: a builtin container, an iterator over one, or a zip or enumerate of such. Then
  // whoever takes several objects before he uses the first is not found out.
  bool runs_no_code() const { return runs_no_code_; }

 private:
  bool open_array(PyObject* array);
  bool next_piece();

  OwnedRef piece_;     // the sequence itself, or a list of a piece of the array; else there is an iterator
  OwnedRef array_;     // null: none
  OwnedRef iterator_;  // null: a sequence or an array
  Py_ssize_t at_ = 0;  // in the piece
  Py_ssize_t array_at_ = 0;
  Py_ssize_t array_size_ = 0;
  Py_ssize_t given_ = 0;
  bool runs_no_code_ = false;
};

}  // namespace pyr
