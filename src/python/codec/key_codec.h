// Canonical bytes of keys: equal keys have equal bytes. docs/keys.md is the contract, rule by rule.
//
// Threads: call with the GIL held.
#pragma once

#include <Python.h>

#include <vector>

#include "python/codec/atoms.h"
#include "python/codec/codec.h"
#include "python/codec/key_types.h"
#include "python/codec/support.h"

namespace pyr {

// Appends the canonical bytes of `key`. `natural` is set to false if decoding them gives an equal object of another
// type (1 for 1.0), or cannot be done at all. Errors: as Codec::encode_key; std::bad_alloc.
bool encode_canonical(PyObject* key, Buffer& out, bool& natural);

// One key being encoded. All members return false with an error set.
class KeyEncoder {
 public:
  explicit KeyEncoder(Buffer& out) : out_(out) {}
  bool put(PyObject* object, Framing framing);
  bool natural() const { return natural_; }

 private:
  class Composite;  // an object whose parts are being encoded

  bool put_other(PyObject* object, Framing framing);
  bool put_of_kind(PyObject* object, TypeInfo& info, Framing framing);
  bool nested(PyObject* object) { return put(object, Framing::nested); }
  bool check_hashable(PyObject* object);

  // Numbers (key_numbers.cpp).
  bool put_real(double value);
  bool put_complex_number(Py_complex value);
  bool put_ratio(PyObject* ratio);  // a tuple (numerator, denominator), in lowest terms
  bool put_fraction(PyObject* fraction);
  bool put_decimal(PyObject* decimal);
  bool put_numpy(PyObject* scalar, Framing framing);

  // Containers (key_objects.cpp).
  bool put_tuple(PyObject* tuple);
  bool put_sequence(Tag tag, PyObject* items);   // of the items of a list or tuple
  bool put_unordered(Tag tag, PyObject* items);  // in the order of their bytes
  bool put_pairs(PyObject* items);               // of a list of 2-tuples, in the order of their bytes
  bool put_state_container(PyObject* object, bool& done);
  bool put_range(PyObject* range);

  // Objects (key_objects.cpp).
  bool put_enum(PyObject* member, TypeInfo& info);
  bool put_dataclass(PyObject* object, TypeInfo& info);
  bool put_path(PyObject* path);
  bool put_uuid(PyObject* uuid);
  bool put_reduced(PyObject* object);
  bool put_reduced_parts(PyObject* object, PyObject* reduced);
  bool put_reduced_arguments(PyObject* object, PyObject* arguments);
  bool append(const void* from, std::size_t size);

  // Dates and times (key_time.cpp).
  bool put_date(PyObject* date);
  bool put_datetime(PyObject* datetime);
  bool put_naive(PyObject* datetime);
  bool put_time(PyObject* time);
  bool put_timedelta(PyObject* delta);
  bool put_fields(Tag tag, const void* fields, std::size_t size);
  // Of a class with a hash of its own (pandas.Timestamp): as the plain time, if it is equal and has the same hash.
  bool put_like_plain_time(PyObject* object, Framing framing);

  Buffer& out_;
  bool natural_ = true;
  bool in_state_ = false;  // inside an object: what cannot be hashed is a part like any other
  unsigned depth_ = 0;
  std::vector<PyObject*> open_;  // the composites that the current object is part of, but for tuples
};

}  // namespace pyr
