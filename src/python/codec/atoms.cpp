// The rarer atoms: ints beyond 64 bits, strings beyond ASCII. See atoms.h.
#include "python/codec/atoms.h"

namespace pyr {

namespace {

u8* put_head(Buffer& out, Tag tag, std::size_t size, Framing framing) {
  return framing == Framing::whole ? put_head<Framing::whole>(out, tag, size)
                                   : put_head<Framing::nested>(out, tag, size);
}

// The bytes a code point takes in UTF-8; a surrogate is written as any other of its size, so that every str comes back.
std::size_t utf8_size(Py_UCS4 point) { return 1 + (point >= 0x80) + (point >= 0x800) + (point >= 0x10000); }

u8* put_point(u8* to, Py_UCS4 point) {
  const auto tail = [point](unsigned shift) { return static_cast<u8>(0x80 | ((point >> shift) & 0x3f)); };
  switch (utf8_size(point)) {
    case 1:
      *to++ = static_cast<u8>(point);
      return to;
    case 2:
      *to++ = static_cast<u8>(0xc0 | (point >> 6));
      break;
    case 3:
      *to++ = static_cast<u8>(0xe0 | (point >> 12));
      *to++ = tail(6);
      break;
    default:
      *to++ = static_cast<u8>(0xf0 | (point >> 18));
      *to++ = tail(12);
      *to++ = tail(6);
  }
  *to++ = tail(0);
  return to;
}

template <class Unit>
bool put_units(Buffer& out, const Unit* units, std::size_t count, Framing framing) {
  std::size_t size = 0;
  for (std::size_t i = 0; i < count; ++i) size += utf8_size(units[i]);
  // A subclass of str may be ASCII without being compact: the tag depends on the text alone.
  u8* to = put_head(out, size == count ? kAscii : kUtf8, size, framing);
  if (!to) return false;
  for (std::size_t i = 0; i < count; ++i) to = put_point(to, units[i]);
  return true;
}

int as_byte_array(PyObject* value, u8* to, std::size_t size) {
  auto* number = reinterpret_cast<PyLongObject*>(value);
#if PY_VERSION_HEX >= 0x030d0000
  return _PyLong_AsByteArray(number, to, size, 1, 1, 1);
#else
  return _PyLong_AsByteArray(number, to, size, 1, 1);
#endif
}

}  // namespace

// PyUnicode_AsUTF8AndSize would keep a second copy of the text in the object, and refuses lone surrogates.
bool put_utf8(Buffer& out, PyObject* text, Framing framing) {
#if PY_VERSION_HEX < 0x030c0000
  if (PyUnicode_READY(text) < 0) return false;
#endif
  const auto count = static_cast<std::size_t>(PyUnicode_GET_LENGTH(text));
  switch (PyUnicode_KIND(text)) {
    case PyUnicode_1BYTE_KIND:
      return put_units(out, PyUnicode_1BYTE_DATA(text), count, framing);
    case PyUnicode_2BYTE_KIND:
      return put_units(out, PyUnicode_2BYTE_DATA(text), count, framing);
    default:
      return put_units(out, PyUnicode_4BYTE_DATA(text), count, framing);
  }
}

bool put_big_int(Buffer& out, PyObject* value) {
  const std::size_t bits = _PyLong_NumBits(value);
  if (bits == static_cast<std::size_t>(-1) && PyErr_Occurred()) return false;
  std::size_t size = bits / 8 + 1;  // one bit for the sign
  const std::size_t start = out.size();
  u8* to = put_head<Framing::nested>(out, kBigInt, size);
  if (!to || as_byte_array(value, to, size) < 0) return false;
  // -2**(8n-1) needs no byte for the sign alone: equal numbers must have one form, the shortest.
  const bool spare = to[size - 1] == 0xff && to[size - 2] >= 0x80;
  if (!spare) return true;
  out.truncate(start);
  to = put_head<Framing::nested>(out, kBigInt, --size);
  return to && as_byte_array(value, to, size) == 0;
}

}  // namespace pyr
