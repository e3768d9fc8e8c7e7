// XXH3-64 for keys (seeded per store) and for checksums. Any thread.
#pragma once

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/bytes.h"

namespace emd {

inline u64 hash64(Bytes bytes, u64 seed) { return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed); }

}  // namespace emd
