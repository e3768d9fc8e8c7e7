// NumPy's arrays and scalars as values: the text of the dtype, the shape, the bytes. NumPy is used through its Python
// interface, so that the extension is built without it. See value_codec.h and docs/format.md.
#include <array>
#include <atomic>
#include <cstring>
#include <memory>
#include <string_view>

#include "python/codec/atoms.h"
#include "python/codec/support.h"
#include "python/codec/value_codec.h"

namespace pyr {

namespace {

// The numbers of NumPy's own types end before 24. What is left to pickle: types that others add, objects (17), records
// (20; their dtype is no short text), and long doubles (13, 16; their layout is the machine's and has holes).
constexpr bool is_plain_number(long long number) {
  return number >= 0 && number < 24 && number != 13 && number != 16 && number != 17 && number != 20;
}
constexpr Py_ssize_t kMaxDtypeText = 32;
constexpr u64 kMaxDimensions = 64;

OwnedRef attribute(PyObject* object, const char* name) {
  return OwnedRef(PyObject_GetAttrString(object, name));
}

bool integer(const OwnedRef& object, long long& value) {
  value = object ? PyLong_AsLongLong(object.get()) : -1;
  return !(value == -1 && PyErr_Occurred());
}

// 1 if the items of this dtype are plain bytes that its text describes, 0 if not, -1 with an error set.
int is_plain(PyObject* dtype) {
  long long number, item_size;
  if (!integer(attribute(dtype, "num"), number) || !integer(attribute(dtype, "itemsize"), item_size))
    return -1;
  const OwnedRef metadata = attribute(dtype, "metadata");
  if (!metadata) return -1;
  return is_plain_number(number) && item_size > 0 && metadata.get() == Py_None;
}

bool put_dtype(PyObject* dtype, Buffer& out) {
  const OwnedRef text = attribute(dtype, "str");
  return text && PyUnicode_Check(text.get()) && put_str<Framing::nested>(out, text.get());
}

bool append(Buffer& out, const void* from, std::size_t size) {
  u8* to = out.room(size);
  if (!to) return false;
  if (size) std::memcpy(to, from, size);
  out.advance(size);
  return true;
}

// Whether the array's bytes lie in C order (0) or Fortran order (1); 2 for neither, -1 with an error set.
int order_of(PyObject* array) {
  const OwnedRef flags = attribute(array, "flags");
  const OwnedRef c = flags ? attribute(flags.get(), "c_contiguous") : OwnedRef();
  const OwnedRef fortran = c ? attribute(flags.get(), "f_contiguous") : OwnedRef();
  if (!fortran) return -1;
  return c.get() == Py_True ? 0 : fortran.get() == Py_True ? 1 : 2;
}

bool put_array(PyObject* array, PyObject* dtype, Buffer& out) {
  const int order = order_of(array);
  const OwnedRef shape(order < 0 ? nullptr : PyObject_GetAttrString(array, "shape"));
  if (!shape || !put_tag(out, kNdArray) || !put_dtype(dtype, out)) return false;
  const Py_ssize_t dimensions = PyTuple_GET_SIZE(shape.get());
  u8* to = out.room(1 + emd::kVarintMax * static_cast<std::size_t>(dimensions + 1));
  if (!to) return false;
  u8* const start = to;
  *to++ = order == 1 ? 1 : 0;
  to = emd::put_varint(to, static_cast<u64>(dimensions));
  for (Py_ssize_t i = 0; i < dimensions; ++i)
    to = emd::put_varint(to, static_cast<u64>(PyLong_AsLongLong(PyTuple_GET_ITEM(shape.get(), i))));
  out.advance(static_cast<std::size_t>(to - start));
  const OwnedRef bytes(PyObject_CallMethod(array, "tobytes", "s", order == 1 ? "F" : "C"));
  return bytes &&
         append(out, PyBytes_AS_STRING(bytes.get()), static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.get())));
}

// Scalars of text lose their trailing zeros on the way back, so they are not written so.
bool put_scalar(PyObject* scalar, PyObject* dtype, Buffer& out) {
  if (!put_tag(out, kNumpyScalar) || !put_dtype(dtype, out)) return false;
  const OwnedRef bytes(PyObject_CallMethod(scalar, "tobytes", nullptr));
  return bytes &&
         append(out, PyBytes_AS_STRING(bytes.get()), static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.get())));
}

// NumPy's plain numbers: their scalars are common as values, and are written and read without asking NumPy what they
// are.
struct NumberType {
  std::string_view text;  // of the dtype; a zero byte follows
  std::size_t size;
  OwnedRef dtype, type;
};
using NumberTypes = std::array<NumberType, 14>;

// Made once and kept for ever.
std::atomic<const NumberTypes*> known_numbers = nullptr;

// Null with an error set. Imports NumPy.
const NumberTypes* number_types() {
  static PyObject* make_dtype = nullptr;
  if (const NumberTypes* const known = known_numbers.load(std::memory_order_acquire)) return known;
  auto types = std::make_unique<NumberTypes>(NumberTypes{{{"<f8", 8, {}, {}},
                                                          {"<i8", 8, {}, {}},
                                                          {"|b1", 1, {}, {}},
                                                          {"<f4", 4, {}, {}},
                                                          {"<u8", 8, {}, {}},
                                                          {"<i4", 4, {}, {}},
                                                          {"<u4", 4, {}, {}},
                                                          {"<i2", 2, {}, {}},
                                                          {"<u2", 2, {}, {}},
                                                          {"|i1", 1, {}, {}},
                                                          {"|u1", 1, {}, {}},
                                                          {"<f2", 2, {}, {}},
                                                          {"<c8", 8, {}, {}},
                                                          {"<c16", 16, {}, {}}}});
  if (!imported(make_dtype, "numpy", "dtype")) return nullptr;
  for (NumberType& one : *types) {
    one.dtype = OwnedRef(PyObject_CallFunction(make_dtype, "s", one.text.data()));
    one.type = one.dtype ? attribute(one.dtype.get(), "type") : OwnedRef();
    if (!one.type) return nullptr;
  }
  const NumberTypes* first = nullptr;  // another thread may have been faster
  if (!known_numbers.compare_exchange_strong(first, types.get(), std::memory_order_acq_rel)) return first;
  return types.release();
}

bool put_number(PyObject* scalar, const NumberType& type, Buffer& out) {
  Py_buffer bytes;
  if (PyObject_GetBuffer(scalar, &bytes, PyBUF_SIMPLE) < 0) return false;
  const bool ok = put_tag(out, kNumpyScalar) &&
                  put_bytes<Framing::nested>(out, kAscii, type.text.data(), type.text.size()) &&
                  append(out, bytes.buf, static_cast<std::size_t>(bytes.len));
  PyBuffer_Release(&bytes);
  return ok;
}

Encoded encoded(bool ok) { return ok ? Encoded::yes : Encoded::error; }

// Byte order, kind, size, and a unit in brackets: the texts that NumPy writes for its plain dtypes, and nothing that it
// would interpret further (records, subarrays, old names).
bool is_dtype_text(const char* text, std::size_t size) {
  if (size < 3 || size > kMaxDtypeText || !std::memchr("<>|", text[0], 3)) return false;
  if (!std::memchr("biufcSUmM", text[1], 9)) return false;
  std::size_t i = 2;
  while (i < size && text[i] >= '0' && text[i] <= '9') ++i;
  if (i == size) return true;
  if (text[i] != '[' || text[size - 1] != ']') return false;
  for (++i; i < size - 1; ++i)
    if (!((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'z') || text[i] == 'D' ||
          text[i] == 'M' || text[i] == 'W' || text[i] == 'Y'))
      return false;
  return true;
}

// The dtype whose text is next, and the size of its items.
OwnedRef read_dtype(Reader& reader, u64& item_size) {
  static PyObject* make = nullptr;
  const OwnedRef text(read_object(reader));
  Py_ssize_t size = 0;
  const char* chars =
      text && PyUnicode_Check(text.get()) ? PyUnicode_AsUTF8AndSize(text.get(), &size) : nullptr;
  PyErr_Clear();
  if (!chars || !is_dtype_text(chars, static_cast<std::size_t>(size)))
    return OwnedRef(damaged("damaged array: no dtype has this text"));
  if (!imported(make, "numpy", "dtype")) return OwnedRef();
  OwnedRef dtype(PyObject_CallOneArg(make, text.get()));
  if (!dtype) return OwnedRef(damaged_from_error("damaged array: no dtype has this text"));
  const int plain = is_plain(dtype.get());
  long long bytes = 0;
  if (plain < 0 || !integer(attribute(dtype.get(), "itemsize"), bytes)) return OwnedRef();
  if (!plain) return OwnedRef(damaged("damaged array: not a dtype of plain bytes"));
  item_size = static_cast<u64>(bytes);
  return dtype;
}

// The shape that is next, if its items of `item_size` are exactly what is left behind it.
OwnedRef read_shape(Reader& reader, u64 item_size) {
  u64 dimensions, total = item_size;
  bool empty = false;
  if (!reader.count(dimensions) || dimensions > kMaxDimensions)
    return OwnedRef(damaged("damaged array: its dimensions"));
  OwnedRef shape(PyTuple_New(static_cast<Py_ssize_t>(dimensions)));
  for (u64 i = 0; shape && i < dimensions; ++i) {
    u64 extent;
    if (!reader.count(extent) || __builtin_mul_overflow(total, extent ? extent : 1, &total) || total >> 62)
      return OwnedRef(damaged("damaged array: its shape"));
    empty |= extent == 0;
    PyObject* number = PyLong_FromUnsignedLongLong(extent);
    if (!number) return OwnedRef();
    PyTuple_SET_ITEM(shape.get(), static_cast<Py_ssize_t>(i), number);
  }
  if ((empty ? 0 : total) != reader.left())
    return OwnedRef(damaged("damaged array: its bytes do not fit its shape"));
  return shape;
}

// Copies `bytes` to where the array's items are.
bool fill(PyObject* array, Bytes bytes) {
  if (bytes.empty()) return true;
  const OwnedRef interface = attribute(array, "__array_interface__");
  PyObject* data =
      interface ? PyDict_GetItemString(interface.get(), "data") : nullptr;  // (address, read-only)
  if (!data || !PyTuple_Check(data)) return false;
  void* to = PyLong_AsVoidPtr(PyTuple_GET_ITEM(data, 0));
  if (to) std::memcpy(to, bytes.data(), bytes.size());
  return to != nullptr;
}

// The number type that is next, with its bytes behind it, at which the reader is then. Null if it is none of these.
const NumberType* next_number(Reader& reader, const NumberTypes& numbers) {
  if (reader.left() < 2 || reader.at[0] != kAscii) return nullptr;
  for (const NumberType& number : numbers) {
    const std::size_t head = 2 + number.text.size();
    if (reader.at[1] != number.text.size() || reader.left() < head + number.size ||
        std::memcmp(reader.at + 2, number.text.data(), number.text.size()) != 0)
      continue;
    reader.at += head;
    return &number;
  }
  return nullptr;
}

PyObject* make_scalar(PyObject* dtype, Bytes bytes) {
  static PyObject* from_buffer = nullptr;
  const OwnedRef copy(PyBytes_FromStringAndSize(reinterpret_cast<const char*>(bytes.data()),
                                                static_cast<Py_ssize_t>(bytes.size())));
  if (!copy || !imported(from_buffer, "numpy", "frombuffer")) return nullptr;
  const OwnedRef array(PyObject_CallFunctionObjArgs(from_buffer, copy.get(), dtype, nullptr));
  return array ? PySequence_GetItem(array.get(), 0) : nullptr;
}

}  // namespace

Encoded encode_numpy(PyObject* value, Buffer& out) {
  static PyObject *array_type = nullptr, *scalar_type = nullptr;
  PyObject* array = if_imported(array_type, "numpy", "ndarray");
  PyObject* generic = if_imported(scalar_type, "numpy", "generic");
  if (!array || !generic) return Encoded::foreign;
  PyObject* type = reinterpret_cast<PyObject*>(Py_TYPE(value));
  const bool is_array = type == array;
  if (!is_array && !PyType_IsSubtype(Py_TYPE(value), reinterpret_cast<PyTypeObject*>(generic)))
    return Encoded::foreign;
  if (PyUnicode_Check(value) || PyBytes_Check(value)) return Encoded::foreign;
  const OwnedRef dtype = attribute(value, "dtype");
  const int plain = dtype ? is_plain(dtype.get()) : -1;
  if (plain != 1) return plain == 0 ? Encoded::foreign : Encoded::error;
  if (is_array) return encoded(put_array(value, dtype.get(), out));
  const OwnedRef scalar = attribute(dtype.get(), "type");
  if (!scalar) return Encoded::error;
  return scalar.get() == type ? encoded(put_scalar(value, dtype.get(), out)) : Encoded::foreign;
}

PyObject* decode_ndarray(Bytes bytes) {
  static PyObject* empty = nullptr;
  Reader reader{bytes.data(), bytes.data() + bytes.size()};
  u64 item_size = 0;
  const OwnedRef dtype = read_dtype(reader, item_size);
  if (!dtype) return nullptr;
  const u8* order = reader.take(1);
  if (!order || *order > 1) return damaged("damaged array: its order");
  const OwnedRef shape = read_shape(reader, item_size);
  if (!shape || !imported(empty, "numpy", "empty")) return nullptr;
  OwnedRef array(PyObject_CallFunction(empty, "OOs", shape.get(), dtype.get(), *order ? "F" : "C"));
  if (!array) return damaged_from_error("damaged array: its shape");
  return fill(array.get(), {reader.at, reader.left()}) ? array.release() : nullptr;
}

PyObject* decode_numpy_scalar(Bytes bytes) {
  Reader reader{bytes.data(), bytes.data() + bytes.size()};
  const NumberTypes* const numbers = number_types();
  if (!numbers) return nullptr;
  if (const NumberType* const number = next_number(reader, *numbers); number && reader.left() == number->size)
    return make_scalar(number->dtype.get(), {reader.at, number->size});
  reader.at = bytes.data();
  u64 item_size = 0;
  const OwnedRef dtype = read_dtype(reader, item_size);
  if (!dtype) return nullptr;
  if (reader.left() != item_size) return damaged("damaged NumPy scalar: its bytes do not fit its dtype");
  return make_scalar(dtype.get(), {reader.at, reader.left()});
}

PyObject* read_numpy_number(Reader& reader) {
  const NumberTypes* const numbers = number_types();
  if (!numbers) return nullptr;
  const NumberType* const number = next_number(reader, *numbers);
  if (!number) return damaged("damaged NumPy scalar: it is none of NumPy's plain numbers, or is cut");
  return make_scalar(number->dtype.get(), {reader.take(number->size), number->size});
}

Encoded encode_numpy_number(PyObject* value, Buffer& out) {
  const NumberTypes* const numbers = known_numbers.load(std::memory_order_acquire);
  if (!numbers)
    return std::strncmp(Py_TYPE(value)->tp_name, "numpy.", 6) == 0 ? Encoded::unprepared : Encoded::foreign;
  for (const NumberType& number : *numbers) {
    if (number.type.get() == reinterpret_cast<PyObject*>(Py_TYPE(value)))
      return encoded(put_number(value, number, out));
  }
  return Encoded::foreign;
}

// Without NumPy there are no such objects.
bool prepare_numpy_numbers() {
  static PyObject* generic = nullptr;
  return !if_imported(generic, "numpy", "generic") || number_types() != nullptr;
}

}  // namespace pyr
