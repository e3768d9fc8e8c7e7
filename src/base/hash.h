// XXH3-64 for keys (seeded per store) and for checksums. Any thread.
#pragma once

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/bytes.h"

namespace emd {

inline u64 hash64(Bytes bytes, u64 seed) { return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed); }

// 128 bits: where equal hashes are taken for equal bytes.
struct Hash128 {
  u64 low = 0, high = 0;
  bool operator==(const Hash128&) const = default;
};
inline Hash128 hash128(Bytes bytes, u64 seed) {
  const XXH128_hash_t hash = XXH3_128bits_withSeed(bytes.data(), bytes.size(), seed);
  return {hash.low64, hash.high64};
}

}  // namespace emd
