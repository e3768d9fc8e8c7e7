// List over any bytes of its words and its heap. Where check() finds nothing, its elements are a model.
#include "structures/list/list.h"

#include <string>
#include <vector>

#include "elements.h"
#include "input.h"
#include "oracle.h"
#include "patches.h"
#include "regions.h"

namespace emd::fuzz {
namespace {

std::vector<Image> sound_images(Regions& regions) {
  regions.set(0, {});
  regions.set(1, {});
  List list(regions.store(), regions.member());
  const Operation operation(regions.store());
  for (u64 i = 0; i < 150; ++i) {
    list.append(i % 3 == 0 ? list.store_block(as_bytes(std::string(i, 'b')))
                           : Word::integer(static_cast<i64>(i)));
  }
  list.remove_strided(10, 3, 20);
  list.splice(40, 60, {});
  return regions.images();
}

void splice(List& list, Input& input, Elements& model, bool sound) {
  const u64 from = input.below(list.size() + 1);
  const u64 to = from + input.below(list.size() - from + 1);
  std::vector<Word> added;
  Elements elements;
  for (unsigned count = input.byte() % 8; count != 0; --count) {
    std::string element;
    added.push_back(make_word(list, input, element));
    elements.push_back(element);
  }
  list.splice(from, to, added);
  if (!sound) return;
  const auto begin = model.begin();
  const auto hole = model.erase(begin + static_cast<i64>(from), begin + static_cast<i64>(to));
  model.insert(hole, elements.begin(), elements.end());
}

void remove_strided(List& list, Input& input, Elements& model, bool sound) {
  const u64 length = list.size();
  if (length == 0) return;
  const u64 from = input.below(length);
  const u64 step = input.below(9) + 1;
  const u64 count = input.below((length - 1 - from) / step + 2);
  list.remove_strided(from, step, count);
  if (!sound) return;
  for (u64 i = count; i-- != 0;) model.erase(model.begin() + static_cast<i64>(from + i * step));
}

void change_one(List& list, Input& input, Elements& model, bool sound) {
  const u8 what = input.byte();
  std::string element;
  switch (what % 8) {
    case 0:
    case 1: {
      const Word word = make_word(list, input, element);
      list.append(word);
      if (sound) model.push_back(element);
      return;
    }
    case 2: {
      const u64 length = list.size();
      if (length == 0) return;
      const u64 index = input.below(length);
      list.set(index, make_word(list, input, element));
      if (sound) model[index] = element;
      return;
    }
    case 3:
      return remove_strided(list, input, model, sound);
    case 4:
      list.reverse();
      return std::reverse(model.begin(), model.end());
    case 5:
      if (what != 0xfd) return;
      list.clear();
      return model.clear();
    case 6:  // an order of its own, as sorting gives one
      return list.permute([&](std::span<Word> to) {
        const std::span<const Word> words = list.words();
        std::rotate_copy(words.begin(), words.begin() + static_cast<i64>(words.size() / 2), words.end(),
                         to.begin());
        if (sound)
          std::rotate(model.begin(), model.begin() + static_cast<i64>(model.size() / 2), model.end());
      });
    default:
      return splice(list, input, model, sound);
  }
}

void run(Input input) {
  static Regions regions(List::kKind, List::kRegionCount);
  static const std::vector<Image> sounds = sound_images(regions);
  const u8 mode = input.byte();
  std::vector<Image> images = sounds;
  for (unsigned count = input.byte() % 12; count != 0; --count) {
    Image& image = images[input.byte() % images.size()];
    if (input.byte() & 1) {
      patch_header(input, image, 256);
    } else {
      apply_patch(input, image);
    }
  }
  if (mode & 1) resize(input, images[mode >> 1 & 1], mode & 4 ? 1 : 8);
  regions.set(images);
  std::optional<List> list;
  bool sound = false;
  Elements model;
  {
    const Regions::Fence fence(regions);
    if (!answers(false, [&] { list.emplace(regions.store(), regions.member()); })) return;
    Findings findings;
    list->check(findings);
    sound = findings.empty();
    answers(sound, [&] { model = read_all(*list); });
    answers(sound, [&] { list->stats(); });
  }
  const Operation operation(regions.store());
  for (unsigned count = input.byte() % 64; count != 0; --count)
    answers(sound, [&] { change_one(*list, input, model, sound); });
  Findings findings;
  list->check(findings);
  if (!sound) return;
  require_sound(findings, "before the changes");
  require(read_all(*list) == model, "the list is as its model");
}

}  // namespace
}  // namespace emd::fuzz

extern "C" int LLVMFuzzerTestOneInput(const emd::u8* data, std::size_t size) {
  emd::fuzz::run(emd::fuzz::Input(data, size));
  return 0;
}
