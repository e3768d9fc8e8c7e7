// Numbers as keys: an int if integral, else a double if exactly one, else a ratio. So what is equal by value is equal
// by bytes, whatever its type. See key_codec.h and docs/keys.md.
#include <cmath>

#include "python/codec/key_codec.h"

namespace pyr {

namespace {

// The result of a method without arguments.
OwnedRef call(PyObject* object, const char* method) {
  return OwnedRef(PyObject_CallMethod(object, method, nullptr));
}

// Its truth, or -1 with an error set.
int truth(const OwnedRef& object) { return object ? PyObject_IsTrue(object.get()) : -1; }

bool is_negative_zero(double value) { return value == 0 && std::signbit(value); }

// A Decimal of this many digits before or behind its point is turned into a ratio without hesitation; 1e999999999 would
// fill the memory, though it is short.
constexpr long kMaxDecimalExponent = 20000;

}  // namespace

bool KeyEncoder::put_real(double value) {
  if (!std::isfinite(value) || value != std::floor(value)) return put_double(out_, value);
  natural_ = false;
  if (value >= -0x1p63 && value < 0x1p63) return put_int64(out_, static_cast<i64>(value));
  const OwnedRef whole(PyLong_FromDouble(value));
  return whole && put_int(out_, whole.get());
}

bool KeyEncoder::put_complex_number(Py_complex value) {
  if (value.imag == 0) {
    natural_ = false;
    return put_real(value.real);
  }
  if (is_negative_zero(value.real)) {
    natural_ = false;
    value.real = 0;
  }
  return put_complex(out_, value);
}

bool KeyEncoder::put_ratio(PyObject* ratio) {
  if (!PyTuple_CheckExact(ratio) || PyTuple_GET_SIZE(ratio) != 2 ||
      !PyLong_Check(PyTuple_GET_ITEM(ratio, 0)) || !PyLong_Check(PyTuple_GET_ITEM(ratio, 1))) {
    PyErr_SetString(PyExc_TypeError,
                    "a number's ratio must be two ints; give key= (a function to an equivalent key)");
    return false;
  }
  PyObject* numerator = PyTuple_GET_ITEM(ratio, 0);
  PyObject* denominator = PyTuple_GET_ITEM(ratio, 1);
  const OwnedRef one(PyLong_FromLong(1));
  const int integral = one ? PyObject_RichCompareBool(denominator, one.get(), Py_EQ) : -1;
  if (integral < 0) return false;
  if (integral) return put_int(out_, numerator);
  const OwnedRef quotient(PyNumber_TrueDivide(numerator, denominator));
  if (quotient && !PyFloat_Check(quotient.get())) {  // of a class that overrides it
    PyErr_Format(PyExc_TypeError, "%R: the quotient of two ints must be a float, not %R", Py_TYPE(numerator),
                 Py_TYPE(quotient.get()));
    return false;
  }
  if (quotient) {
    const OwnedRef exact = call(quotient.get(), "as_integer_ratio");
    const int same = exact ? PyObject_RichCompareBool(exact.get(), ratio, Py_EQ) : -1;
    if (same < 0) return false;
    if (same) return put_double(out_, PyFloat_AS_DOUBLE(quotient.get()));
  } else if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
    PyErr_Clear();
  } else {
    return false;
  }
  return put_tag(out_, kRational) && put_int(out_, numerator) && put_int(out_, denominator);
}

bool KeyEncoder::put_fraction(PyObject* fraction) {
  const OwnedRef numerator(PyObject_GetAttrString(fraction, "numerator"));
  const OwnedRef denominator(numerator ? PyObject_GetAttrString(fraction, "denominator") : nullptr);
  const OwnedRef ratio(denominator ? PyTuple_Pack(2, numerator.get(), denominator.get()) : nullptr);
  return ratio && put_ratio(ratio.get());
}

bool KeyEncoder::put_decimal(PyObject* decimal) {
  const int finite = truth(call(decimal, "is_finite"));
  if (finite < 0) return false;
  if (!finite) {
    const int nan = truth(call(decimal, "is_nan"));
    if (nan != 0) return nan > 0 && check_hashable(decimal) && put_reduced(decimal);
    const int negative = truth(call(decimal, "is_signed"));
    return negative >= 0 && put_double(out_, negative ? -HUGE_VAL : HUGE_VAL);
  }
  const int zero = truth(call(decimal, "is_zero"));
  if (zero != 0) return zero > 0 && put_int64(out_, 0);
  const OwnedRef adjusted = call(decimal, "adjusted");
  const long exponent = adjusted ? PyLong_AsLong(adjusted.get()) : -1;
  if (exponent == -1 && PyErr_Occurred()) return false;
  if (std::labs(exponent) > kMaxDecimalExponent) {
    PyErr_Format(
        PyExc_OverflowError,
        "a Decimal with an exponent beyond %ld cannot be a key; give key= (a function to an equivalent key)",
        kMaxDecimalExponent);
    return false;
  }
  const OwnedRef ratio = call(decimal, "as_integer_ratio");
  return ratio && put_ratio(ratio.get());
}

bool KeyEncoder::put_numpy(PyObject* scalar, Framing framing) {
  const OwnedRef item = call(scalar, "item");
  if (!item) return false;
  if (Py_TYPE(item.get()) != Py_TYPE(scalar)) {
    const bool ok = put(item.get(), framing);
    natural_ = false;
    return ok;
  }
  // A long double has no Python type of its own.
  const OwnedRef ratio = call(scalar, "as_integer_ratio");
  if (ratio) return put_ratio(ratio.get());
  if (PyErr_ExceptionMatches(PyExc_AttributeError)) {  // complex of long doubles
    PyErr_Clear();
    return check_hashable(scalar) && put_reduced(scalar);
  }
  if (!PyErr_ExceptionMatches(PyExc_OverflowError) && !PyErr_ExceptionMatches(PyExc_ValueError)) return false;
  PyErr_Clear();  // an infinity or NaN
  const double value = PyFloat_AsDouble(scalar);
  return !(value == -1 && PyErr_Occurred()) && put_double(out_, value);
}

}  // namespace pyr
