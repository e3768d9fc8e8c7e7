// Encoding of the atoms that values and keys share: ints, floats, strings, bytes. Inline, since a dict's
// look-up is little else. None of this runs Python code.
//
// A str or bytes that is a whole value or key needs no length, the record knows it; a nested one has a varint: its
// Framing.
#pragma once

#include <Python.h>

#if PY_VERSION_HEX < 0x030b0000
#include <longintrepr.h>
#endif

#include <bit>
#include <cstring>

#include "python/codec/codec.h"
#include "python/codec/tags.h"

namespace pyr {

enum class Framing { whole, nested };

inline bool put_tag(Buffer& out, Tag tag) {
  u8* to = out.room(1);
  if (!to) return false;
  *to = tag;
  out.advance(1);
  return true;
}

inline bool put_tag_and_count(Buffer& out, Tag tag, u64 count) {
  u8* to = out.room(1 + emd::kVarintMax);
  if (!to) return false;
  *to = tag;
  out.advance(static_cast<std::size_t>(emd::put_varint(to + 1, count) - to));
  return true;
}

// The tag, the length if nested, and room for `size` bytes, which the caller fills; null with an error set.
template <Framing kFraming>
inline u8* put_head(Buffer& out, Tag tag, std::size_t size) {
  u8* const start = out.room(1 + emd::kVarintMax + size);
  if (!start) return nullptr;
  u8* to = start;
  *to++ = tag;
  if constexpr (kFraming == Framing::nested) to = emd::put_varint(to, size);
  out.advance(static_cast<std::size_t>(to - start) + size);
  return to;
}

// The fewest bytes of two's complement: none for 0, one for -128 to 127, and so on.
inline bool put_int64(Buffer& out, i64 value) {
  u8* to = out.room(9);
  if (!to) return false;
  const unsigned bits = 64 - static_cast<unsigned>(__builtin_clrsbll(value));
  const unsigned bytes = value == 0 ? 0 : (bits + 7) / 8;
  *to = static_cast<u8>(kInt + bytes);
  emd::store(to + 1, value);
  out.advance(1 + bytes);
  return true;
}

// Always with its length: a key that is a number has one form, by whatever route it comes.
bool put_big_int(Buffer& out, PyObject* value);

// `value` is an int or of a subclass of it.
inline bool put_int(Buffer& out, PyObject* value) {
#if PY_VERSION_HEX >= 0x030c0000
  const auto* number = reinterpret_cast<const PyLongObject*>(value);
  if (PyUnstable_Long_IsCompact(number)) return put_int64(out, PyUnstable_Long_CompactValue(number));
#else
  // One digit or none: sign times digit, without a call.
  const Py_ssize_t digits = Py_SIZE(value);
  if (digits >= -1 && digits <= 1)
    return put_int64(out, digits * static_cast<i64>(reinterpret_cast<PyLongObject*>(value)->ob_digit[0]));
#endif
  int overflow;
  const i64 number64 = PyLong_AsLongLongAndOverflow(value, &overflow);
  if (__builtin_expect(overflow != 0, 0)) return put_big_int(out, value);
  return put_int64(out, number64);
}

inline bool put_double(Buffer& out, double value) {
  u8* to = out.room(9);
  if (!to) return false;
  *to = kFloat;
  emd::store(to + 1, value);
  out.advance(9);
  return true;
}

inline bool put_complex(Buffer& out, Py_complex value) {
  u8* to = out.room(17);
  if (!to) return false;
  *to = kComplex;
  emd::store(to + 1, value.real);
  emd::store(to + 9, value.imag);
  out.advance(17);
  return true;
}

template <Framing kFraming>
inline bool put_bytes(Buffer& out, Tag tag, const void* from, std::size_t size) {
  u8* to = put_head<kFraming>(out, tag, size);
  if (!to) return false;
  if (size) std::memcpy(to, from, size);
  return true;
}

bool put_utf8(Buffer& out, PyObject* text, Framing framing);

// `text` is a str or of a subclass of it.
template <Framing kFraming>
inline bool put_str(Buffer& out, PyObject* text) {
  if (__builtin_expect(PyUnicode_IS_COMPACT_ASCII(text), 1))
    return put_bytes<kFraming>(out, kAscii, PyUnicode_1BYTE_DATA(text),
                               static_cast<std::size_t>(PyUnicode_GET_LENGTH(text)));
  return put_utf8(out, text, kFraming);
}

template <Framing kFraming>
inline bool put_bytes_object(Buffer& out, PyObject* bytes) {
  return put_bytes<kFraming>(out, kBytes, PyBytes_AS_STRING(bytes),
                             static_cast<std::size_t>(PyBytes_GET_SIZE(bytes)));
}

}  // namespace pyr
