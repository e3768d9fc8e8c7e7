// HashIndex over any bytes: open, find, insert, erase, check. Where check() finds nothing, the positions that it
// visited are a model: each is found, and what is inserted and erased is what check() visits in the end.
#include "structures/hash_index.h"

#include <algorithm>
#include <map>

#include "base/hash.h"
#include "input.h"
#include "oracle.h"
#include "patches.h"
#include "regions.h"

namespace emd::fuzz {
namespace {

constexpr u64 kSeed = 1;

// An index of positions whose hashes are a function of the position.
class Subject {
 public:
  explicit Subject(Region& region) : index_(region, [this](u64 position) { return hash(position); }) {}

  void open() {
    index_.open(kSeed);
    hash_mask_ = ~u64{0} << (64 - index_.header().hash_bits);
  }
  const HashIndex& index() const { return index_; }
  bool find(u64 position, HashIndex::Place* place = nullptr) const {
    return index_.find(
               hash(position), [&](u64 candidate) { return candidate == position; }, place) !=
           HashIndex::kNone;
  }
  // As Dict does it: the place where the search ended, or room made.
  void insert(u64 position) {
    HashIndex::Place place;
    if (find(position, &place)) return;
    if (place.offset == 0) place = index_.make_room(hash(position));
    index_.insert(place, hash(position), position);
  }
  bool erase(u64 position) { return index_.erase(hash(position), position); }

 private:
  u64 hash(u64 position) const {
    return hash64({reinterpret_cast<const u8*>(&position), sizeof position}, kSeed) & hash_mask_;
  }
  HashIndex index_;
  u64 hash_mask_ = ~u64{0};
};

// What an index holds. A position may be there twice: that it is not is for the dict's check() to say.
using Positions = std::map<u64, unsigned>;

Positions visited(const Subject& subject, Findings& findings) {
  Positions positions;
  subject.index().check(findings, [&](u64 position) { ++positions[position]; });
  return positions;
}

Image sound_image(Regions& regions, u32 max_segment_buckets, u32 hash_bits, u64 entries) {
  Image empty(HashIndex::kEmptyBytes);
  HashIndex::format(empty.data(), max_segment_buckets, hash_bits, kSeed);
  regions.set(0, empty);
  Subject subject(regions[0]);
  subject.open();
  const Operation operation(regions.store());
  for (u64 i = 0; i < entries; ++i) subject.insert(i * 2);
  for (u64 i = 0; i < entries; i += 5) subject.erase(i * 2);
  return regions.image(0);
}

void look_around(const Subject& subject, Input& input, const Positions& positions, bool sound) {
  for (const auto& [position, count] : positions) {
    if (sound) require(subject.find(position), "an entry that check() visits is found");
  }
  for (unsigned count = input.byte() % 16; count != 0; --count) {
    const u64 position = input.number<u16>();
    bool found = false;
    const bool done = answers(sound, [&] { found = subject.find(position); });
    if (sound && done) require(found == positions.contains(position), "what is not there is not found");
  }
  answers(sound, [&] { subject.index().slot_count(); });
}

void change(Regions& regions, Subject& subject, Input& input, Positions& positions, bool sound) {
  const Operation operation(regions.store());
  for (unsigned count = input.byte() % 16; count != 0; --count) {
    const u8 what = input.byte();
    // Runs of neighbours, so that segments fill, split and empty within a short input.
    const u64 first = input.number<u16>();
    for (u64 position = first; position < first + (what >> 1) % 24; ++position) {
      if (what & 1) {
        answers(sound, [&] { subject.insert(position); });
        if (sound && positions[position] == 0) positions[position] = 1;
      } else {
        bool erased = false;
        answers(sound, [&] { erased = subject.erase(position); });
        if (!sound) continue;
        const auto at = positions.find(position);
        require(erased == (at != positions.end()), "erase() tells whether an entry was there");
        if (erased && --at->second == 0) positions.erase(at);
      }
    }
  }
}

void run(Input input) {
  static Regions regions(Kind::dict, 1);
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
  change(regions, subject, input, positions, sound);
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
