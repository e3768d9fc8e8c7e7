// One run of a target whose subject is a structure over several regions: sound images are damaged as the input says,
// the structure is opened over them, asked, changed and checked. Where check() finds nothing, it must do what its model
// does.
//
// A Subject has:
//   Subject(Regions&)                 opens the structure; may refuse
//   void check(Findings&) const
//   void read(Input&, bool sound)     reads only, while what lies behind the regions is poisoned; if the structure is
//                                     sound, takes over what it holds as the model
//   void change(Input&, bool sound)   one change, or several small ones, each of which answers()
//   void require_equal() const        to the model
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "input.h"
#include "oracle.h"
#include "patches.h"
#include "regions.h"

namespace emd::fuzz {

using Images = std::vector<Image>;  // of all regions of a member

// One of the sound ones, patched, or cut, or lengthened.
inline Images damaged(Input& input, std::span<const Images> sound, u64 header_words) {
  const u8 mode = input.byte();
  Images images = sound[mode % sound.size()];
  for (unsigned count = input.byte() % 12; count != 0; --count) {
    Image& image = images[input.byte() % images.size()];
    if (input.byte() & 1) {
      patch_header(input, image, header_words);
    } else {
      apply_patch(input, image);
    }
  }
  if (mode & 0x80) resize(input, images[input.byte() % images.size()], mode & 0x40 ? 1 : kPageSize);
  return images;
}

// `changes`: at most so many, less one.
template <class Subject>
void run_structure(Regions& regions, const Images& images, Input& input, unsigned changes) {
  regions.set(images);
  if (images[0].empty()) return;  // it is not laid out
  std::optional<Subject> subject;
  bool sound = false;
  {
    const Regions::Fence fence(regions);
    if (!answers(false, [&] { subject.emplace(regions); })) return;
    Findings findings;
    subject->check(findings);
    sound = findings.empty();
    subject->read(input, sound);
  }
  const Operation operation(regions.store());
  for (unsigned count = input.byte() % changes; count != 0; --count)
    answers(sound, [&] { subject->change(input, sound); });
  Findings findings;
  subject->check(findings);
  if (!sound) return;
  require_sound(findings, "before the changes");
  subject->require_equal();
}

}  // namespace emd::fuzz
