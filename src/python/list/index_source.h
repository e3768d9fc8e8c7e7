// IndexSource: the indices that take() and set_many() of a list are given, in groups.
//
// Threads: one uses it. open() and fill() may run Python code.
#pragma once

#include <Python.h>

#include <vector>

#include "python/codec/object_source.h"
#include "python/kit/number_array.h"

namespace pyr {

// The indices of a group, as they were given: they may count from the end.
using Indices = std::vector<Py_ssize_t>;

// Where indices come from: an array, read in place, or any iterable.
class IndexSource {
 public:
  explicit IndexSource(PyObject* indices) : array_(indices) {}
  // False with an error set.
  bool open(PyObject* indices);
  // The next index; false at the end, or with an error set, which names its place.
  bool next(Py_ssize_t& index);
  // Replaces the group by the next indices, kMaxGroup at most; by none at the end. False with an error set.
  bool fill(Indices& group);
  // How many were given.
  Py_ssize_t given() const { return given_; }

 private:
  bool is_array() const { return array_.kind() == 'i' || array_.kind() == 'u'; }
  bool next_of_array(Py_ssize_t& index);
  bool next_of_objects(Py_ssize_t& index);

  NumberArray array_;
  ObjectSource objects_;
  Py_ssize_t given_ = 0;
};

// Resolves the indices of a group from `from` on, up to the first that is out of range in a list of `size` elements.
void resolve(const Indices& group, std::size_t from, u64 size, std::vector<u64>& places);

// Sets IndexError about the index at this place among all that were given.
void refuse_index(Py_ssize_t place, Py_ssize_t index, u64 size);

}  // namespace pyr
