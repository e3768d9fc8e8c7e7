// Decoding of values and keys. See value_codec.h. The bytes are hostile: every count is held against what is left
// before anything is allocated for it, and nesting is bounded.
#include <cstring>

#include "python/codec/atoms.h"
#include "python/codec/key_time.h"
#include "python/codec/support.h"
#include "python/codec/value_codec.h"

namespace pyr {

namespace {

PyObject* cut() { return damaged("damaged object: its bytes end early"); }

// `size` bytes, at most eight, of two's complement.
PyObject* make_int(const u8* from, std::size_t size) {
  u64 raw = 0;
  switch (size) {
    case 0:
      return PyLong_FromLong(0);
    case 1:
      return PyLong_FromLong(static_cast<signed char>(*from));
    case 2:
      return PyLong_FromLong(emd::load<std::int16_t>(from));
    case 4:
      return PyLong_FromLong(emd::load<std::int32_t>(from));
    case 8:
      return PyLong_FromLongLong(emd::load<i64>(from));
    default:
      for (std::size_t i = 0; i < size; ++i) raw |= static_cast<u64>(from[i]) << (8 * i);
  }
  const unsigned unused = 64 - 8 * static_cast<unsigned>(size);
  return PyLong_FromLongLong(static_cast<i64>(raw << unused) >> unused);
}

PyObject* make_big_int(const u8* from, std::size_t size) {
  return _PyLong_FromByteArray(from, size, /*little_endian=*/1, /*is_signed=*/1);
}

bool is_ascii(const u8* from, std::size_t size) {
  constexpr u64 kHighBits = 0x8080808080808080;
  u64 high = 0;
  for (; size >= 8; size -= 8, from += 8) high |= emd::load<u64>(from);
  for (; size > 0; --size) high |= *from++;
  return (high & kHighBits) == 0;
}

PyObject* make_ascii(const u8* from, std::size_t size) {
  if (!is_ascii(from, size)) return damaged("damaged str: a byte that is not ASCII");
  if (size == 1) return PyUnicode_FromOrdinal(*from);  // shared by the interpreter
  PyObject* text = PyUnicode_New(static_cast<Py_ssize_t>(size), 127);
  if (text && size) std::memcpy(PyUnicode_1BYTE_DATA(text), from, size);
  return text;
}

PyObject* make_utf8(const u8* from, std::size_t size) {
  const auto* chars = reinterpret_cast<const char*>(from);
  PyObject* text = PyUnicode_DecodeUTF8(chars, static_cast<Py_ssize_t>(size), nullptr);
  if (text || !PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) return text;
  PyErr_Clear();
  text = PyUnicode_DecodeUTF8(chars, static_cast<Py_ssize_t>(size), "surrogatepass");
  return text ? text : damaged_from_error("damaged str: invalid UTF-8");
}

// An atom whose bytes are `size` at `from`, the tag known to be one of these.
PyObject* make_sized(u8 tag, const u8* from, std::size_t size) {
  const auto* chars = reinterpret_cast<const char*>(from);
  switch (tag) {
    case kAscii:
      return make_ascii(from, size);
    case kUtf8:
      return make_utf8(from, size);
    case kBytes:
      return PyBytes_FromStringAndSize(chars, static_cast<Py_ssize_t>(size));
    case kByteArray:
      return PyByteArray_FromStringAndSize(chars, static_cast<Py_ssize_t>(size));
    default:
      return make_big_int(from, size);
  }
}

PyObject* read_sized(Reader& reader, u8 tag) {
  u64 size;
  if (!reader.count(size)) return cut();
  const u8* from = reader.take(size);
  return from ? make_sized(tag, from, static_cast<std::size_t>(size)) : cut();
}

// A count of objects that each take at least `least` bytes.
bool read_count(Reader& reader, std::size_t least, Py_ssize_t& count) {
  u64 raw;
  if (!reader.count(raw) || raw > reader.left() / least) {
    damaged("damaged container: its count exceeds its bytes");
    return false;
  }
  count = static_cast<Py_ssize_t>(raw);
  return true;
}

PyObject* read_tuple(Reader& reader) {
  Py_ssize_t count;
  if (!read_count(reader, 1, count)) return nullptr;
  OwnedRef tuple(PyTuple_New(count));
  for (Py_ssize_t i = 0; tuple && i < count; ++i) {
    PyObject* item = read_object(reader);
    if (!item) return nullptr;
    PyTuple_SET_ITEM(tuple.get(), i, item);
  }
  return tuple.release();
}

PyObject* read_list(Reader& reader) {
  Py_ssize_t count;
  if (!read_count(reader, 1, count)) return nullptr;
  OwnedRef list(PyList_New(count));
  for (Py_ssize_t i = 0; list && i < count; ++i) {
    PyObject* item = read_object(reader);
    if (!item) return nullptr;
    PyList_SET_ITEM(list.get(), i, item);
  }
  return list.release();
}

PyObject* read_dict(Reader& reader) {
  Py_ssize_t count;
  if (!read_count(reader, 2, count)) return nullptr;
  OwnedRef dict(PyDict_New());
  for (Py_ssize_t i = 0; dict && i < count; ++i) {
    const OwnedRef key(read_object(reader));
    if (!key) return nullptr;
    const OwnedRef item(read_object(reader));
    if (!item) return nullptr;
    if (PyDict_SetItem(dict.get(), key.get(), item.get()) < 0)
      return damaged_from_error("damaged dict: a key that is unhashable");
  }
  if (dict && PyDict_GET_SIZE(dict.get()) != count) return damaged("damaged dict: a key occurs twice");
  return dict.release();
}

PyObject* read_set(Reader& reader, bool frozen) {
  Py_ssize_t count;
  if (!read_count(reader, 1, count)) return nullptr;
  OwnedRef set(frozen ? PyFrozenSet_New(nullptr) : PySet_New(nullptr));
  for (Py_ssize_t i = 0; set && i < count; ++i) {
    const OwnedRef item(read_object(reader));
    if (!item) return nullptr;
    if (PySet_Add(set.get(), item.get()) < 0)
      return damaged_from_error("damaged set: an element that is unhashable");
  }
  if (set && PySet_GET_SIZE(set.get()) != count) return damaged("damaged set: an element occurs twice");
  return set.release();
}

PyObject* read_range(Reader& reader) {
  OwnedRef parts[3];
  for (OwnedRef& part : parts) {
    part = OwnedRef(read_object(reader));
    if (!part) return nullptr;
    if (!PyLong_CheckExact(part.get())) return damaged("damaged range: a part that is no int");
  }
  PyObject* range = PyObject_CallFunctionObjArgs(reinterpret_cast<PyObject*>(&PyRange_Type), parts[0].get(),
                                                 parts[1].get(), parts[2].get(), nullptr);
  return range ? range : damaged_from_error("damaged range");
}

PyObject* read_fixed_atom(Reader& reader, u8 tag) {
  if (tag == kFloat) {
    const u8* from = reader.take(8);
    return from ? PyFloat_FromDouble(emd::load<double>(from)) : cut();
  }
  const u8* from = reader.take(16);
  return from ? PyComplex_FromDoubles(emd::load<double>(from), emd::load<double>(from + 8)) : cut();
}

PyObject* read_composite(Reader& reader, u8 tag) {
  if (reader.depth == kMaxDepth) return damaged("damaged container: nested too deeply");
  ++reader.depth;
  PyObject* object = tag == kTuple       ? read_tuple(reader)
                     : tag == kFrozenSet ? read_set(reader, true)
                     : tag == kList      ? read_list(reader)
                     : tag == kDict      ? read_dict(reader)
                     : tag == kSet       ? read_set(reader, false)
                                         : read_range(reader);
  --reader.depth;
  return object;
}

PyObject* bad_tag(u8 tag) { return damaged("damaged object: no type has the tag 0x%x here", tag); }

// Tags that a value has and a key has not.
PyObject* read_value_object(Reader& reader, u8 tag) {
  switch (tag) {
    case kFalse:
      Py_RETURN_FALSE;
    case kTrue:
      Py_RETURN_TRUE;
    case kByteArray:
      return read_sized(reader, tag);
    case kList:
    case kDict:
    case kSet:
    case kRange:
      return read_composite(reader, tag);
    case kNumpyScalar:
      return read_numpy_number(reader);
    case kDate:
    case kDateTime:
    case kTime:
    case kTimeDelta:
      return read_plain_time(reader, tag);
    default:
      return bad_tag(tag);
  }
}

// An atom that is the whole, its length not written; anything else as if nested, and nothing may follow.
PyObject* decode_rest(Bytes bytes, Grammar grammar) {
  const u8 tag = bytes[0];
  const u8* from = bytes.data() + 1;
  const std::size_t size = bytes.size() - 1;
  if (tag == kUtf8 || tag == kBytes || (tag == kByteArray && grammar == Grammar::value))
    return make_sized(tag, from, size);
  if (grammar == Grammar::value && tag == kNdArray) return decode_ndarray({from, size});
  if (grammar == Grammar::value && tag == kNumpyScalar) return decode_numpy_scalar({from, size});
  Reader reader{bytes.data(), bytes.data() + bytes.size(), grammar};
  OwnedRef object(read_object(reader));
  if (object && reader.at != reader.end) return damaged("damaged object: bytes are left over");
  return object.release();
}

}  // namespace

PyObject* read_object(Reader& reader) {
  const u8* tag_at = reader.take(1);
  if (!tag_at) return cut();
  const u8 tag = *tag_at;
  if (tag >= kInt && tag <= kInt + 8) {
    const u8* from = reader.take(tag - kInt);
    return from ? make_int(from, tag - kInt) : cut();
  }
  switch (tag) {
    case kAscii:
    case kUtf8:
    case kBytes:
    case kBigInt:
      return read_sized(reader, tag);
    case kFloat:
    case kComplex:
      return read_fixed_atom(reader, tag);
    case kNone:
      Py_RETURN_NONE;
    case kEllipsis:
      return Py_NewRef(Py_Ellipsis);
    case kTuple:
    case kFrozenSet:
      return read_composite(reader, tag);
    default:
      return reader.grammar == Grammar::key ? read_key_object(reader, tag) : read_value_object(reader, tag);
  }
}

PyObject* decode_native(Bytes bytes, Grammar grammar) {
  if (bytes.empty()) return cut();
  const u8 tag = bytes[0];
  const std::size_t size = bytes.size() - 1;
  if (tag >= kInt && tag <= kInt + 8 && size == static_cast<std::size_t>(tag - kInt))
    return make_int(bytes.data() + 1, size);
  if (tag == kAscii) return make_ascii(bytes.data() + 1, size);
  if (tag == kFloat && size == 8) return PyFloat_FromDouble(emd::load<double>(bytes.data() + 1));
  return decode_rest(bytes, grammar);
}

}  // namespace pyr
