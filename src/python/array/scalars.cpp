// The plain numbers: their names in NumPy, struct and Arrow, and the conversion of Python's numbers by one template a
// kind.
#include "python/array/scalars.h"

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string_view>

#include "base/bytes.h"

namespace pyr {
namespace {

struct Names {
  const char* dtype;
  const char* format;
  const char* arrow;
};
// The integer of 8 bytes that NumPy calls int64: of two that are alike, it takes long.
constexpr const char* kLong = sizeof(long) == 8 ? "l" : "q";
constexpr const char* kUnsignedLong = sizeof(long) == 8 ? "L" : "Q";
// In the order of Scalar.
constexpr std::array<Names, 12> kNames = {{{"", nullptr, nullptr},
                                           {"|b1", "?", nullptr},
                                           {"|i1", "b", "c"},
                                           {"|u1", "B", "C"},
                                           {"<i2", "h", "s"},
                                           {"<u2", "H", "S"},
                                           {"<i4", "i", "i"},
                                           {"<u4", "I", "I"},
                                           {"<i8", kLong, "l"},
                                           {"<u8", kUnsignedLong, "L"},
                                           {"<f4", "f", "f"},
                                           {"<f8", "d", "g"}}};
constexpr std::array<emd::u64, 12> kBytes = {0, 1, 1, 1, 2, 2, 4, 4, 8, 8, 4, 8};

const Names& names(Scalar scalar) { return kNames[static_cast<std::size_t>(scalar)]; }

template <class T>
bool pack_integer(PyObject* value, const char* dtype, emd::u8* to) {
  PyObject* const number = PyNumber_Index(value);
  if (!number) {
    if (PyErr_ExceptionMatches(PyExc_TypeError)) {
      PyErr_Format(PyExc_TypeError, "an item of dtype '%s' is an integer, not %.200s", dtype,
                   Py_TYPE(value)->tp_name);
    }
    return false;
  }
  bool fits = false;
  T result{};
  if constexpr (std::is_signed_v<T>) {
    int overflow = 0;
    const long long wide = PyLong_AsLongLongAndOverflow(number, &overflow);
    fits = overflow == 0 && wide >= std::numeric_limits<T>::min() && wide <= std::numeric_limits<T>::max();
    result = static_cast<T>(wide);
  } else {
    const unsigned long long wide = PyLong_AsUnsignedLongLong(number);
    fits = !PyErr_Occurred() && wide <= std::numeric_limits<T>::max();
    PyErr_Clear();  // OverflowError, which is told below
    result = static_cast<T>(wide);
  }
  if (fits) {
    emd::store(to, result);
  } else {
    PyErr_Format(PyExc_OverflowError, "%R is out of bounds for dtype '%s'", number, dtype);
  }
  Py_DECREF(number);
  return fits;
}

template <class T>
bool pack_real(PyObject* value, emd::u8* to) {
  const double number = PyFloat_AsDouble(value);
  if (number == -1.0 && PyErr_Occurred()) return false;
  const T result = static_cast<T>(number);
  if constexpr (sizeof(T) < sizeof number) {
    if (std::isinf(result) && !std::isinf(number)) {
      PyErr_Format(PyExc_OverflowError, "%R is out of bounds for dtype '<f4'", value);
      return false;
    }
  }
  emd::store(to, result);
  return true;
}

bool pack_truth(PyObject* value, emd::u8* to) {
  const int truth = PyObject_IsTrue(value);
  if (truth < 0) return false;
  *to = static_cast<emd::u8>(truth);
  return true;
}

}  // namespace

Scalar element_of(const emd::Array::Type& type) {
  for (std::size_t i = 1; i < kNames.size(); ++i) {
    if (type.dtype == kNames[i].dtype && type.element_bytes == kBytes[i]) return static_cast<Scalar>(i);
  }
  return Scalar::none;
}

Scalar scalar_of(const emd::Array::Type& type) {
  return type.shape.empty() ? element_of(type) : Scalar::none;
}

const char* struct_format(Scalar scalar) { return names(scalar).format; }
const char* arrow_format(Scalar scalar) { return names(scalar).arrow; }

PyObject* unpack(Scalar scalar, const emd::u8* from) {
  using emd::load;
  switch (scalar) {
    case Scalar::none:
      break;
    case Scalar::b1:
      return PyBool_FromLong(*from);
    case Scalar::i1:
      return PyLong_FromLong(load<std::int8_t>(from));
    case Scalar::u1:
      return PyLong_FromLong(*from);
    case Scalar::i2:
      return PyLong_FromLong(load<std::int16_t>(from));
    case Scalar::u2:
      return PyLong_FromLong(load<std::uint16_t>(from));
    case Scalar::i4:
      return PyLong_FromLong(load<std::int32_t>(from));
    case Scalar::u4:
      return PyLong_FromUnsignedLong(load<std::uint32_t>(from));
    case Scalar::i8:
      return PyLong_FromLongLong(load<std::int64_t>(from));
    case Scalar::u8:
      return PyLong_FromUnsignedLongLong(load<std::uint64_t>(from));
    case Scalar::f4:
      return PyFloat_FromDouble(static_cast<double>(load<float>(from)));
    case Scalar::f8:
      return PyFloat_FromDouble(load<double>(from));
  }
  PyErr_SetString(PyExc_SystemError, "not a plain number");
  return nullptr;
}

bool pack(Scalar scalar, PyObject* value, emd::u8* to) {
  const char* const dtype = names(scalar).dtype;
  switch (scalar) {
    case Scalar::none:
      break;
    case Scalar::b1:
      return pack_truth(value, to);
    case Scalar::i1:
      return pack_integer<std::int8_t>(value, dtype, to);
    case Scalar::u1:
      return pack_integer<std::uint8_t>(value, dtype, to);
    case Scalar::i2:
      return pack_integer<std::int16_t>(value, dtype, to);
    case Scalar::u2:
      return pack_integer<std::uint16_t>(value, dtype, to);
    case Scalar::i4:
      return pack_integer<std::int32_t>(value, dtype, to);
    case Scalar::u4:
      return pack_integer<std::uint32_t>(value, dtype, to);
    case Scalar::i8:
      return pack_integer<std::int64_t>(value, dtype, to);
    case Scalar::u8:
      return pack_integer<std::uint64_t>(value, dtype, to);
    case Scalar::f4:
      return pack_real<float>(value, to);
    case Scalar::f8:
      return pack_real<double>(value, to);
  }
  PyErr_SetString(PyExc_SystemError, "not a plain number");
  return false;
}

}  // namespace pyr
