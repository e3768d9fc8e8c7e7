// Loops over runs of flags of 1, 2, 4 or 8 bytes each. They are written so that compilers make them vector code: no
// branch inside a block.
//
// Threads: any. Flags that another process may change meanwhile give any result, and harm nothing.
#pragma once

#include <utility>

#include "base/bytes.h"

namespace emd {

// Flags that are asked for: those under `mask` are `value`, or are not.
struct WantedFlags {
  u64 mask = 0;
  u64 value = 0;
  bool negated = false;

  bool operator()(u64 flags) const { return ((flags & mask) == value) != negated; }
  WantedFlags others() const { return {mask, value, !negated}; }
};

// Flags become (flags & keep) | set.
struct FlagChange {
  u64 keep = 0;
  u64 set = 0;

  u64 operator()(u64 flags) const { return (flags & keep) | set; }
  // Whether all flags of so many become the same, whatever they were.
  bool is_constant(u64 all) const { return ((~keep | set) & all) == all; }
};

// A number in some bits of the flags, which counts up and stays at its highest value.
struct FlagCounter {
  unsigned shift = 0;
  unsigned bits = 0;  // shift + bits is at most 64; neither is all of it
  u64 by = 0;

  u64 highest() const { return ~u64{0} >> (64 - bits); }
  u64 mask() const { return highest() << shift; }
  u64 operator()(u64 flags) const {
    const u64 before = (flags & mask()) >> shift;
    const u64 after = by > highest() - before ? highest() : before + by;
    return (flags & ~mask()) | after << shift;
  }
};

// work(T{}), T the unsigned integer of `width` bytes.
template <class Work>
inline auto with_width(unsigned width, Work&& work) {
  switch (width) {
    case 1:
      return work(u8{});
    case 2:
      return work(u16{});
    case 4:
      return work(u32{});
    default:
      return work(u64{});
  }
}

namespace flags {

inline constexpr u64 kBlock = 64;

// The first of `count` flags that is wanted; `count` if none is.
template <class T>
u64 find(const T* flags, u64 count, const WantedFlags& wanted) {
  const T mask = static_cast<T>(wanted.mask), value = static_cast<T>(wanted.value);
  u64 at = 0;
  for (; at + kBlock <= count; at += kBlock) {
    T found = 0;
    for (u64 i = 0; i < kBlock; ++i) {
      found |= static_cast<T>(((flags[at + i] & mask) == value) != wanted.negated);
    }
    if (found) break;
  }
  while (at < count && !wanted(flags[at])) ++at;
  return at;
}

template <class T>
u64 count(const T* flags, u64 length, const WantedFlags& wanted) {
  const T mask = static_cast<T>(wanted.mask), value = static_cast<T>(wanted.value);
  u64 equal = 0, at = 0;
  for (; at + kBlock <= length; at += kBlock) {
    T block = 0;
    for (u64 i = 0; i < kBlock; ++i) block = static_cast<T>(block + ((flags[at + i] & mask) == value));
    equal += block;
  }
  for (; at < length; ++at) equal += (flags[at] & mask) == value;
  return wanted.negated ? length - equal : equal;
}

// What a change would do: whether any flags become others, and whether all become the same.
struct ChangeEffect {
  bool changes, uniform;
};

// Precondition: count != 0.
template <class T>
ChangeEffect effect_of(const T* flags, u64 count, const FlagChange& change) {
  const T keep = static_cast<T>(change.keep), set = static_cast<T>(change.set);
  const T first = static_cast<T>((flags[0] & keep) | set);
  T difference = 0, spread = 0;
  for (u64 i = 0; i < count; ++i) {
    const T after = static_cast<T>((flags[i] & keep) | set);
    difference |= static_cast<T>(after ^ flags[i]);
    spread |= static_cast<T>(after ^ first);
  }
  return {difference != 0, spread == 0};
}

// Whether all are `value`, but perhaps the one at `place`. Precondition: count is a power of two, at least 2.
template <class T>
bool others_are(const T* flags, u64 count, u64 place, T value) {
  // Mostly one of these two is another: then no more is read.
  if (flags[(place + 1) % count] != value || flags[(place + count / 2) % count] != value) return false;
  const WantedFlags another{~u64{0}, value, true};
  return find(flags, place, another) == place &&
         find(flags + place + 1, count - place - 1, another) == count - place - 1;
}

template <class T>
void apply(T* flags, u64 count, const FlagChange& change) {
  const T keep = static_cast<T>(change.keep), set = static_cast<T>(change.set);
  for (u64 i = 0; i < count; ++i) flags[i] = static_cast<T>((flags[i] & keep) | set);
}

}  // namespace flags
}  // namespace emd
