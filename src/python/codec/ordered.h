// Keys of sorted containers: bytes that compare, by memcmp, as Python compares the objects. docs/format.md has the layout.
//
// Numbers of all kinds are in one exact order: the integral part in as few bytes as it needs, behind a byte that tells how many;
// then, for what is no integer, the eight bytes of the largest double that is not more than the rest; and where that is not the
// rest itself (1/3, Decimal("0.1")), the rest's continued fraction. Negative numbers are the complement of that, and one more
// byte. Texts and bytes are themselves; in tuples they end with a zero, and a zero in them is followed by 0xff. Tuples are their
// items, and a zero. (FoundationDB's tuple layer is the model of that.)
//
// Equal objects have equal bytes (1, 1.0, True and Decimal(1)); what object it was is told by an annex, as for the keys of dicts
// (codec.h).
//
// Threads: call with the GIL held, or attached where there is none.
#pragma once

#include <Python.h>

#include "python/codec/codec.h"

namespace pyr {

// The first byte of an item. What Python compares with each other is in one class: all numbers are.
enum OrderedTag : u8 {
  kEndOfTuple = 0x00,
  kOrderedNone = 0x02,  // in tuples only, before all else
  kMinusInfinity = 0x15,
  kNegative = 0x1f,  // minus the bytes of the integral part; 0x16: their number follows
  kPositive = 0x20,  // plus the bytes of the integral part; 0x29: their number follows
  kPlusInfinity = 0x2a,
  kOrderedStr = 0x40,
  kOrderedBytes = 0x41,
  kOrderedDate = 0x50,
  kOrderedDateTime = 0x51,  // naive
  kOrderedInstant = 0x52,   // aware
  kOrderedTime = 0x53,      // naive
  kOrderedAwareTime = 0x54,
  kOrderedTimeDelta = 0x55,
  kOrderedUuid = 0x58,
  kOrderedTuple = 0x60,
  // Behind the integral part of a number; more than the tag of any item, so that what has them is more.
  kFraction = 0xf0,
  kContinued = 0xf1,
  kEscaped = 0xff,  // behind a zero of a text or of bytes in a tuple
};
inline constexpr unsigned kMostPlainBytes = 8;  // of an integral part, whose number is in the tag

// Appends the bytes of a key. `natural` is set to false if they do not give the very object back. False with an error set:
// TypeError for what has no place in the order, ValueError for NaN; the buffer's tail is then unspecified.
bool encode_ordered(PyObject* key, Buffer& out, bool& natural);
// Appends the bytes that all keys begin with which begin with this str, these bytes, or the items of this tuple. What is behind
// all of those: the bytes with 0xf0 added for a tuple, else their successor.
bool encode_ordered_prefix(PyObject* prefix, Buffer& out);

// A new reference, or null with DamagedError set.
PyObject* decode_ordered(Bytes bytes);

// Whether Python compares the keys that have these bytes; where not, `<` raises TypeError for them. Never throws: damaged bytes are
// comparable. Cost: of tuples, their length; else a byte.
bool are_comparable(Bytes a, Bytes b);
// What the key is, for messages: "a number", "a tuple".
const char* ordered_class(Bytes key);

// ---- The parts

// One key being encoded. All return false with an error set.
class OrderedEncoder {
 public:
  explicit OrderedEncoder(Buffer& out) : out_(out) {}
  bool put(PyObject* object, bool nested);
  bool put_items(PyObject* tuple);
  bool natural() const { return natural_; }

 private:
  bool put_other(PyObject* object, bool nested);
  bool put_byte(u8 byte);
  bool append(const void* from, std::size_t size);
  bool put_text(PyObject* text, bool nested);
  bool put_chars(u8 tag, const char* from, std::size_t size, bool nested);
  bool put_tuple(PyObject* tuple);
  bool put_uuid(PyObject* uuid);

  // Numbers (ordered_numbers.cpp).
  bool put_small(bool negative, u64 magnitude);
  bool put_int(PyObject* integer);
  bool put_big_int(PyObject* integer);
  bool put_double(double value);
  bool put_ratio(PyObject* numerator, PyObject* denominator);
  bool put_fraction(PyObject* fraction);
  bool put_decimal(PyObject* decimal);
  bool put_numpy(PyObject* scalar);
  bool put_term(PyObject* term, u8 flip);
  bool put_continued(PyObject* numerator, PyObject* denominator, u8 flip);
  bool refuse_nan(PyObject* number);

  Buffer& out_;
  bool natural_ = true;
  unsigned depth_ = 0;
};

// Of datetime's types (key_time.cpp). The size of what follows the tag is kTimeBytes.
enum class Ordered { yes, not_this, error };
Ordered encode_ordered_time(PyObject* object, Buffer& out, bool& natural);
PyObject* decode_ordered_time(u8 tag, const u8* from);
unsigned ordered_time_bytes(u8 tag);

}  // namespace pyr
