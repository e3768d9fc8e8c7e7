// Deque over any bytes of its words and its heap. Where check() finds nothing, its elements are a model.
#include "structures/deque/deque.h"

#include <algorithm>
#include <optional>
#include <string>

#include "elements.h"
#include "structure_run.h"

namespace emd::fuzz {
namespace {

// A few hundred words slide, are written anew and are given up.
constexpr Deque::Sizes kSizes{30, 200, 8, 1500};

class DequeSubject {
 public:
  explicit DequeSubject(Regions& regions) : deque_(regions.store(), regions.member(), kSizes) {}

  void check(Findings& findings) const { deque_.check(findings); }
  void read(Input&, bool sound) {
    answers(sound, [&] { model_ = read_all(deque_); });
    answers(sound, [&] { deque_.stats(); });
    answers(sound, [&] { deque_.leaving(3); });
  }
  void change(Input& input, bool sound) {
    const u8 what = input.byte();
    switch (what % 8) {
      case 0:
      case 1:
        return extend(input, sound, what % 2 == 0);
      case 2:
        return take(input, sound, false);
      case 3:
        return take(input, sound, true);
      case 4: {
        const u64 count = input.below(deque_.size() + 1);
        deque_.rotate(count);
        if (sound) std::rotate(model_.begin(), model_.end() - static_cast<i64>(count), model_.end());
        return;
      }
      case 5: {
        if (what == 0xfd) {
          deque_.clear();
          return model_.clear();
        }
        const u64 length = deque_.size();
        if (length == 0) return;
        const u64 index = input.below(length);
        std::string element;
        deque_.set(index, make_word(deque_, input, element));
        if (sound) model_[index] = element;
        return;
      }
      case 6:
        deque_.reverse();
        return std::reverse(model_.begin(), model_.end());
      default:
        return splice(input, sound);
    }
  }
  void require_equal() const { require(read_all(deque_) == model_, "the deque is as its model"); }

 private:
  // Many words of integers, or a few of any kind.
  std::vector<Word> words(Input& input, Elements& elements, u64 most) {
    const u8 what = input.byte();
    std::vector<Word> made;
    for (u64 i = 0; what & 1 && i < std::min<u64>(what, most); ++i) {
      made.push_back(Word::integer(static_cast<i64>(i)));
      elements.push_back(inline_element(made.back()));
    }
    for (u64 i = 0; !(what & 1) && i < std::min<u64>(what / 2 % 8, most); ++i) {
      std::string element;
      made.push_back(make_word(deque_, input, element));
      elements.push_back(element);
    }
    return made;
  }
  void extend(Input& input, bool sound, bool front) {
    Elements elements;
    const std::vector<Word> more = words(input, elements, 255);
    front ? deque_.extend_front(more) : deque_.extend(more);
    if (!sound) return;
    model_.insert(front ? model_.begin() : model_.end(), elements.begin(), elements.end());
    const u64 most = deque_.limit().value_or(model_.size());
    if (model_.size() <= most) return;
    const auto gone = static_cast<i64>(model_.size() - most);
    front ? model_.erase(model_.end() - gone, model_.end())
          : model_.erase(model_.begin(), model_.begin() + gone);
  }
  void take(Input& input, bool sound, bool front) {
    const u64 count = std::min<u64>(input.byte(), deque_.size());
    front ? deque_.remove_front(count) : deque_.remove_back(count);
    if (!sound) return;
    const auto gone = static_cast<i64>(count);
    front ? model_.erase(model_.begin(), model_.begin() + gone)
          : model_.erase(model_.end() - gone, model_.end());
  }
  void splice(Input& input, bool sound) {
    const u64 length = deque_.size(), from = input.below(length + 1),
              to = from + input.below(length - from + 1);
    const u64 left = length - (to - from), most = deque_.limit().value_or(~u64{0});
    Elements elements;
    const std::vector<Word> added = words(input, elements, most > left ? most - left : 0);
    deque_.splice(from, to, added);
    if (!sound) return;
    const auto hole =
        model_.erase(model_.begin() + static_cast<i64>(from), model_.begin() + static_cast<i64>(to));
    model_.insert(hole, elements.begin(), elements.end());
  }

  Deque deque_;
  Elements model_;
};

// One that has slid, and a bounded one.
Images sound_images(Regions& regions, std::optional<u64> limit) {
  regions.set(0, {});
  regions.set(1, {});
  Deque deque(regions.store(), regions.member(), kSizes);
  const Operation operation(regions.store());
  deque.lay_out_as({limit.has_value(), limit});
  for (u64 i = 0; i < 1800; ++i) {
    deque.append(i % 3 == 0 ? deque.store_block(as_bytes(std::string(i % 150, 'b')))
                            : Word::integer(static_cast<i64>(i)));
    if (i > 150) deque.remove_front(1);
  }
  deque.splice(40, 60, {});
  return regions.images();
}

void run(Input input) {
  static Regions regions(Deque::kKind, Deque::kRegionCount);
  static const std::vector<Images> sound = {sound_images(regions, std::nullopt), sound_images(regions, 170)};
  const Images images = damaged(input, sound, 16);
  run_structure<DequeSubject>(regions, images, input, 64);
}

}  // namespace
}  // namespace emd::fuzz

extern "C" int LLVMFuzzerTestOneInput(const emd::u8* data, std::size_t size) {
  emd::fuzz::run(emd::fuzz::Input(data, size));
  return 0;
}
