// Dict over any bytes of its four regions. Where check() finds nothing, what a walk finds is a model: every key is
// found, and changes do to the dict what they do to the model.
#include "structures/dict/dict.h"

#include <list>
#include <map>
#include <string>

#include "deterministic_random.h"
#include "structure_run.h"

namespace emd::fuzz {
namespace {

// Keys and values in order. Small, so searching it is cheap enough.
struct Model {
  std::list<std::pair<std::string, std::string>> entries;
  auto find(const std::string& key) {
    return std::find_if(entries.begin(), entries.end(),
                        [&](const auto& entry) { return entry.first == key; });
  }
};

std::string key_of(u64 number) { return "key" + std::to_string(number); }

Images sound_images(Regions& regions, const Dict::Options& options, u64 keys) {
  for (unsigned i = 0; i < Dict::kRegionCount; ++i) regions.set(i, {});
  Dict dict(regions.store(), regions.member(), options);
  const Operation operation(regions.store());
  for (u64 i = 0; i < keys; ++i) {
    const std::string annex(i % 4 == 0 ? i % 9 : 0, 'a');
    dict.put(as_bytes(key_of(i)), as_bytes(annex), as_bytes(std::string(i % 30, 'v')));
  }
  for (u64 i = 0; i < keys; i += 3) dict.put(as_bytes(key_of(i)), {}, as_bytes(std::string(i % 90, 'w')));
  for (u64 i = 0; i < keys; i += i % 4 + 2) dict.erase(as_bytes(key_of(i)));
  return regions.images();
}

Model walk(const Dict& dict, u64 log_bytes, bool sound) {
  Model model;
  const u64 limit = log_bytes / RecordLog::kMinBytes + 1;
  answers(sound, [&] {
    for (auto record = dict.first(); record; record = dict.next(record->position)) {
      model.entries.emplace_back(as_text(record->key), as_text(record->value));
      require(model.entries.size() <= limit, "a walk ends");
    }
  });
  u64 steps = 0;
  answers(sound, [&] {
    auto expected = model.entries.rbegin();
    for (auto record = dict.last(); record; record = dict.previous(record->position)) {
      require(++steps <= limit, "a walk backwards ends");
      if (!sound) continue;
      require(expected != model.entries.rend() && as_text(record->key) == expected->first, "walks agree");
      ++expected;
    }
  });
  if (sound) require(steps == model.entries.size() && dict.size() == steps, "walks and the count agree");
  return model;
}

void expect_equal(const Dict& dict, const Model& model) {
  auto record = dict.first();
  for (const auto& [key, value] : model.entries) {
    require(record && as_text(record->key) == key && as_text(record->value) == value,
            "the dict is as its model");
    const auto found = dict.find(as_bytes(key));
    require(found && found->position == record->position, "a key that is there is found");
    record = dict.next(record->position);
  }
  require(!record && dict.size() == model.entries.size(), "the dict holds no more than its model");
}

void put(Dict& dict, Model& model, const std::string& key, const std::string& annex, const std::string& value,
         bool sound) {
  answers(sound, [&] {
    const bool inserted = dict.put(as_bytes(key), as_bytes(annex), as_bytes(value));
    if (!sound) return;
    const auto at = model.find(key);
    require(inserted == (at == model.entries.end()), "put() tells whether a key was there");
    if (inserted) {
      model.entries.emplace_back(key, value);
    } else {
      at->second = value;
    }
  });
}

void erase(Dict& dict, Model& model, const std::string& key, bool sound) {
  answers(sound, [&] {
    const bool erased = dict.erase(as_bytes(key));
    if (!sound) return;
    const auto at = model.find(key);
    require(erased == (at != model.entries.end()), "erase() tells whether a key was there");
    if (erased) model.entries.erase(at);
  });
}

// Positions that no walk gave: an error at worst.
void look_anywhere(const Dict& dict, Input& input) {
  for (unsigned count = input.byte() % 4; count != 0; --count) {
    const RecordPos position{input.magnitude()};
    answers(false, [&] { dict.next(position); });
    answers(false, [&] { dict.previous(position); });
  }
}

void change(Dict& dict, Input& input, Model& model, bool sound) {
  const u8 what = input.byte();
  const std::string key = key_of(input.byte());
  switch (what % 8) {
    case 0:
    case 1:
    case 2:
      put(dict, model, key, what & 0x80 ? std::string(what & 15, 'b') : "", input.text(input.byte()), sound);
      break;
    case 3:  // many new keys: segments split
      for (u64 i = 0; i < 40; ++i) put(dict, model, key + "-" + std::to_string(i), "", "v", sound);
      break;
    case 4:
      put(dict, model, key, "", input.text(input.number<u16>() % 6000), sound);
      break;
    case 5:
      answers(sound, [&] {
        const auto record = what & 0x80 ? dict.first() : dict.last();
        if (!record) return;
        const std::string erased(as_text(record->key));
        dict.erase(*record);
        if (sound) model.entries.erase(model.find(erased));
      });
      break;
    case 6:
      if (what == 0xfe) {
        answers(sound, [&] { dict.clear(), model.entries.clear(); });
        break;
      }
      [[fallthrough]];
    default:
      erase(dict, model, key, sound);
  }
}

class Subject {
 public:
  explicit Subject(Regions& regions) : regions_(regions), dict_(regions.store(), regions.member()) {}

  void check(Findings& findings) const { dict_.check(findings); }
  void read(Input& input, bool sound) {
    model_ = walk(dict_, regions_[1].size(), sound);
    if (sound) require_equal();
    look_anywhere(dict_, input);
    answers(sound, [&] { dict_.stats(); });
  }
  void change(Input& input, bool sound) { fuzz::change(dict_, input, model_, sound); }
  void require_equal() const { expect_equal(dict_, model_); }

 private:
  Regions& regions_;
  Dict dict_;
  Model model_;
};

void run(Input input) {
  restart_random();
  static Regions regions(Dict::kKind, Dict::kRegionCount);
  static const Images sounds[] = {sound_images(regions, {2, 64}, 90), sound_images(regions, {512, 64}, 60),
                                  sound_images(regions, {2, 1}, 70), sound_images(regions, {2, 64, 12}, 90)};
  const Images images = damaged(input, sounds, 16);
  run_structure<Subject>(regions, images, input, 64);
}

}  // namespace
}  // namespace emd::fuzz

extern "C" int LLVMFuzzerTestOneInput(const emd::u8* data, std::size_t size) {
  emd::fuzz::run(emd::fuzz::Input(data, size));
  return 0;
}
