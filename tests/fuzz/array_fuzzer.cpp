// Array over any bytes of its region. Where check() finds nothing, its items are a model, and changes do to the array
// what they do to the model, also while views of it are written through.
#include "structures/array/array.h"

#include <optional>

#include "input.h"
#include "oracle.h"
#include "patches.h"
#include "regions.h"

namespace emd::fuzz {
namespace {

// An array grows to this at most, so that a run stays short; enough for shrinking to write it anew.
constexpr u64 kMaxBytes = Array::kRewriteThreshold * 3 / 2;

using Model = std::vector<u8>;  // the bytes of all items

Image sound_image(Regions& regions, const Array::Type& type, u64 count) {
  regions.set(0, {});
  Array array(regions.store(), regions.member());
  const Operation operation(regions.store());
  array.lay_out(type);
  Image items(count * type.item_bytes());
  for (std::size_t i = 0; i < items.size(); ++i) items[i] = static_cast<u8>(i * 13);
  array.extend(items);
  array.resize(count - count / 3);
  return regions.image(0);
}

class Subject {
 public:
  explicit Subject(Regions& regions) : regions_(regions), array_(regions.store(), regions.member()) {}

  Array& array() { return array_; }
  void set_sound() {
    sound_ = true;
    model_ = bytes();
  }
  // Gives an array that has no type yet one of the input's, if it can lie so.
  void lay_out(Input& input) {
    Array::Type type{input.text(input.number<u16>() % 4000), input.magnitude(), {}};
    __uint128_t bytes = type.element_bytes;
    for (unsigned count = input.byte() % 20; count != 0; --count) {
      type.shape.push_back(input.byte() % 4 == 0 ? input.magnitude() : input.byte() % 4);
      if (bytes <= Array::kMaxItemBytes) bytes *= type.shape.back();
    }
    const u64 found = type.item_bytes();
    require(found == 0 || found == bytes, "the bytes of an item are those of its elements");
    if (found == 0) return;
    const Operation operation(regions_.store());
    array_.lay_out(type);
    const Array again(regions_.store(), regions_.member());
    require(again.type() == type && again.size() == 0, "a type is read as it was written");
  }
  void change(Input& input) {
    const u8 what = input.byte();
    const u64 size = array_.size(), width = array_.item_bytes();
    switch (what % 8) {
      case 0:
      case 1:
        return extend(input, what);
      case 2:
        return set(input, size, width);
      case 3:
        return scatter(input, size, width);
      case 4:
        return resize(input.byte() * size / 128, what);
      case 5:  // up to the largest
        return resize(input.number<u16>() * (kMaxBytes / width + 1) / 65536, what);
      case 6:
        return resize_absurdly(input);
      default:
        return view(input, what);
    }
  }
  void require_equal() {
    require(bytes() == model_, "the array is as its model");
    for (const Region::View& view : views_) {
      const u64 common = std::min<u64>(view.size(), model_.size());
      require(std::equal(model_.begin(), at(common), view.data()), "views show the array");
    }
  }

 private:
  Model bytes() const {
    const Bytes items = array_.items(0, array_.size());
    return {items.begin(), items.end()};
  }
  Model::iterator at(u64 offset) { return model_.begin() + static_cast<i64>(offset); }
  Image some_items(Input& input, u64 most) const {
    const u64 bytes =
        std::min(input.byte() % 32 * array_.item_bytes(), most / array_.item_bytes() * array_.item_bytes());
    const u8 first = input.byte();
    Image items(bytes);
    for (std::size_t i = 0; i < items.size(); ++i) items[i] = static_cast<u8>(first + i);
    return items;
  }

  void extend(Input& input, u8 what) {
    const u64 used = array_.size() * array_.item_bytes();
    const u64 room = used < kMaxBytes ? kMaxBytes - used : 0;
    // Items of a view of it stay where they are while it grows.
    if (what & 0x80 && !views_.empty()) {
      const Region::View& from = views_.front();
      const u64 length = std::min(from.size(), used);
      if (length > room) return;
      array_.extend({from.data(), length});
      if (!sound_) return;
      const Model prefix(model_.begin(), at(length));
      model_.insert(model_.end(), prefix.begin(), prefix.end());
      return require_equal();
    }
    const Image items = some_items(input, room);
    array_.extend(items);
    if (sound_) model_.insert(model_.end(), items.begin(), items.end());
  }
  // By items of the input, or by its own, which may overlap them.
  void set(Input& input, u64 size, u64 width) {
    const u64 to = input.below(size + 1);
    if (input.byte() % 2 == 0) {
      const Image items = some_items(input, std::min((size - to) * width, kMaxBytes));
      array_.set(to, items);
      if (sound_) std::copy(items.begin(), items.end(), at(to * width));
      return;
    }
    const u64 from = input.below(size - to + 1);
    const u64 count = input.below(size - to - from + 1);
    array_.set(to + from, array_.items(to, to + count));
    if (sound_) std::copy_backward(at(to * width), at((to + count) * width), at((to + from + count) * width));
  }
  void scatter(Input& input, u64 size, u64 width) {
    const Image items = some_items(input, std::min(size * width, kMaxBytes));
    std::vector<u64> indices;
    for (u64 i = 0; i < items.size() / width; ++i) indices.push_back(input.below(size));
    array_.scatter(indices, items);
    for (u64 i = 0; sound_ && i < indices.size(); ++i)
      std::copy_n(items.begin() + static_cast<i64>(i * width), width, at(indices[i] * width));
  }
  void resize(u64 count, u8 what) {
    const u64 width = array_.item_bytes(), size = array_.size();
    if (count > size && count > kMaxBytes / width) return;
    if (what & 0x80) views_.clear();
    const bool forbidden =
        count < size && array_.view_count() != 0 && Array::kDataAt + count * width < regions_[0].viewed_end();
    bool refused = false;
    try {
      array_.resize(count);
    } catch (const ViewError&) {
      refused = true;
    }
    require(refused == forbidden, "views forbid just what they have reached");
    if (sound_ && !refused) model_.resize(count * width);
  }
  void resize_absurdly(Input& input) {
    const u64 count = ~u64{0} - input.magnitude() % 1000;
    require(!answers(false, [&] { array_.resize(count); }), "no array is as long as that");
  }
  void view(Input& input, u8 what) {
    if (views_.size() == 3) views_.erase(views_.begin());
    views_.push_back(array_.view((what & 0x80) != 0));
    const u64 length = views_.back().size();
    if (!(what & 0x80) || length == 0) return;
    const u64 offset = input.below(length);
    views_.back().data()[offset] = input.byte();
    if (sound_) model_[offset] = views_.back().data()[offset];
  }

  Regions& regions_;
  Array array_;
  bool sound_ = false;
  Model model_;
  std::vector<Region::View> views_;
};

void run(Input input) {
  static Regions regions(Array::kKind, Array::kRegionCount);
  // In order: usual; items of an odd length; items longer than a page; none; one that has no type yet.
  static const Image sounds[] = {sound_image(regions, {"<i8", 8, {}}, 900),
                                 sound_image(regions, {"u1", 1, {3, 7}}, 200),
                                 sound_image(regions, {"<f4", 4, {40, 50}}, 5),
                                 sound_image(regions, {"<i4", 4, {1, 1}}, 0),
                                 {}};
  const u8 mode = input.byte();
  Image image = sounds[mode % std::size(sounds)];
  for (unsigned count = input.byte() % 12; count != 0; --count) {
    if (input.byte() & 1) {
      patch_header(input, image, 24);
    } else {
      apply_patch(input, image);
    }
  }
  if (mode & 0x80) resize(input, image, mode & 0x40 ? 1 : kPageSize);
  regions.set(0, image);
  std::optional<Subject> subject;
  bool sound = false;
  {
    const Regions::Fence fence(regions);
    if (!answers(false, [&] { subject.emplace(regions); })) return;
    Findings findings;
    subject->array().check(findings);
    sound = findings.empty();
  }
  if (!subject->array().laid_out()) subject->lay_out(input);
  if (!subject->array().laid_out()) return;
  if (sound) subject->set_sound();
  answers(sound, [&] { subject->array().stats(), subject->array().used_room(); });
  if (subject->array().item_bytes() > kMaxBytes) return;
  const Operation operation(regions.store());
  for (unsigned count = input.byte() % 32; count != 0; --count)
    answers(sound, [&] { subject->change(input); });
  Findings findings;
  subject->array().check(findings);
  if (!sound) return;
  require_sound(findings, "before the changes");
  subject->require_equal();
}

}  // namespace
}  // namespace emd::fuzz

extern "C" int LLVMFuzzerTestOneInput(const emd::u8* data, std::size_t size) {
  emd::fuzz::run(emd::fuzz::Input(data, size));
  return 0;
}
