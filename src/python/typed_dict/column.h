// Column: the type of a typed dict's keys or values: how objects become its bytes, and back.
//
// Numbers, bytes and texts are done here; every other type (complex, times, structures) by two callables, which
// pyrsistence/_containers/typed_columns.py makes with NumPy. Bytes of keys are canonical: what is equal has equal
// bytes.
//
// A column does not change once it is configured: whoever has one may run Python code meanwhile.
//
// Threads: call with the GIL held, or attached; canonical() anywhere.
#pragma once

#include <Python.h>

#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "python/codec/codec.h"
#include "python/kit/owned_ref.h"

namespace pyr {

using emd::u32;

class Column {
 public:
  enum class TypeClass : u8 { none, boolean, signed_integer, unsigned_integer, real, bytes, text, other };
  Column() = default;
  ~Column() {
    Py_CLEAR(pack_);
    Py_CLEAR(unpack_);
  }
  Column(const Column&) = delete;
  Column& operator=(const Column&) = delete;

  // Takes over the description, a tuple (letter of the class, bytes, name, spans, pack, unpack). It is called once.
  // A key has spans (offset, bytes, letter), where the letter is 'r' for bytes as they are, '?' or 'f';
  // TypeClass::other has pack and unpack. False with an error set.
  bool configure(PyObject* description, bool of_keys);

  TypeClass type_class() const { return class_; }
  u32 bytes() const { return bytes_; }
  const std::string& name() const { return name_; }
  // Whether it is of the same type.
  bool is_same(const Column& other) const {
    return class_ == other.class_ && bytes_ == other.bytes_ && name_ == other.name_;
  }

  // Whether an object was encoded. An error is set unless it was: refused, which is the column's word, if the object
  // cannot be one of its own (OverflowError, TypeError, ValueError); failed is what the object's code has raised.
  enum class Fit { yes, refused, failed };
  // Writes bytes() bytes; may run Python code.
  Fit encode(PyObject* object, u8* to) const;
  // A new reference; null with an error set, DamagedError if they are no value of the type.
  PyObject* decode(const u8* from) const;

  // Whether all bytes are canonical as they are.
  bool always_canonical() const { return spans_.empty(); }
  // Copies `count` items so that equal ones have equal bytes: -0.0 is 0.0, all NaNs are one, gaps are zero.
  void canonical(const u8* from, u64 count, u8* to) const;

  int traverse(visitproc visit, void* arg) const {
    Py_VISIT(pack_);
    Py_VISIT(unpack_);
    return 0;
  }

 private:
  struct Span {
    u32 offset, bytes;
    char kind;
  };
  bool add_spans(PyObject* spans);
  Fit integer_of(PyObject* object, OwnedRef& integer) const;
  Fit encode_integer(PyObject* object, u8* to) const;
  Fit encode_boolean(PyObject* object, u8* to) const;
  Fit encode_real(PyObject* object, u8* to) const;
  Fit encode_bytes(PyObject* object, u8* to) const;
  Fit encode_text(PyObject* object, u8* to) const;
  Fit encode_other(PyObject* object, u8* to) const;
  Fit refuse_type(PyObject* object, const char* expected) const;
  Fit refuse_range(PyObject* object) const;
  PyObject* decode_integer(const u8* from) const;
  PyObject* decode_text(const u8* from) const;

  TypeClass class_ = TypeClass::none;
  bool of_keys_ = false;
  u32 bytes_ = 0;
  std::string name_;
  std::vector<Span> spans_;
  PyObject* pack_ = nullptr;
  PyObject* unpack_ = nullptr;
};

// The types of a typed dict.
struct Columns {
  Column keys;
  Column values;
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
