// The first byte of everything encoded (docs/format.md). A number is never given a second meaning.
#pragma once

#include "base/bytes.h"

namespace pyr {

enum Tag : emd::u8 {
  // Atoms, in values and keys.
  kNone = 0x01,
  kFalse = 0x02,  // values only: as keys these are 0 and 1
  kTrue = 0x03,
  kEllipsis = 0x04,
  kFloat = 0x08,
  kComplex = 0x09,
  kAscii = 0x0a,
  kUtf8 = 0x0b,
  kBytes = 0x0c,
  kByteArray = 0x0d,  // values only
  kRange = 0x0e,      // start, stop, step; values only
  kInt = 0x10,        // kInt + n: n bytes of two's complement, n = 0 to 8
  kBigInt = 0x19,
  // Composites. Lists, dicts and sets are no keys, but occur in a key's state.
  kTuple = 0x20,
  kList = 0x21,
  kDict = 0x22,
  kSet = 0x23,
  kFrozenSet = 0x24,
  // Values only, and whole ones but for NumPy's plain numbers.
  kNdArray = 0x30,
  kNumpyScalar = 0x31,
  kPickle = 0x40,
  kUserPickle = 0x41,
  // Keys only, but for the naive times.
  kRational = 0x80,
  kSequenceRange = 0x81,
  kDate = 0x82,       // values too
  kDateTime = 0x83,   // naive; values too
  kInstant = 0x84,    // aware
  kAmbiguous = 0x85,  // aware, its offset depending on the fold
  kTime = 0x86,       // naive; values too
  kAwareTime = 0x87,
  kTimeDelta = 0x88,  // values too
  kUuid = 0x89,
  kPath = 0x8a,
  kGlobal = 0x90,
  kEnum = 0x91,
  kDataclass = 0x92,
  kObject = 0x93,
};

// Composites nested deeper than this are pickled as values and refused as keys.
inline constexpr unsigned kMaxDepth = 200;

}  // namespace pyr
