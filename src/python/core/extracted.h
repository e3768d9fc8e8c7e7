// Taken: what a read takes out of a structure, to be made an object after it.
//
// Decoding may run Python code (an unpickler, a finalizer that the collector calls), which may change or close the
// store; and beside a writer in another process what is read counts only when the read has ended. So bytes are
// copied. The exceptions are what is read most, and run no code: a scalar where no other process can write is decoded
// in place, at once; and so is a small integer anywhere, which is any bytes whatsoever, of a length that is known.
//
// Threads: one uses it. take() within Container::read(), the rest outside.
#pragma once

#include <Python.h>

#include <cstring>

#include "python/codec/codec.h"
#include "python/codec/tags.h"
#include "python/core/container.h"

namespace pyr {

// Whether these bytes stand for a scalar, whose decoding cannot run Python code (not even by way of the
// collector, since no scalar is tracked by it).
inline bool decodes_in_place(Bytes bytes) {
  return !bytes.empty() && bytes[0] <= kBigInt && bytes[0] != kRange;
}

// The commonest value, decoded without a call of the codec: an integer of one to seven bytes that is followed by
// nothing. (Zero and eight bytes go by the codec.)
inline bool is_small_int(Bytes bytes) {
  return bytes.size() >= 2 && bytes.size() <= 8 && bytes[0] == kInt + bytes.size() - 1;
}
inline PyObject* small_int(Bytes bytes) {
  // Tag and number, from the first half and the last half, which may overlap.
  const u8* const from = bytes.data();
  const std::size_t size = bytes.size();
  const u64 all =
      size >= 4 ? emd::load<emd::u32>(from) | u64{emd::load<emd::u32>(from + size - 4)} << (8 * (size - 4))
                : emd::load<emd::u16>(from) | u64{emd::load<emd::u16>(from + size - 2)} << (8 * (size - 2));
  const unsigned unused = 64 - 8 * static_cast<unsigned>(size);
  return PyLong_FromLongLong(static_cast<i64>(all << unused) >> (unused + 8));
}
inline PyObject* decode_scalar(Codec& codec, Bytes bytes) {
  return is_small_int(bytes) ? small_int(bytes) : codec.decode_value(bytes);
}

inline bool same_bytes(Bytes a, Bytes b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

// Copies of runs of bytes, one behind the other.
//
// Beside a writer the sizes may be nonsense: more than kAtOnce is copied only after a read has confirmed how much it
// is. So a read may have to be repeated: grow().
class Copies {
 public:
  void clear() {
    bytes_.clear();
    wanted_ = 0;
  }
  // Within a read. False if the rest of the read is in vain. Errors: PythonError (no memory).
  bool add(Bytes bytes, bool live) {
    if (__builtin_expect(live && too_many(bytes.size()), 0)) return false;
    u8* const to = bytes_.room(bytes.size());
    if (!to) throw PythonError();
    if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
    bytes_.advance(bytes.size());
    return true;
  }
  // After a read: whether it has to be repeated; grow() makes the room for that. Errors: PythonError.
  bool must_grow() const { return __builtin_expect(wanted_ != 0, 0); }
  bool grow() {
    if (!must_grow()) return false;
    bytes_.clear();
    if (!bytes_.room(wanted_)) throw PythonError();
    return true;
  }
  Bytes bytes() const { return bytes_.bytes(); }
  std::size_t size() const { return bytes_.size(); }

 private:
  static constexpr std::size_t kAtOnce = std::size_t{1} << 20;
  bool too_many(std::size_t more) {
    const std::size_t needed = bytes_.size() + more;
    if (needed <= kAtOnce || needed <= bytes_.capacity()) return false;
    wanted_ = needed > 2 * bytes_.capacity() ? needed : 2 * bytes_.capacity();
    return true;
  }

  Buffer bytes_;
  std::size_t wanted_ = 0;  // not zero: so much room was missing
};

}  // namespace pyr
