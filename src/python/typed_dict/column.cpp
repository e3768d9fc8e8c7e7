// Column: objects to the bytes of one type and back. Keys accept what equals a number of the type; values only what
// is one.
#include "python/typed_dict/column.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "python/codec/support.h"

namespace pyr {
namespace {

Column::TypeClass class_of(int letter) {
  switch (letter) {
    case '?':
      return Column::TypeClass::boolean;
    case 'i':
      return Column::TypeClass::signed_integer;
    case 'u':
      return Column::TypeClass::unsigned_integer;
    case 'f':
      return Column::TypeClass::real;
    case 'S':
      return Column::TypeClass::bytes;
    case 'U':
      return Column::TypeClass::text;
    default:
      return Column::TypeClass::other;
  }
}

constexpr u32 kMaxCodePoint = 0x10ffff;

// A float's bytes: zero without a sign, and of all NaNs the quiet one.
template <class T, class Word>
void put_canonical_real(const u8* from, u8* to) {
  const T value = emd::load<T>(from);
  constexpr Word kNaN =
      sizeof(T) == 8 ? static_cast<Word>(0x7ff8000000000000) : static_cast<Word>(0x7fc00000);
  emd::store(to, value != value ? kNaN : value == 0 ? Word{0} : emd::load<Word>(from));
}

void put_canonical_half(const u8* from, u8* to) {
  const emd::u16 bits = emd::load<emd::u16>(from);
  const emd::u16 magnitude = bits & 0x7fff;
  emd::store(to, magnitude > 0x7c00 ? emd::u16{0x7e00} : magnitude == 0 ? emd::u16{0} : bits);
}

// Null without an error if it has no such attribute.
OwnedRef attribute(PyObject* object, const char* name) {
  OwnedRef found(PyObject_GetAttrString(object, name));
  if (!found && PyErr_ExceptionMatches(PyExc_AttributeError)) PyErr_Clear();
  return found;
}

// Of a complex number, Python's or NumPy's, its real part; of any other object itself. Null where there is an imaginary
// part, or with an error set.
OwnedRef without_imaginary_zero(PyObject* object) {
  if (PyFloat_Check(object) || PyLong_Check(object) || !attribute(object, "__complex__"))
    return PyErr_Occurred() ? OwnedRef() : OwnedRef::borrowed(object);
  const OwnedRef imaginary = attribute(object, "imag");
  const int nonzero = imaginary ? PyObject_IsTrue(imaginary.get()) : PyErr_Occurred() ? -1 : 0;
  return nonzero == 0 ? attribute(object, "real") : OwnedRef();
}

bool is_complex(PyObject* object) {
  if (PyComplex_Check(object)) return true;
  const OwnedRef real = attribute(object, "__complex__") ? attribute(object, "real") : OwnedRef();
  PyErr_Clear();
  return real && Py_TYPE(real.get()) != Py_TYPE(object);  // NumPy's
}

// Larger ones are in no column, and may be too large for memory, as Decimal("1e999999999") is.
constexpr double kMostOfAnInteger = 0x1p65;

// The int that a number of another type equals: a float, a Decimal, a Fraction, NumPy's numbers. Null without an error
// if it equals none.
OwnedRef equal_integer(PyObject* object) {
  const OwnedRef number = without_imaginary_zero(object);
  const PyNumberMethods* const methods = number ? Py_TYPE(number.get())->tp_as_number : nullptr;
  if (!methods || !methods->nb_float) return OwnedRef();  // a str can be parsed, but is no number
  const double near = PyFloat_AsDouble(number.get());
  if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_ValueError) &&
      !PyErr_ExceptionMatches(PyExc_OverflowError) && !PyErr_ExceptionMatches(PyExc_TypeError))
    return OwnedRef();
  const bool none = PyErr_Occurred() || !(std::abs(near) <= kMostOfAnInteger);
  PyErr_Clear();
  OwnedRef integer(none ? nullptr : PyNumber_Long(number.get()));
  const int equal = integer ? PyObject_RichCompareBool(object, integer.get(), Py_EQ) : 0;
  return equal == 1 ? std::move(integer) : OwnedRef();
}

// What NumPy raises for an object that it cannot make one of the type's.
bool is_conversion_error() {
  return PyErr_ExceptionMatches(PyExc_TypeError) || PyErr_ExceptionMatches(PyExc_ValueError) ||
         PyErr_ExceptionMatches(PyExc_OverflowError);
}

bool is_numpy_bool(PyObject* object) { return std::strncmp(Py_TYPE(object)->tp_name, "numpy.bool", 10) == 0; }

}  // namespace

// ---- configuring

bool Column::configure(PyObject* description, bool of_keys) {
  int letter = 0;
  unsigned long bytes = 0;
  const char* name = nullptr;
  PyObject *spans = nullptr, *pack = nullptr, *unpack = nullptr;
  if (!PyArg_ParseTuple(description, "CksOOO", &letter, &bytes, &name, &spans, &pack, &unpack)) return false;
  class_ = class_of(letter);
  bytes_ = static_cast<u32>(bytes);
  of_keys_ = of_keys;
  name_ = name;
  pack_ = pack == Py_None ? nullptr : Py_NewRef(pack);
  unpack_ = unpack == Py_None ? nullptr : Py_NewRef(unpack);
  return !of_keys || add_spans(spans);
}

bool Column::add_spans(PyObject* spans) {
  const OwnedRef all(PySequence_Fast(spans, "spans"));
  if (!all) return false;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(all.get()); ++i) {
    unsigned long offset = 0, bytes = 0;
    int kind = 0;
    if (!PyArg_ParseTuple(PySequence_Fast_GET_ITEM(all.get(), i), "kkC", &offset, &bytes, &kind))
      return false;
    if (offset > bytes_ || bytes > bytes_ - offset) {
      PyErr_SetString(PyExc_ValueError, "expected a field within its structure");
      return false;
    }
    spans_.push_back({static_cast<u32>(offset), static_cast<u32>(bytes), static_cast<char>(kind)});
  }
  return true;
}

// ---- canonical bytes

void Column::canonical(const u8* from, u64 count, u8* to) const {
  const bool gaps = spans_.size() != 1;
  for (u64 i = 0; i < count; ++i, from += bytes_, to += bytes_) {
    if (gaps) std::memset(to, 0, bytes_);
    for (const Span& span : spans_) {
      const u8* const source = from + span.offset;
      u8* const target = to + span.offset;
      if (span.kind == '?') {
        *target = *source != 0;
      } else if (span.kind != 'f') {
        std::memcpy(target, source, span.bytes);
      } else if (span.bytes == 8) {
        put_canonical_real<double, u64>(source, target);
      } else if (span.bytes == 4) {
        put_canonical_real<float, u32>(source, target);
      } else {
        put_canonical_half(source, target);
      }
    }
  }
}

// ---- encoding

Column::Fit Column::refuse_type(PyObject* object, const char* expected) const {
  PyErr_Format(PyExc_TypeError, "expected %s for a %s of type %s, not '%s'", expected,
               of_keys_ ? "key" : "value", name_.c_str(), Py_TYPE(object)->tp_name);
  return Fit::refused;
}

Column::Fit Column::refuse_range(PyObject* object) const {
  PyErr_Format(PyExc_OverflowError, "%R is out of the range of a %s of type %s", object,
               of_keys_ ? "key" : "value", name_.c_str());
  return Fit::refused;
}

Column::Fit Column::encode(PyObject* object, u8* to) const {
  switch (class_) {
    case TypeClass::boolean:
      return encode_boolean(object, to);
    case TypeClass::signed_integer:
    case TypeClass::unsigned_integer:
      return encode_integer(object, to);
    case TypeClass::real:
      return encode_real(object, to);
    case TypeClass::bytes:
      return encode_bytes(object, to);
    case TypeClass::text:
      return encode_text(object, to);
    case TypeClass::other:
      return encode_other(object, to);
    case TypeClass::none:
      break;
  }
  PyErr_SetString(PyExc_ValueError, "the typed dict is not open");
  return Fit::refused;
}

// As a key, 2.0 is 2; as a value it would lose its type.
Column::Fit Column::integer_of(PyObject* object, OwnedRef& integer) const {
  if (PyIndex_Check(object)) {
    integer = OwnedRef(PyNumber_Index(object));
    return integer ? Fit::yes : Fit::failed;
  }
  if (of_keys_ && is_numpy_bool(object)) {
    const int truth = PyObject_IsTrue(object);
    integer = truth < 0 ? OwnedRef() : OwnedRef(PyLong_FromLong(truth));
    return integer ? Fit::yes : Fit::failed;
  }
  if (of_keys_) {
    integer = equal_integer(object);
    if (integer) return Fit::yes;
    if (PyErr_Occurred()) return Fit::failed;
  }
  return refuse_type(object, "an int");
}

Column::Fit Column::encode_integer(PyObject* object, u8* to) const {
  OwnedRef converted;
  if (!PyLong_Check(object)) {
    if (const Fit fit = integer_of(object, converted); fit != Fit::yes) return fit;
    object = converted.get();
  }
  int overflow = 0;
  const long long value = PyLong_AsLongLongAndOverflow(object, &overflow);
  u64 bits = static_cast<u64>(value);
  const unsigned unused = 64 - 8 * bytes_;
  bool fits = false;
  if (class_ == TypeClass::signed_integer) {
    fits = overflow == 0 && static_cast<i64>(bits << unused) >> unused == value;
  } else if (overflow > 0) {
    bits = PyLong_AsUnsignedLongLong(object);
    fits = !PyErr_Occurred() && unused == 0;
    PyErr_Clear();
  } else {
    fits = overflow == 0 && value >= 0 && bits << unused >> unused == bits;
  }
  if (!fits) return refuse_range(object);
  std::memcpy(to, &bits, bytes_);
  return Fit::yes;
}

Column::Fit Column::encode_boolean(PyObject* object, u8* to) const {
  if (PyBool_Check(object)) {
    *to = object == Py_True;
    return Fit::yes;
  }
  if (is_numpy_bool(object)) {
    const int truth = PyObject_IsTrue(object);
    *to = truth == 1;
    return truth < 0 ? Fit::failed : Fit::yes;
  }
  OwnedRef integer;
  if (const Fit fit = integer_of(object, integer); fit != Fit::yes) return fit;
  int overflow = 0;
  const long value = PyLong_AsLongAndOverflow(integer.get(), &overflow);
  *to = value == 1;
  return value == 0 || value == 1 ? Fit::yes : refuse_range(object);
}

Column::Fit Column::encode_real(PyObject* object, u8* to) const {
  OwnedRef real;
  if (!PyFloat_Check(object) && !PyLong_Check(object)) {
    const bool text = PyUnicode_Check(object) || PyBytes_Check(object);
    real = text || (!of_keys_ && is_complex(object)) ? OwnedRef() : without_imaginary_zero(object);
    if (!real && PyErr_Occurred()) return Fit::failed;
    if (!real) return refuse_type(object, "a float");
    object = real.get();
  }
  const double value = PyFloat_AsDouble(object);
  if (value == -1.0 && PyErr_Occurred()) {
    const PyNumberMethods* const number = Py_TYPE(object)->tp_as_number;
    const bool own = number && (number->nb_float || number->nb_index) && !PyLong_CheckExact(object);
    return own ? Fit::failed : Fit::refused;
  }
  if (bytes_ == 8) {
    emd::store(to, value);
    if (of_keys_) put_canonical_real<double, u64>(to, to);
    return Fit::yes;
  }
  const float rounded = static_cast<float>(value);
  if (std::isfinite(value) && !std::isfinite(rounded)) return refuse_range(object);
  emd::store(to, rounded);
  if (of_keys_) put_canonical_real<float, u32>(to, to);
  return Fit::yes;
}

Column::Fit Column::encode_bytes(PyObject* object, u8* to) const {
  if (!PyBytes_Check(object)) return refuse_type(object, "bytes");
  const std::size_t size = static_cast<std::size_t>(PyBytes_GET_SIZE(object));
  const char* const from = PyBytes_AS_STRING(object);
  if (size > bytes_) {
    PyErr_Format(PyExc_ValueError, "%zu bytes do not fit the type %s", size, name_.c_str());
    return Fit::refused;
  }
  if (size != 0 && from[size - 1] == 0) {
    PyErr_Format(PyExc_ValueError, "the type %s cannot tell bytes that end with a zero from shorter ones",
                 name_.c_str());
    return Fit::refused;
  }
  std::memcpy(to, from, size);
  std::memset(to + size, 0, bytes_ - size);
  return Fit::yes;
}

Column::Fit Column::encode_text(PyObject* object, u8* to) const {
  if (!PyUnicode_Check(object)) return refuse_type(object, "a str");
  const Py_ssize_t size = PyUnicode_GET_LENGTH(object);
  if (size > static_cast<Py_ssize_t>(bytes_ / 4)) {
    PyErr_Format(PyExc_ValueError, "%zd characters do not fit the type %s", size, name_.c_str());
    return Fit::refused;
  }
  if (size != 0 && PyUnicode_READ_CHAR(object, size - 1) == 0) {
    PyErr_Format(PyExc_ValueError, "the type %s cannot tell a str that ends with a zero from a shorter one",
                 name_.c_str());
    return Fit::refused;
  }
  std::memset(to, 0, bytes_);
  for (Py_ssize_t i = 0; i < size; ++i) emd::store<u32>(to + 4 * i, PyUnicode_READ_CHAR(object, i));
  return Fit::yes;
}

Column::Fit Column::encode_other(PyObject* object, u8* to) const {
  const OwnedRef packed(PyObject_CallOneArg(pack_, object));
  if (!packed) return is_conversion_error() ? Fit::refused : Fit::failed;
  if (!PyBytes_Check(packed.get()) || PyBytes_GET_SIZE(packed.get()) != static_cast<Py_ssize_t>(bytes_)) {
    return refuse_type(object, "one value");
  }
  const u8* const from = reinterpret_cast<const u8*>(PyBytes_AS_STRING(packed.get()));
  if (always_canonical()) {
    std::memcpy(to, from, bytes_);
  } else {
    canonical(from, 1, to);
  }
  return Fit::yes;
}

// ---- decoding

PyObject* Column::decode(const u8* from) const {
  switch (class_) {
    case TypeClass::boolean:
      return PyBool_FromLong(*from);
    case TypeClass::signed_integer:
    case TypeClass::unsigned_integer:
      return decode_integer(from);
    case TypeClass::real:
      return PyFloat_FromDouble(bytes_ == 8 ? emd::load<double>(from) : double{emd::load<float>(from)});
    case TypeClass::bytes: {
      std::size_t size = bytes_;
      while (size != 0 && from[size - 1] == 0) --size;
      return PyBytes_FromStringAndSize(reinterpret_cast<const char*>(from), static_cast<Py_ssize_t>(size));
    }
    case TypeClass::text:
      return decode_text(from);
    case TypeClass::other: {
      const OwnedRef bytes(PyBytes_FromStringAndSize(reinterpret_cast<const char*>(from), bytes_));
      return bytes ? PyObject_CallOneArg(unpack_, bytes.get()) : nullptr;
    }
    case TypeClass::none:
      break;
  }
  PyErr_SetString(PyExc_ValueError, "the typed dict is not open");
  return nullptr;
}

PyObject* Column::decode_integer(const u8* from) const {
  u64 bits = 0;
  std::memcpy(&bits, from, bytes_);
  if (class_ == TypeClass::unsigned_integer) return PyLong_FromUnsignedLongLong(bits);
  const unsigned unused = 64 - 8 * bytes_;
  return PyLong_FromLongLong(static_cast<i64>(bits << unused) >> unused);
}

PyObject* Column::decode_text(const u8* from) const {
  const std::size_t all = bytes_ / 4;
  std::vector<u32> points(all);
  std::memcpy(points.data(), from, bytes_);
  while (!points.empty() && points.back() == 0) points.pop_back();
  if (std::any_of(points.begin(), points.end(), [](u32 point) { return point > kMaxCodePoint; })) {
    return damaged("expected characters up to U+10FFFF in a value of type %s", name_.c_str());
  }
  return PyUnicode_FromKindAndData(PyUnicode_4BYTE_KIND, points.data(),
                                   static_cast<Py_ssize_t>(points.size()));
}

}  // namespace pyr
