// BufferedIndex over any bytes of its main index and its delta, with a KeyFilter in front of it, as Dict has it. The
// delta is small, so that it is merged all the time. Where check() finds nothing, the positions that it visited are a
// model, wherever they are; and the filter excludes none of them, whatever dies and however little of them it has seen.
#include "index/buffered_index.h"

#include "index/key_filter.h"
#include "indexed_positions.h"
#include "patches.h"
#include "regions.h"
#include "structures/list/list.h"

namespace emd::fuzz {
namespace {

constexpr unsigned kMain = 0, kDelta = 1;
constexpr u64 kFilterBudget = u64{1} << 20;

// Knows which of its positions are new as Dict does: from a filter, which is filled a few records at a time from a log.
class Subject : public IndexSubject<BufferedIndex> {
 public:
  explicit Subject(Regions& regions) : IndexSubject(regions.store(), regions[kMain], regions[kDelta]) {}

  // The records that there are, in any order; what is there twice counts as two.
  void set_log(const Positions& positions) {
    for (const auto& [position, count] : positions) log_.insert(log_.end(), count, position);
  }
  void insert(u64 position) {
    const bool buffering = index().buffering();
    if (buffering) cover_log();
    BufferedIndex::InsertionPoint point;
    if (!buffering || !filter_.excludes(hash(position), log_.size())) {
      if (find(position, &point)) return;
    }
    insert_new(position, point);
    log_.push_back(position);
    if (buffering) filter_.note_appended(hash(position), log_.size() - 1, log_.size());
  }
  bool erase(u64 position) {
    if (!IndexSubject::erase(position)) return false;
    const auto at = std::find(log_.begin(), log_.end(), position);
    if (at == log_.end()) return true;  // check() had not come to it
    *at = kDead;
    std::size_t start = static_cast<std::size_t>(at - log_.begin()), end = start + 1;
    while (start != 0 && log_[start - 1] == kDead) --start;
    while (end != log_.size() && log_[end] == kDead) ++end;
    if (end == log_.size()) log_.resize(start);
    filter_.note_dead(start, end, log_.size());
    return true;
  }
  void require_not_excluded() const {
    for (const u64 position : log_) {
      if (position == kDead) continue;
      require(!filter_.excludes(hash(position), log_.size()), "the filter excludes no key that is there");
    }
  }

 private:
  static constexpr u64 kDead = ~u64{0};
  static constexpr unsigned kCovered = 4;  // records, at each insertion

  void cover_log() {
    if (!filter_.make_room(kFilterBudget)) return;
    for (unsigned i = 0; i < kCovered && filter_.covered() != log_.size(); ++i) {
      u64 at = filter_.covered();
      while (at != log_.size() && log_[at] == kDead) ++at;
      if (at == log_.size()) return filter_.skip(at);
      filter_.cover(hash(log_[at]), at + 1);
    }
  }

  KeyFilter filter_;
  std::vector<u64> log_;
};

std::vector<Image> sound_images(Regions& regions, u32 max_segment_buckets, u32 hash_bits, u64 delta_limit,
                                u64 entries) {
  Image empty(HashIndex::kEmptyBytes);
  HashIndex::format(empty.data(), max_segment_buckets, hash_bits, kIndexSeed, delta_limit);
  regions.set(kMain, empty);
  regions.set(kDelta, {});
  Subject subject(regions);
  subject.open();
  const Operation operation(regions.store());
  for (u64 i = 0; i < entries; ++i) subject.insert(i * 2);
  for (u64 i = 0; i < entries; i += 5) subject.erase(i * 2);
  return regions.images();
}

std::vector<Image> damaged_images(Input& input, std::vector<Image> images, u8 mode) {
  for (unsigned count = input.byte() % 12; count != 0; --count) {
    const u8 where = input.byte();
    Image& image = images[where >> 1 & 1];
    if (where & 1) {
      patch_header(input, image, sizeof(IndexHeader) / 8);
    } else {
      apply_patch(input, image);
    }
  }
  if (mode & 0x80) resize(input, images[mode >> 6 & 1], mode & 0x20 ? 1 : kPageSize);
  return images;
}

void run(Input input) {
  static Regions regions(List::kKind, 2);
  // In order: merges at each insertion; hashes that collide in both indexes; a delta that no merge has reached; one
  // that is deeper than the main index; none yet, though its time has come.
  static const std::vector<Image> sounds[] = {
      sound_images(regions, 2, 64, 12, 150), sound_images(regions, 2, 3, 30, 250),
      sound_images(regions, 64, 20, 200, 150), sound_images(regions, 2, 64, 120, 140),
      sound_images(regions, 8, 64, 12, 0)};
  const u8 mode = input.byte();
  const std::vector<Image> images = damaged_images(input, sounds[mode % std::size(sounds)], mode);
  regions.set(images);
  Subject subject(regions);
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
  subject.set_log(positions);
  const Operation operation(regions.store());
  change(subject, input, positions, sound);
  if (sound) subject.require_not_excluded();
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
