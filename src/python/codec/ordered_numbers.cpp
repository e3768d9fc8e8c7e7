// Numbers of all kinds in one exact order. See ordered.h.
#include <cmath>

#include "python/codec/atoms.h"
#include "python/codec/ordered.h"
#include "python/codec/support.h"

namespace pyr {

namespace {

// As in key_numbers.cpp: 1e999999999 is short, but its digits would fill the memory.
constexpr long kMaxDecimalExponent = 20000;
// Sizes of terms of a continued fraction that are told in one byte.
constexpr std::size_t kShortTerm = 0xf0;
constexpr u8 kEndOfTerms = 0xff;

OwnedRef call(PyObject* object, const char* method) {
  return OwnedRef(PyObject_CallMethod(object, method, nullptr));
}

int truth(const OwnedRef& object) { return object ? PyObject_IsTrue(object.get()) : -1; }

std::size_t bytes_of(u64 magnitude) {
  return (64 - static_cast<std::size_t>(std::countl_zero(magnitude)) + 7) / 8;
}

// The bytes of a positive int, the highest first.
OwnedRef big_endian(PyObject* integer) {
  const OwnedRef bits(call(integer, "bit_length"));
  const Py_ssize_t count = bits ? PyLong_AsSsize_t(bits.get()) : -1;
  if (count < 0) return OwnedRef();
  return OwnedRef(PyObject_CallMethod(integer, "to_bytes", "ns", count / 8 + (count % 8 != 0), "big"));
}

// Quotient and remainder.
bool divide(PyObject* a, PyObject* b, OwnedRef& quotient, OwnedRef& remainder) {
  const OwnedRef both(PyNumber_Divmod(a, b));
  if (!both) return false;
  if (!PyTuple_CheckExact(both.get()) || PyTuple_GET_SIZE(both.get()) != 2 ||
      !PyLong_Check(PyTuple_GET_ITEM(both.get(), 0)) || !PyLong_Check(PyTuple_GET_ITEM(both.get(), 1))) {
    PyErr_SetString(PyExc_TypeError,
                    "a number's ratio must be two ints; give key= (a function to an equivalent key)");
    return false;
  }
  quotient = OwnedRef::borrowed(PyTuple_GET_ITEM(both.get(), 0));
  remainder = OwnedRef::borrowed(PyTuple_GET_ITEM(both.get(), 1));
  return true;
}

// -1, 0 or 1 as a * d is less than, equal to or more than c * b; -2 with an error set.
int compare_ratios(PyObject* a, PyObject* b, PyObject* c, PyObject* d) {
  const OwnedRef left(PyNumber_Multiply(a, d)), right(left ? PyNumber_Multiply(c, b) : nullptr);
  const int less = right ? PyObject_RichCompareBool(left.get(), right.get(), Py_LT) : -1;
  if (less != 0) return less > 0 ? -1 : -2;
  const int equal = PyObject_RichCompareBool(left.get(), right.get(), Py_EQ);
  return equal < 0 ? -2 : equal ? 0 : 1;
}

}  // namespace

bool OrderedEncoder::refuse_nan(PyObject* number) {
  PyErr_Format(PyExc_ValueError,
               "%R cannot be a key of a sorted container: it is neither less nor more than any number, so it "
               "has no place "
               "in their order",
               number);
  return false;
}

// The integral part. Of a negative number all bytes behind the first are complements; an end behind them is the caller's.
bool OrderedEncoder::put_small(bool negative, u64 magnitude) {
  const std::size_t size = bytes_of(magnitude);
  u8* const to = out_.room(1 + sizeof magnitude);
  if (!to) return false;
  *to = static_cast<u8>(negative ? kNegative - size : kPositive + size);
  const u64 shifted = size == 0 ? 0 : magnitude << (64 - 8 * size);
  emd::store<u64>(to + 1, __builtin_bswap64(negative ? ~shifted : shifted));
  out_.advance(1 + size);
  return true;
}

bool OrderedEncoder::put_int(PyObject* integer) {
  int overflow = 0;
  const i64 value = PyLong_AsLongLongAndOverflow(integer, &overflow);
  if (__builtin_expect(overflow != 0, 0)) return put_big_int(integer);
  if (value == -1 && PyErr_Occurred()) return false;
  if (value >= 0) return put_small(false, static_cast<u64>(value));
  return put_small(true, ~static_cast<u64>(value) + 1) && put_byte(0xff);
}

// Of more than 63 bits.
bool OrderedEncoder::put_big_int(PyObject* integer) {
  const OwnedRef zero(PyLong_FromLong(0));
  const int negative = zero ? PyObject_RichCompareBool(integer, zero.get(), Py_LT) : -1;
  if (negative < 0) return false;
  const OwnedRef magnitude(PyNumber_Absolute(integer));
  const OwnedRef bytes(magnitude ? big_endian(magnitude.get()) : OwnedRef());
  if (!bytes) return false;
  const auto size = static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.get()));
  if (size > 0xffffffff) {
    PyErr_SetString(PyExc_OverflowError, "expected an int of at most 4 GiB as a key");
    return false;
  }
  const bool plain = size <= kMostPlainBytes;
  u8* to = out_.room(6 + size);
  if (!to) return false;
  u8* const begin = to;
  *to++ = static_cast<u8>(negative ? kNegative - (plain ? size : 9) : kPositive + (plain ? size : 9));
  const u8 flip = negative ? 0xff : 0;
  if (!plain) {
    for (unsigned shift = 32; shift != 0;) *to++ = static_cast<u8>(size >> (shift -= 8)) ^ flip;
  }
  const char* const from = PyBytes_AS_STRING(bytes.get());
  for (std::size_t i = 0; i < size; ++i) *to++ = static_cast<u8>(from[i]) ^ flip;
  if (negative) *to++ = 0xff;
  out_.advance(static_cast<std::size_t>(to - begin));
  return true;
}

bool OrderedEncoder::put_double(double value) {
  if (std::isnan(value)) {
    const OwnedRef number(PyFloat_FromDouble(value));
    return number && refuse_nan(number.get());
  }
  if (std::isinf(value)) return put_byte(value < 0 ? kMinusInfinity : kPlusInfinity);
  const bool negative = value < 0;
  const double magnitude = std::fabs(value), whole = std::floor(magnitude);
  if (magnitude == whole) {
    natural_ = false;
    if (whole < 0x1p63) return put_small(negative, static_cast<u64>(whole)) && (!negative || put_byte(0xff));
    const OwnedRef integer(PyLong_FromDouble(value));
    return integer && put_big_int(integer.get());
  }
  if (!put_small(negative, static_cast<u64>(whole))) return false;
  u8* const to = out_.room(10);
  if (!to) return false;
  const u8 flip = negative ? 0xff : 0;
  to[0] = kFraction ^ flip;
  const u64 bits = std::bit_cast<u64>(magnitude - whole);
  emd::store<u64>(to + 1, __builtin_bswap64(negative ? ~bits : bits));
  to[9] = 0xff;
  out_.advance(negative ? 10 : 9);
  return true;
}

// A term of a continued fraction: its size, then its bytes.
bool OrderedEncoder::put_term(PyObject* term, u8 flip) {
  const OwnedRef bytes(big_endian(term));
  if (!bytes) return false;
  const auto size = static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.get()));
  if (size < kShortTerm) {
    if (!put_byte(static_cast<u8>(size) ^ flip)) return false;
  } else {
    if (!put_byte(static_cast<u8>(kShortTerm) ^ flip)) return false;
    for (unsigned shift = 32; shift != 0;)
      if (!put_byte(static_cast<u8>(size >> (shift -= 8)) ^ flip)) return false;
  }
  const char* const from = PyBytes_AS_STRING(bytes.get());
  u8* const to = out_.room(size);
  if (!to) return false;
  for (std::size_t i = 0; i < size; ++i) to[i] = static_cast<u8>(from[i]) ^ flip;
  out_.advance(size);
  return true;
}

// The terms of numerator / denominator, which is less than 1. A larger first term makes it less, a larger second one more, and so
// on; the end counts as an infinite term.
bool OrderedEncoder::put_continued(PyObject* numerator, PyObject* denominator, u8 flip) {
  OwnedRef a = OwnedRef::borrowed(denominator), b = OwnedRef::borrowed(numerator);
  u8 turn = 0xff;
  while (true) {
    const int more = PyObject_IsTrue(b.get());
    if (more < 0) return false;
    if (!more) return put_byte(kEndOfTerms ^ turn ^ flip);
    OwnedRef quotient, remainder;
    if (!divide(a.get(), b.get(), quotient, remainder) || !put_term(quotient.get(), turn ^ flip))
      return false;
    a = std::move(b);
    b = std::move(remainder);
    turn ^= 0xff;
    if (PyErr_CheckSignals() < 0) return false;
  }
}

// In lowest terms, the denominator positive.
bool OrderedEncoder::put_ratio(PyObject* numerator, PyObject* denominator) {
  if (!PyLong_Check(numerator) || !PyLong_Check(denominator)) {
    PyErr_SetString(PyExc_TypeError,
                    "a number's ratio must be two ints; give key= (a function to an equivalent key)");
    return false;
  }
  const OwnedRef zero(PyLong_FromLong(0));
  const int below = zero ? PyObject_RichCompareBool(numerator, zero.get(), Py_LT) : -1;
  const OwnedRef magnitude(below < 0 ? nullptr : PyNumber_Absolute(numerator));
  OwnedRef whole, rest;
  if (!magnitude || !divide(magnitude.get(), denominator, whole, rest)) return false;
  const int more = PyObject_IsTrue(rest.get());
  if (more < 0) return false;
  if (!more) return put_int(numerator);
  const u8 flip = below ? 0xff : 0;
  const OwnedRef signed_whole(below ? PyNumber_Negative(whole.get()) : Py_NewRef(whole.get()));
  const int has_whole = PyObject_IsTrue(whole.get());
  if (!signed_whole || has_whole < 0) return false;
  if (!(has_whole ? put_int(signed_whole.get()) : put_small(below, 0))) return false;
  if (below && has_whole) out_.truncate(out_.size() - 1);  // the end comes behind the rest
  // The largest double that is not more than the rest, which is less than 1.
  const OwnedRef quotient(PyNumber_TrueDivide(rest.get(), denominator));
  double nearest = quotient ? PyFloat_AsDouble(quotient.get()) : -1;
  if (nearest == -1 && PyErr_Occurred()) return false;
  const OwnedRef exact(PyFloat_FromDouble(nearest));
  const OwnedRef ratio(exact ? call(exact.get(), "as_integer_ratio") : OwnedRef());
  if (!ratio) return false;
  const int order = compare_ratios(PyTuple_GET_ITEM(ratio.get(), 0), PyTuple_GET_ITEM(ratio.get(), 1),
                                   rest.get(), denominator);
  if (order == -2) return false;
  if (order > 0) nearest = std::nextafter(nearest, 0.0);
  u8 bytes[9] = {static_cast<u8>(kFraction ^ flip)};
  const u64 bits = std::bit_cast<u64>(nearest);
  emd::store<u64>(bytes + 1, __builtin_bswap64(below ? ~bits : bits));
  if (!append(bytes, sizeof bytes)) return false;
  if (order != 0 && (!put_byte(kContinued ^ flip) || !put_continued(rest.get(), denominator, flip)))
    return false;
  return !below || put_byte(0xff);
}

bool OrderedEncoder::put_fraction(PyObject* fraction) {
  const OwnedRef numerator(PyObject_GetAttrString(fraction, "numerator"));
  const OwnedRef denominator(numerator ? PyObject_GetAttrString(fraction, "denominator") : nullptr);
  return denominator && put_ratio(numerator.get(), denominator.get());
}

bool OrderedEncoder::put_decimal(PyObject* decimal) {
  const int finite = truth(call(decimal, "is_finite"));
  if (finite < 0) return false;
  if (!finite) {
    const int nan = truth(call(decimal, "is_nan"));
    if (nan != 0) return nan > 0 && refuse_nan(decimal);
    const int negative = truth(call(decimal, "is_signed"));
    return negative >= 0 && put_byte(negative ? kMinusInfinity : kPlusInfinity);
  }
  const int zero = truth(call(decimal, "is_zero"));
  if (zero != 0) return zero > 0 && put_small(false, 0);
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
  if (!ratio || !PyTuple_Check(ratio.get()) || PyTuple_GET_SIZE(ratio.get()) != 2) return false;
  return put_ratio(PyTuple_GET_ITEM(ratio.get(), 0), PyTuple_GET_ITEM(ratio.get(), 1));
}

bool OrderedEncoder::put_numpy(PyObject* scalar) {
  const OwnedRef item = call(scalar, "item");
  if (!item) return false;
  PyObject* const plain = item.get();
  if (Py_TYPE(plain) != Py_TYPE(scalar) && (PyLong_Check(plain) || PyFloat_Check(plain))) {
    natural_ = false;
    return PyLong_Check(plain) ? put_int(plain) : put_double(PyFloat_AS_DOUBLE(plain));
  }
  PyErr_Format(PyExc_TypeError,
               "%R has no place in the order of a sorted container; give key= (a function to a number, a "
               "time or a text)",
               Py_TYPE(scalar));
  return false;
}

}  // namespace pyr
