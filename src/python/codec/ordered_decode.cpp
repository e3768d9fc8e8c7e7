// Objects of their ordered bytes, and which of those compare. See ordered.h.
#include <algorithm>
#include <cmath>
#include <vector>

#include "python/codec/atoms.h"
#include "python/codec/ordered.h"
#include "python/codec/support.h"
#include "python/codec/tags.h"

namespace pyr {

namespace {

// All take what they read off the front of the bytes; null with DamagedError set.
class OrderedReader {
 public:
  explicit OrderedReader(Bytes bytes) : bytes_(bytes) {}
  bool done() const { return bytes_.empty(); }
  PyObject* item(bool nested);

 private:
  PyObject* cut() { return damaged("damaged key: its bytes end early"); }
  bool take(std::size_t size, const u8*& from) {
    if (size > bytes_.size()) return false;
    from = bytes_.data();
    bytes_ = bytes_.subspan(size);
    return true;
  }
  PyObject* number(u8 tag);
  PyObject* chars(u8 tag, bool nested);
  PyObject* tuple();
  PyObject* uuid();

  Bytes bytes_;
  unsigned depth_ = 0;
};

bool is_number(u8 tag) { return tag >= kMinusInfinity && tag <= kPlusInfinity; }

PyObject* OrderedReader::item(bool nested) {
  const u8* first;
  if (!take(1, first)) return cut();
  const u8 tag = *first;
  if (is_number(tag)) return number(tag);
  switch (tag) {
    case kOrderedNone:
      if (nested) Py_RETURN_NONE;
      break;
    case kOrderedStr:
    case kOrderedBytes:
      return chars(tag, nested);
    case kOrderedUuid:
      return uuid();
    case kOrderedTuple:
      return tuple();
    default:
      if (const unsigned size = ordered_time_bytes(tag)) {
        const u8* from;
        return take(size, from) ? decode_ordered_time(tag, from) : cut();
      }
  }
  return damaged("damaged key: 0x%x is not the tag of a sorted container's key", tag);
}

PyObject* OrderedReader::number(u8 tag) {
  if (tag == kMinusInfinity || tag == kPlusInfinity)
    return PyFloat_FromDouble(tag == kPlusInfinity ? HUGE_VAL : -HUGE_VAL);
  const bool negative = tag <= kNegative;
  const u8 flip = negative ? 0xff : 0;
  std::size_t size = negative ? std::size_t{kNegative} - tag : std::size_t{tag} - kPositive;
  const u8* from;
  if (size > kMostPlainBytes) {
    if (!take(4, from)) return cut();
    size = 0;
    for (unsigned i = 0; i < 4; ++i) size = size << 8 | static_cast<u8>(from[i] ^ flip);
  }
  if (!take(size, from)) return cut();
  const u8* const whole = from;
  double fraction = 0;
  bool is_float = false;
  if (!bytes_.empty() && bytes_[0] == (kFraction ^ flip)) {
    if (!take(9, from)) return cut();
    const u64 bits = __builtin_bswap64(emd::load<u64>(from + 1)) ^ (negative ? ~u64{0} : 0);
    fraction = std::bit_cast<double>(bits);
    is_float = true;
    if (!bytes_.empty() && bytes_[0] == (kContinued ^ flip))
      return damaged("damaged key: a number that is no float needs an annex");
  }
  if (negative && (!take(1, from) || *from != 0xff))
    return damaged("damaged key: expected the end of a negative number");
  if (size <= kMostPlainBytes) {
    u64 magnitude = 0;
    for (std::size_t i = 0; i < size; ++i) magnitude = magnitude << 8 | static_cast<u8>(whole[i] ^ flip);
    if (is_float) {
      const double value = static_cast<double>(magnitude) + fraction;
      return PyFloat_FromDouble(negative ? -value : value);
    }
    if (!negative) return PyLong_FromUnsignedLongLong(magnitude);
    if (magnitude <= u64{1} << 63) return PyLong_FromLongLong(static_cast<i64>(~magnitude + 1));
    const OwnedRef positive(PyLong_FromUnsignedLongLong(magnitude));
    return positive ? PyNumber_Negative(positive.get()) : nullptr;
  }
  if (is_float) return damaged("damaged key: a float with more digits than a float has");
  const OwnedRef bytes(PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(size)));
  if (!bytes) return nullptr;
  char* const to = PyBytes_AS_STRING(bytes.get());
  for (std::size_t i = 0; i < size; ++i) to[i] = static_cast<char>(whole[i] ^ flip);
  const OwnedRef magnitude(
      PyObject_CallMethod(reinterpret_cast<PyObject*>(&PyLong_Type), "from_bytes", "Os", bytes.get(), "big"));
  return !magnitude || !negative ? Py_XNewRef(magnitude.get()) : PyNumber_Negative(magnitude.get());
}

PyObject* OrderedReader::chars(u8 tag, bool nested) {
  Bytes text = bytes_;
  std::vector<u8> plain;
  if (!nested) {
    bytes_ = {};
  } else {
    std::size_t i = 0;
    for (;; ++i) {
      if (i == bytes_.size()) return cut();
      if (bytes_[i] == 0) {
        if (i + 1 == bytes_.size() || bytes_[i + 1] != kEscaped) break;
        ++i;
        plain.push_back(0);
      } else {
        plain.push_back(bytes_[i]);
      }
    }
    bytes_ = bytes_.subspan(i + 1);
    text = plain;
  }
  const char* const from = reinterpret_cast<const char*>(text.data());
  const auto size = static_cast<Py_ssize_t>(text.size());
  if (tag == kOrderedBytes) return PyBytes_FromStringAndSize(from, size);
  PyObject* const result =
      size == 0 ? PyUnicode_New(0, 0) : PyUnicode_DecodeUTF8(from, size, "surrogatepass");
  return result ? result : damaged_from_error("damaged key: expected UTF-8");
}

PyObject* OrderedReader::tuple() {
  if (++depth_ > kMaxDepth) return damaged("damaged key: tuples nested more than %u deep", kMaxDepth);
  const OwnedRef items(PyList_New(0));
  if (!items) return nullptr;
  while (true) {
    if (bytes_.empty()) return cut();
    if (bytes_[0] == kEndOfTuple) break;
    const OwnedRef next(item(true));
    if (!next || PyList_Append(items.get(), next.get()) < 0) return nullptr;
  }
  bytes_ = bytes_.subspan(1);
  --depth_;
  return PyList_AsTuple(items.get());
}

PyObject* OrderedReader::uuid() {
  static PyObject* type = nullptr;
  const u8* from;
  if (!take(16, from)) return cut();
  if (!imported(type, "uuid", "UUID")) return nullptr;
  const OwnedRef none(PyTuple_New(0));
  const OwnedRef bytes(PyBytes_FromStringAndSize(reinterpret_cast<const char*>(from), 16));
  const OwnedRef keywords(bytes ? Py_BuildValue("{s:O}", "bytes", bytes.get()) : nullptr);
  return none && keywords ? PyObject_Call(type, none.get(), keywords.get()) : nullptr;
}

// Where the item that begins at `at` ends; the size for what is cut off.
std::size_t end_of_item(Bytes key, std::size_t at) {
  const u8 tag = key[at++];
  if (tag == kMinusInfinity || tag == kPlusInfinity || tag == kOrderedNone) return at;
  if (is_number(tag)) {
    const bool negative = tag <= kNegative;
    const u8 flip = negative ? 0xff : 0;
    std::size_t size = negative ? std::size_t{kNegative} - tag : std::size_t{tag} - kPositive;
    if (size > kMostPlainBytes) {
      if (key.size() - at < 4) return key.size();
      size = 0;
      for (unsigned i = 0; i < 4; ++i) size = size << 8 | static_cast<u8>(key[at++] ^ flip);
    }
    at += std::min(size, key.size() - at);
    if (at < key.size() && key[at] == (kFraction ^ flip)) at += std::min<std::size_t>(9, key.size() - at);
    if (at < key.size() && key[at] == (kContinued ^ flip)) {
      ++at;
      for (u8 turn = 0xff;; turn ^= 0xff) {  // terms, up to the infinite one
        if (at >= key.size()) return key.size();
        std::size_t bytes = key[at++] ^ flip ^ turn;
        if (bytes == 0xff) break;
        if (bytes == 0xf0) {
          if (key.size() - at < 4) return key.size();
          bytes = 0;
          for (unsigned i = 0; i < 4; ++i) bytes = bytes << 8 | static_cast<u8>(key[at++] ^ flip ^ turn);
        }
        at += std::min(bytes, key.size() - at);
      }
    }
    return std::min(key.size(), at + negative);
  }
  if (tag == kOrderedStr || tag == kOrderedBytes) {
    for (; at < key.size(); ++at) {
      if (key[at] != 0) continue;
      if (at + 1 < key.size() && key[at + 1] == kEscaped) {
        ++at;
        continue;
      }
      return at + 1;
    }
    return key.size();
  }
  if (tag == kOrderedUuid) return std::min(key.size(), at + 16);
  return std::min(key.size(), at + ordered_time_bytes(tag));
}

u8 class_of(u8 tag) { return is_number(tag) ? u8{kPositive} : tag; }

}  // namespace

PyObject* decode_ordered(Bytes bytes) {
  OrderedReader reader(bytes);
  OwnedRef object(reader.item(false));
  if (object && !reader.done()) return damaged("damaged key: expected its end");
  return object.release();
}

// The first byte that differs is in two numbers, or texts, ..., which compare; or it is the first one of an item.
bool are_comparable(Bytes a, Bytes b) {
  if (a.empty() || b.empty()) return true;
  if (a[0] != b[0]) return class_of(a[0]) == class_of(b[0]);
  if (a[0] != kOrderedTuple) return true;
  const std::size_t size = std::min(a.size(), b.size());
  const std::size_t differs = static_cast<std::size_t>(
      std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(size), b.begin()).first - a.begin());
  if (differs == size) return true;
  for (std::size_t at = 1; at < differs;) {
    const u8 tag = a[at];
    at = tag == kOrderedTuple || tag == kEndOfTuple ? at + 1 : end_of_item(a, at);
    if (at > differs) return true;
  }
  // An end, None, and the fraction of a number, or a zero of a text, that goes on in one of them.
  const u8 one = a[differs], other = b[differs];
  const auto ends = [](u8 byte) { return byte == kEndOfTuple || byte == kOrderedNone || byte >= kFraction; };
  return ends(one) || ends(other) || class_of(one) == class_of(other);
}

const char* ordered_class(Bytes key) {
  if (key.empty()) return "nothing";
  switch (class_of(key[0])) {
    case kPositive:
      return "a number";
    case kOrderedStr:
      return "a str";
    case kOrderedBytes:
      return "bytes";
    case kOrderedDate:
      return "a date";
    case kOrderedDateTime:
      return "a datetime without a time zone";
    case kOrderedInstant:
      return "a datetime with a time zone";
    case kOrderedTime:
      return "a time without a time zone";
    case kOrderedAwareTime:
      return "a time with a time zone";
    case kOrderedTimeDelta:
      return "a timedelta";
    case kOrderedUuid:
      return "a UUID";
    case kOrderedTuple:
      return "a tuple";
    default:
      return "something else";
  }
}

}  // namespace pyr
