// A bucket: eight 8-byte slots in one cache line, searched at once.
//
// A slot holds a position in its low bits and a tag in its high bits; a tag is the known bits of a hash, then a 1, then
// zeros (index/hash_index.h). Zero is an empty slot.
#pragma once

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "base/bytes.h"

namespace emd {

inline constexpr unsigned kSlotsPerBucket = 8;
inline constexpr unsigned kPositionBits = 42;
inline constexpr unsigned kTagBits = 64 - kPositionBits;
inline constexpr u64 kPositionMask = (u64{1} << kPositionBits) - 1;

// A bit for each slot whose known bits are those of `wanted`, a tag with all bits known. Empty slots
// give none. For a tag t, t ^ (t - 1) covers its last 1 and what is below, which is what it does not know.
inline unsigned matching_slots(const u64* bucket, u64 wanted) {
#if defined(__SSE2__)
  const __m128i want = _mm_set1_epi32(static_cast<int>(wanted));
  const __m128i zero = _mm_setzero_si128();
  const __m128i minus_one = _mm_set1_epi32(-1);
  const auto half = [&](const u64* slots) {
    const __m128 a = _mm_castsi128_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(slots)));
    const __m128 b = _mm_castsi128_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(slots + 2)));
    const __m128i high = _mm_castps_si128(_mm_shuffle_ps(a, b, _MM_SHUFFLE(3, 1, 3, 1)));
    const __m128i tag = _mm_srli_epi32(high, kPositionBits - 32);
    const __m128i unknown = _mm_xor_si128(tag, _mm_add_epi32(tag, minus_one));
    const __m128i differs = _mm_andnot_si128(unknown, _mm_xor_si128(tag, want));
    const __m128i same = _mm_andnot_si128(_mm_cmpeq_epi32(tag, zero), _mm_cmpeq_epi32(differs, zero));
    return static_cast<unsigned>(_mm_movemask_ps(_mm_castsi128_ps(same)));
  };
  return half(bucket) | half(bucket + 4) << 4;
#else
  unsigned found = 0;
  for (unsigned i = 0; i < kSlotsPerBucket; ++i) {
    const u32 tag = static_cast<u32>(bucket[i] >> kPositionBits);
    const u32 unknown = tag ^ (tag - 1);
    const bool same = ((tag ^ static_cast<u32>(wanted)) & ~unknown) == 0;
    found |= static_cast<unsigned>(same & (tag != 0)) << i;
  }
  return found;
#endif
}

// The number of slots in use from the first on: of whole buckets without a branch, since where it ends is not foreseen.
inline unsigned bucket_fill(const u64* bucket) {
#if defined(__SSE2__)
  const __m128i zero = _mm_setzero_si128();
  // A slot in use has a tag, which lies in its high half.
  const auto empty = [&](const u64* slots) {
    const __m128 a = _mm_castsi128_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(slots)));
    const __m128 b = _mm_castsi128_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(slots + 2)));
    const __m128i high = _mm_castps_si128(_mm_shuffle_ps(a, b, _MM_SHUFFLE(3, 1, 3, 1)));
    return static_cast<unsigned>(_mm_movemask_ps(_mm_castsi128_ps(_mm_cmpeq_epi32(high, zero))));
  };
  return static_cast<unsigned>(__builtin_ctz(empty(bucket) | empty(bucket + 4) << 4 | 1u << kSlotsPerBucket));
#else
  unsigned fill = 0;
  while (fill < kSlotsPerBucket && bucket[fill] != 0) ++fill;
  return fill;
#endif
}

}  // namespace emd
