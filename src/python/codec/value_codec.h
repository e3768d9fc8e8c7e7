// Values: the native encodings, without pickle (codec.cpp adds that). docs/format.md has the table.
//
// Threads: call with the GIL held.
#pragma once

#include <Python.h>

#include "python/codec/codec.h"
#include "python/codec/tags.h"

namespace pyr {

enum class Encoded {
  yes,
  foreign,     // no native encoding; the buffer's tail is unspecified
  unprepared,  // encode_native() never says so: see prepare_times()
  error,       // an error is set
};

// Whether containers that can change may be nested in natural values. Pickle keeps the identity of what is inside
// and writes what occurs twice once; so they are left to it where it may be used. Where it may not, they are nested as
// long as none occurs twice, which also rules out cycles.
enum class Nesting { flat, trees };

// Appends the native encoding of `value`, where it has one. Runs no Python code, except for NumPy's objects, and none
// while it walks a container.
// Errors: MemoryError, std::bad_alloc.
Encoded encode_native(PyObject* value, Nesting nesting, Buffer& out);

// Appends a NumPy array or scalar, if `value` is one and its items are plain bytes (value_numpy.cpp).
Encoded encode_numpy(PyObject* value, Buffer& out);
// Atoms of modules, whole or nested. What these modules say of their types is asked for once, by the prepare functions,
// which may run Python code (false: an error is set); until then a value that may be such an atom is unprepared.
// A NumPy scalar, if `value` is one of the plain number types, from bool_ to complex128.
Encoded encode_numpy_number(PyObject* value, Buffer& out);
bool prepare_numpy_numbers();
// A date, a naive datetime or time, or a timedelta, if `value` is exactly of such a type and of no fold (key_time.cpp).
Encoded encode_time(PyObject* value, Buffer& out);
bool prepare_times();

// What kind of bytes are read: keys have tags of their own and lack others.
enum class Grammar { value, key };

// Reads what encode_native or encode_key has written (not a pickle). A new reference, or null with DamagedError set.
// Cost: time and memory proportional to the bytes.
PyObject* decode_native(Bytes bytes, Grammar grammar);
PyObject* decode_ndarray(Bytes bytes);       // without the tag
PyObject* decode_numpy_scalar(Bytes bytes);  // without the tag

// A position in bytes that are read from the left; every read is checked against the end.
struct Reader {
  const u8* at;
  const u8* end;
  Grammar grammar = Grammar::value;
  unsigned depth = 0;

  std::size_t left() const { return static_cast<std::size_t>(end - at); }
  bool count(u64& value) {
    const u8* next = emd::get_varint(at, end, value);
    if (next) at = next;
    return next != nullptr;
  }
  // The next `size` bytes, or null if there are fewer.
  const u8* take(u64 size) {
    if (size > left()) return nullptr;
    const u8* from = at;
    at += size;
    return from;
  }
};

// Reads one nested object, of any tag but those of whole values.
PyObject* read_object(Reader& reader);
// Reads an object of a tag that only keys have (key_decode.cpp).
PyObject* read_key_object(Reader& reader, u8 tag);
// Reads one of the plain numbers of NumPy, behind the tag.
PyObject* read_numpy_number(Reader& reader);

}  // namespace pyr
