// HashIndex over any bytes: open, find, insert, erase, check. Where check() finds nothing, the positions that it
// visited are a model: each is found, and what is inserted and erased is what check() visits in the end.
#include "index/hash_index.h"

#include "indexed_positions.h"
#include "patches.h"
#include "regions.h"
#include "structures/array/array.h"

namespace emd::fuzz {
namespace {

using Subject = IndexSubject<HashIndex>;

Image sound_image(Regions& regions, u32 max_segment_buckets, u32 hash_bits, u64 entries) {
  Image empty(HashIndex::kEmptyBytes);
  HashIndex::format(empty.data(), max_segment_buckets, hash_bits, kIndexSeed);
  regions.set(0, empty);
  Subject subject(regions[0]);
  subject.open();
  const Operation operation(regions.store());
  for (u64 i = 0; i < entries; ++i) subject.insert(i * 2);
  for (u64 i = 0; i < entries; i += 5) subject.erase(i * 2);
  return regions.image(0);
}

void run(Input input) {
  static Regions regions(Array::kKind, 1);
  static const Image sounds[] = {
      sound_image(regions, 512, 64, 0),  sound_image(regions, 2, 64, 150),   sound_image(regions, 2, 3, 250),
      sound_image(regions, 64, 20, 150), sound_image(regions, 512, 64, 100),
  };
  const u8 mode = input.byte();
  Image image = sounds[mode % std::size(sounds)];
  if (mode & 0x80) {
    // The header's words, aimed at.
    for (unsigned count = input.byte() % 4; count != 0; --count)
      patch_header(input, image, sizeof(IndexHeader) / 8);
  }
  apply_patches(input, image);
  if (mode & 0x40) resize(input, image, input.byte() % 4 == 0 ? 1 : kPageSize);
  regions.set(0, image);
  Subject subject(regions[0]);
  bool sound = false;
  Positions positions;
  {
    const Regions::Fence fence(regions);
    if (!answers(false, [&] { subject.open(); })) return;
    Findings findings;
    positions = visited(subject, findings);
    sound = findings.empty();
    look_around(subject, input, positions, sound);
  }
  const Operation operation(regions.store());
  change(subject, input, positions, sound);
  Findings findings;
  const Positions now = visited(subject, findings);
  if (!sound) return;
  require_sound(findings, "before the changes");
  require(now == positions, "the index holds what was inserted and not erased");
}

}  // namespace
}  // namespace emd::fuzz

extern "C" int LLVMFuzzerTestOneInput(const emd::u8* data, std::size_t size) {
  emd::fuzz::run(emd::fuzz::Input(data, size));
  return 0;
}
