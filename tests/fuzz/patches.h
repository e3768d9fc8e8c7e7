// Patches: how an input describes damage to a sound image of some bytes. Better than the bytes themselves: a few bytes
// of input reach any field of an image of many pages, and what is not patched stays plausible.
#pragma once

#include <vector>

#include "input.h"

namespace emd::fuzz {

// One change of bytes; which, where and what are read from the input. The size stays.
inline void apply_patch(Input& input, std::vector<u8>& image) {
  const u8 kind = input.byte();
  if (image.empty()) return;
  const u64 at = input.number<u32>() % image.size();
  const u64 room = image.size() - at;
  const auto change_word = [&](auto&& change) {
    u64 word = 0;
    const u64 n = std::min<u64>(room, sizeof word);
    std::memcpy(&word, image.data() + at, n);
    word = change(word);
    std::memcpy(image.data() + at, &word, n);
  };
  switch (kind % 6) {
    case 0: {
      const Bytes bytes = input.bytes(std::min<u64>(room, input.byte() % 32));
      std::copy(bytes.begin(), bytes.end(), image.begin() + static_cast<std::ptrdiff_t>(at));
      return;
    }
    case 1:
      return change_word([&](u64) { return input.magnitude(); });
    case 2:
      return change_word(
          [&](u64 word) { return word + static_cast<u64>(i64{static_cast<signed char>(input.byte())}); });
    case 3:
      image[at] ^= static_cast<u8>(1u << input.byte() % 8);
      return;
    case 4: {  // a word from elsewhere: plausible in itself, wrong here
      u64 word = 0;
      const u64 from = input.number<u32>() % image.size();
      std::memcpy(&word, image.data() + from, std::min<u64>(image.size() - from, sizeof word));
      return change_word([&](u64) { return word; });
    }
    default:
      std::fill_n(image.begin() + static_cast<std::ptrdiff_t>(at), std::min<u64>(room, input.number<u16>()),
                  input.byte());
  }
}

// Any number of them, up to a limit that keeps the run short. Returns how many.
inline unsigned apply_patches(Input& input, std::vector<u8>& image) {
  const unsigned count = input.byte() % 16;
  for (unsigned i = 0; i < count; ++i) apply_patch(input, image);
  return count;
}

// Sets one of the image's first words of 8 bytes: where headers are.
inline void patch_header(Input& input, std::vector<u8>& image, u64 words) {
  const u64 at = input.byte() % words * sizeof(u64);
  const u64 value = input.magnitude();
  if (at + sizeof value <= image.size()) store(image.data() + at, value);
}

// Cuts or lengthens the image, by zeros, to a size that the input chooses near its own.
inline void resize(Input& input, std::vector<u8>& image, u64 unit) {
  const u64 size = input.below(round_up(image.size(), unit) / unit + 3) * unit;
  image.resize(size);
}

}  // namespace emd::fuzz
