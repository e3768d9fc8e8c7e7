// TypedDict over any bytes of its index, rows, map of the dead and delta. Where check() finds nothing, what a walk
// finds is a model: every key is found, alone and in batches, and changes do to the dict what they do to the model.
#include "structures/typed_dict/typed_dict.h"

#include "structure_run.h"
#include "typed_model.h"

namespace emd::fuzz {
namespace {

TypedDict::Layout layout_of(u32 key_bytes, u32 value_offset, u32 value_bytes, u32 row_bytes,
                            u32 segment_buckets, u32 hash_bits, u64 delta_limit = BufferedIndex::kAutomatic) {
  return {key_bytes,     value_bytes,     value_offset, row_bytes,  "the key's",
          "the value's", segment_buckets, hash_bits,    delta_limit};
}

Images sound_images(Regions& regions, const TypedDict::Layout& layout, u64 keys) {
  for (unsigned i = 0; i < TypedDict::kRegionCount; ++i) regions.set(i, {});
  TypedDict dict(regions.store(), regions.member(), layout);
  const Operation operation(regions.store());
  for (u64 i = 0; i < keys; ++i) {
    dict.put(raw(bytes_of(i, layout.key_bytes)), raw(bytes_of(i * 7, layout.value_bytes)));
  }
  for (u64 i = 0; i < keys; i += i % 4 + 2) dict.erase(raw(bytes_of(i, layout.key_bytes)));
  for (u64 i = keys / 4; i < keys * 3 / 4; ++i) dict.erase(raw(bytes_of(i, layout.key_bytes)));
  return regions.images();
}

// From both ends; they agree where the dict is sound.
TypedModel walk(const TypedDict& dict, bool sound) {
  TypedModel model;
  u64 forwards = 0, backwards = 0;
  answers(sound, [&] {
    for (u64 row = dict.first_live(); row != TypedDict::kNone; row = dict.next_live(row + 1), ++forwards) {
      const u8 *const key = dict.key_at(row), *const value = dict.value_at(row);
      if (sound) model.put(text(key, dict.key_bytes()), text(value, dict.value_bytes()));
    }
  });
  answers(sound, [&] {
    for (u64 row = dict.last_live(); row != TypedDict::kNone; row = dict.previous_live(row)) ++backwards;
  });
  if (sound) require(forwards == backwards && dict.size() == forwards, "walks and the count agree");
  return model;
}

void expect_equal(const TypedDict& dict, const TypedModel& model) {
  u64 row = dict.first_live();
  for (const auto& [order, entry] : model.entries()) {
    require(row != TypedDict::kNone && text(dict.key_at(row), dict.key_bytes()) == entry.first &&
                text(dict.value_at(row), dict.value_bytes()) == entry.second,
            "the dict is as its model");
    require(dict.find(raw(entry.first)) == row, "a key that is there is found");
    row = dict.next_live(row + 1);
  }
  require(row == TypedDict::kNone && dict.size() == model.size(), "the dict holds no more than its model");
}

// Keys of a batch, some of them twice, and a value for each.
class Batch {
 public:
  Batch(const TypedDict& dict, Input& input)
      : key_bytes_(dict.key_bytes()), value_bytes_(dict.value_bytes()) {
    const u64 most = kMaxBytes / (u64{key_bytes_} + value_bytes_) + 1;
    const u64 first = input.byte(), step = input.byte(), span = input.byte() + u64{1};
    count_ = std::min<u64>(input.byte(), most);
    for (u64 i = 0; i < count_; ++i) {
      keys_ += bytes_of((first + i * step) % span, key_bytes_);
      values_ += bytes_of(first + i, value_bytes_);
    }
    out_ = std::string(values_.size(), 'o');
    found_ = std::vector<u8>(count_, 2);
  }
  u64 count() const { return count_; }
  const u8* keys() const { return raw(keys_); }
  const u8* values() const { return raw(values_); }
  std::string key(u64 i) const { return keys_.substr(i * key_bytes_, key_bytes_); }
  std::string value(u64 i) const { return values_.substr(i * value_bytes_, value_bytes_); }

  u8* out() { return reinterpret_cast<u8*>(out_.data()); }
  u8* found() { return found_.data(); }
  // What a call has said of a key: as it should have.
  void require_answer(u64 i, const std::string* expected, const std::string& missing) const {
    require(found_[i] == (expected != nullptr), "a batch tells whether a key is there");
    require(out_.compare(i * value_bytes_, value_bytes_, expected ? *expected : missing) == 0,
            "a batch gives the value");
  }

 private:
  static constexpr u64 kMaxBytes = u64{256} << 10;
  const u32 key_bytes_, value_bytes_;
  u64 count_;
  std::string keys_, values_, out_;
  std::vector<u8> found_;
};

void find_many(const TypedDict& dict, Input& input, const TypedModel& model, bool sound) {
  Batch batch(dict, input);
  const std::string missing(dict.value_bytes(), 'm');
  dict.find_many(batch.keys(), batch.count(), batch.out(), batch.found(), raw(missing));
  std::vector<u8> found(batch.count());
  dict.contains_many(batch.keys(), batch.count(), found.data());
  if (!sound) return;
  for (u64 i = 0; i < batch.count(); ++i) {
    batch.require_answer(i, model.find(batch.key(i)), missing);
    require(found[i] == batch.found()[i], "both calls say which keys are there");
  }
}

void put_many(TypedDict& dict, Input& input, TypedModel& model, bool sound) {
  const Batch batch(dict, input);
  const u64 inserted = dict.put_many(batch.keys(), batch.values(), batch.count());
  const u64 before = model.size();
  if (!sound) return;
  for (u64 i = 0; i < batch.count(); ++i) model.put(batch.key(i), batch.value(i));
  require(inserted == model.size() - before, "put_many() tells how many keys were new");
}

void add_many(TypedDict& dict, Input& input, TypedModel& model, bool sound) {
  using Number = TypedDict::Number;
  const u32 width = dict.value_bytes();
  if (width > 8 || (width & (width - 1)) != 0) return;
  const Batch batch(dict, input);
  const Number number = width == 1   ? Number::integer8
                        : width == 2 ? Number::integer16
                        : width == 4 ? Number::integer32
                                     : Number::integer64;
  dict.add_many(batch.keys(), batch.values(), batch.count(), number);
  if (!sound) return;
  for (u64 i = 0; i < batch.count(); ++i) model.add(batch.key(i), batch.value(i));
}

void erase_many(TypedDict& dict, Input& input, TypedModel& model, bool sound) {
  Batch batch(dict, input);
  const std::string missing(dict.value_bytes(), 'm');
  dict.erase_many(batch.keys(), batch.count(), batch.out(), batch.found(), raw(missing));
  if (!sound) return;
  for (u64 i = 0; i < batch.count(); ++i) {
    batch.require_answer(i, model.find(batch.key(i)), missing);
    model.erase(batch.key(i));
  }
}

void put_or_erase(TypedDict& dict, Input& input, u8 what, TypedModel& model, bool sound) {
  const std::string key = bytes_of(input.byte(), dict.key_bytes());
  if (what & 0x80) {
    const bool erased = dict.erase(raw(key));
    if (sound) require(erased == model.erase(key), "erase() tells whether a key was there");
    return;
  }
  const std::string value = bytes_of(input.byte(), dict.value_bytes());
  const bool inserted = dict.put(raw(key), raw(value));
  if (sound) require(inserted == model.put(key, value), "put() tells whether a key was there");
}

void change_one(TypedDict& dict, Input& input, TypedModel& model, bool sound) {
  const u8 what = input.byte();
  switch (what % 8) {
    case 0:
      return find_many(dict, input, model, sound);
    case 1:
      return put_many(dict, input, model, sound);
    case 2:
      return add_many(dict, input, model, sound);
    case 3:
      return erase_many(dict, input, model, sound);
    case 4: {
      const u64 row = what & 0x80 ? dict.first_live() : dict.last_live();
      if (row == TypedDict::kNone) return;
      const std::string key = text(dict.key_at(row), dict.key_bytes());
      dict.erase_row(row);
      if (sound) require(model.erase(key), "a walk gives keys that are there");
      return;
    }
    case 5:
      if (what != 0xfd) return;
      dict.clear();
      return model.clear();
    default:
      return put_or_erase(dict, input, what, model, sound);
  }
}

class Subject {
 public:
  explicit Subject(Regions& regions) : dict_(regions.store(), regions.member()) {}

  void check(Findings& findings) const { dict_.check(findings); }
  void read(Input& input, bool sound) {
    model_ = walk(dict_, sound);
    if (sound) require_equal();
    answers(sound, [&] { find_many(dict_, input, model_, sound); });
    answers(false, [&] { dict_.value_at(input.magnitude()); });
    answers(false, [&] { dict_.layout(); });
    answers(sound, [&] { dict_.stats(); });
  }
  void change(Input& input, bool sound) { change_one(dict_, input, model_, sound); }
  void require_equal() const { expect_equal(dict_, model_); }

 private:
  TypedDict dict_;
  TypedModel model_;
};

void run(Input input) {
  static Regions regions(TypedDict::kKind, TypedDict::kRegionCount);
  // In order: usual; keys of 4 bytes beside each other; gaps, and hashes that collide; keys of 16 bytes; rows so long
  // that blocks of the region die; a delta that is merged all the time; keys alone, as in a set.
  static const Images sounds[] = {sound_images(regions, layout_of(8, 8, 8, 16, 2, 64), 150),
                                  sound_images(regions, layout_of(4, 4, 1, 5, 512, 64), 90),
                                  sound_images(regions, layout_of(3, 4, 6, 12, 2, 2), 120),
                                  sound_images(regions, layout_of(16, 16, 4, 20, 8, 64), 100),
                                  sound_images(regions, layout_of(8, 8, 100'001, 100'012, 2, 64), 26),
                                  sound_images(regions, layout_of(8, 8, 8, 16, 2, 64, 12), 150),
                                  sound_images(regions, layout_of(8, 8, 0, 8, 2, 64), 150)};
  const Images images = damaged(input, sounds, 16);
  run_structure<Subject>(regions, images, input, 32);
}

}  // namespace
}  // namespace emd::fuzz

extern "C" int LLVMFuzzerTestOneInput(const emd::u8* data, std::size_t size) {
  emd::fuzz::run(emd::fuzz::Input(data, size));
  return 0;
}
