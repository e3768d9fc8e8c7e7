// How TypedDict hashes and compares keys, and looks one up: with the sizes that are common as constants, so that both
// become a few instructions.
//
// Included by typed_dict*.cpp.
#pragma once

#include "structures/typed_dict/typed_dict.h"

namespace emd {

// kSize zero: a size that is known only now.
template <u32 kSize>
struct KeysOfSize {
  u32 bytes;
  u32 size() const { return kSize != 0 ? kSize : bytes; }
  u64 hash(const u8* key, u64 seed) const { return hash64({key, size()}, seed); }
  bool same(const u8* a, const u8* b) const { return std::memcmp(a, b, size()) == 0; }
};

template <class Call>
decltype(auto) TypedDict::with_keys(Call&& call) const {
  switch (key_bytes_) {
    case 4:
      return call(KeysOfSize<4>{4});
    case 8:
      return call(KeysOfSize<8>{8});
    case 16:
      return call(KeysOfSize<16>{16});
    default:
      return call(KeysOfSize<0>{key_bytes_});
  }
}

template <class Keys>
u64 TypedDict::find_row(const Keys& keys, u64 hash, const u8* key,
                        BufferedIndex::InsertionPoint* point) const {
  return index_.find(
      hash, [&](u64 row) { return keys.same(row_at(row), key); }, point);
}

template <class Keys>
bool TypedDict::put_with(const Keys& keys, u64 hash, const u8* key, const u8* value) {
  const bool buffering = index_.buffering();
  if (__builtin_expect(buffering, 0)) cover_rows();
  BufferedIndex::InsertionPoint point;
  if (!buffering || !known_new(hash)) {
    const u64 row = find_row(keys, hash, key, &point);
    if (row != kNone) {
      set_value(row, value);
      return false;
    }
  }
  reserve_rows(1);
  index_.make_room(hash, point);
  // Nothing fails from here on.
  insert_row(point, hash, key, value);
  return true;
}

}  // namespace emd
