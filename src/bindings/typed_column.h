// Column: the type of a typed dict's keys or values: how objects become its bytes, and back.
//
// Numbers, bytes and texts are done here; every other type (complex, times, structures) by two callables, which
// python/pyrsistence/_columns.py makes with NumPy. Bytes of keys are canonical: what is equal has equal bytes.
//
// Threads: call with the GIL held, or attached; canonical() anywhere.
#pragma once

#include <Python.h>

#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "bindings/codec.h"
#include "bindings/ref.h"

namespace pyr {

using emd::u32;

class Column {
 public:
  enum class Kind : u8 { none, boolean, signed_integer, unsigned_integer, real, bytes, text, other };
  Column() = default;
  ~Column() { clear(); }
  Column(const Column&) = delete;
  Column& operator=(const Column&) = delete;

  // From a tuple: (kind's letter, bytes, name, spans, pack, unpack); spans, for keys, of (offset, bytes, kind: 'r' as they
  // are, '?' or 'f'), pack and unpack for other kinds. False with an error set.
  bool configure(PyObject* description, bool of_keys);

  Kind kind() const { return kind_; }
  u32 bytes() const { return bytes_; }
  const std::string& name() const { return name_; }

  // Writes bytes() bytes; may run Python code. False with an error set: OverflowError, TypeError, ValueError if the object
  // cannot be one of the column's.
  bool encode(PyObject* object, u8* to) const;
  // A new reference; null with an error set, DamagedError if they are no value of the type.
  PyObject* decode(const u8* from) const;

  // Whether all bytes are canonical as they are.
  bool always_canonical() const { return spans_.empty(); }
  // Copies `count` items so that equal ones have equal bytes: -0.0 is 0.0, all NaNs are one, gaps are zero.
  void canonical(const u8* from, u64 count, u8* to) const;

  int traverse(visitproc visit, void* arg) {
    Py_VISIT(pack_);
    Py_VISIT(unpack_);
    return 0;
  }
  void clear() {
    Py_CLEAR(pack_);
    Py_CLEAR(unpack_);
  }

 private:
  struct Span {
    u32 offset, bytes;
    char kind;
  };
  bool add_spans(PyObject* spans);
  Ref integer_of(PyObject* object) const;
  bool encode_integer(PyObject* object, u8* to) const;
  bool encode_boolean(PyObject* object, u8* to) const;
  bool encode_real(PyObject* object, u8* to) const;
  bool encode_bytes(PyObject* object, u8* to) const;
  bool encode_text(PyObject* object, u8* to) const;
  bool encode_other(PyObject* object, u8* to) const;
  bool refuse_type(PyObject* object, const char* expected) const;
  bool refuse_range(PyObject* object) const;
  PyObject* decode_integer(const u8* from) const;
  PyObject* decode_text(const u8* from) const;

  Kind kind_ = Kind::none;
  bool of_keys_ = false;
  u32 bytes_ = 0;
  std::string name_;
  std::vector<Span> spans_;
  PyObject* pack_ = nullptr;
  PyObject* unpack_ = nullptr;
};

// The bytes of one key or value.
class ScalarBytes {
 public:
  explicit ScalarBytes(u32 size) : size_(size) {
    if (size > sizeof small_) large_ = std::make_unique<u8[]>(size);
  }
  u8* data() { return large_ ? large_.get() : small_; }
  u32 size() const { return size_; }

 private:
  u32 size_;
  u8 small_[64];
  std::unique_ptr<u8[]> large_;
};

}  // namespace pyr
