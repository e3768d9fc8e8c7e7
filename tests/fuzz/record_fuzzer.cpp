// RecordLog over any bytes: walks, look-ups and erasure. Where check() finds nothing, all of it must work.
#include "alloc/record_log.h"

#include "input.h"
#include "oracle.h"
#include "patches.h"
#include "regions.h"
#include "structures/list/list.h"

namespace emd::fuzz {
namespace {

constexpr unsigned kLog = 0, kOwner = 1;

struct Log {
  Regions& regions;
  RecordLog log{regions[kLog], regions[kOwner], 0};
};

u64 append(RecordLog& log, Bytes key, Bytes annex, Bytes value) {
  const RecordLog::Shape shape = log.shape(key, annex, value.size());
  log.reserve(shape);
  return log.append(shape, key, annex, value);
}

// A log of every kind of record: small, wide, with an annex, with a reference, tombstones in the middle.
std::vector<Image> sound_image(Regions& regions) {
  regions.set(kLog, {});
  regions.set(kOwner, Image(sizeof(RecordLogState)));
  Log subject{regions};
  std::vector<u64> offsets;
  {
    const Operation operation(regions.store());
    for (u64 i = 0; i < 60; ++i) {
      const std::string key = "key" + std::to_string(i), annex(i % 3 == 0 ? i : 0, 'a');
      const std::string value(i % 20 == 19 ? 2500 : i % 7 == 6 ? 300 : i % 16, 'v');
      offsets.push_back(append(subject.log, as_bytes(key), as_bytes(annex), as_bytes(value)));
    }
    for (u64 i = 0; i < 60; i += 4) subject.log.set_reference(subject.log.read(offsets[i]), 4096 + i);
    for (u64 i = 0; i < 60; i += i % 3 + 1)
      subject.log.erase(subject.log.plan_erase(subject.log.read(offsets[i])));
  }
  return regions.images();
}

// Both walks, in step with each other; every record that is reached can be read again. The number of steps is bounded
// by the bytes, whatever they are.
std::vector<u64> walk(const RecordLog& log, u64 log_bytes, bool sound) {
  std::vector<u64> offsets;
  const u64 limit = log_bytes / RecordLog::kMinBytes + 1;
  answers(sound, [&] {
    RecordView view;
    for (u64 at = 0; log.forward(at, view); at = view.offset + view.bytes) {
      offsets.push_back(view.offset);
      require(offsets.size() <= limit, "a walk ends");
      RecordView again;
      require(log.match(view.offset, view.key, again), "a record that was walked to has its key");
      require(again.value_size == view.value_size && again.room >= again.value_size,
              "a value lies in its room");
    }
  });
  u64 steps = 0;
  answers(sound, [&] {
    RecordView view;
    for (u64 at = log.end(); log.backward(at, view); at = view.offset) {
      ++steps;
      require(steps <= limit, "a walk backwards ends");
      if (sound) require(view.offset == offsets[offsets.size() - steps], "walks agree");
    }
  });
  if (sound) require(steps == offsets.size(), "walks reach the same records");
  return offsets;
}

// Touches every byte that a view says it has.
u64 touch(const RecordView& view) {
  u64 sum = 0;
  for (const u8 byte : view.key) sum += byte;
  for (const u8 byte : view.annex) sum += byte;
  for (u64 i = 0; i < view.room; ++i) sum += view.value[i];
  return sum;
}

void read_anywhere(const RecordLog& log, Input& input, const std::vector<u64>& offsets) {
  for (unsigned count = input.byte() % 8; count != 0; --count) {
    const u64 at =
        offsets.empty() || input.byte() % 2 ? input.magnitude() : offsets[input.below(offsets.size())];
    answers(false, [&] { touch(log.read(at)); });
    RecordView view;
    answers(false, [&] { log.forward(at, view); });
    answers(false, [&] { log.backward(at, view); });
  }
}

void change(Log& subject, Input& input, bool sound) {
  const Operation operation(subject.regions.store());
  RecordLog& log = subject.log;
  for (unsigned count = input.byte() % 32; count != 0; --count) {
    const u8 what = input.byte();
    answers(sound, [&] {
      RecordView view;
      // The first record of a walk from somewhere sound: the front, or behind some records.
      u64 at = 0;
      bool there = log.forward(at, view);
      for (unsigned skip = what >> 2 & 31; there && skip != 0; --skip) {
        at = view.offset + view.bytes;
        RecordView next;
        if (!log.forward(at, next)) break;
        view = next;
      }
      if (what % 4 == 0 || !there) {
        const std::string key = input.text(input.byte()), annex = input.text(input.byte() % 32),
                          value = input.text(input.number<u16>() % 3000);
        const u64 offset = append(log, as_bytes(key), as_bytes(annex), as_bytes(value));
        const RecordView added = log.read(offset);
        require(as_text(added.key) == key && as_text(added.annex) == annex &&
                    as_text({added.value, added.value_size}) == value,
                "a record is read as it was appended");
      } else if (what % 4 == 1) {
        const std::string value = input.text(input.below(view.room + 1));
        log.set_inline(view, as_bytes(value));
        const RecordView now = log.read(view.offset);
        require(as_text({now.value, now.value_size}) == value, "a value is read as it was set");
      } else if (what % 4 == 2) {
        log.set_reference(view, what);
        require(log.reference(log.read(view.offset)) == what, "a reference is read as it was set");
      } else {
        log.erase(log.plan_erase(view));
      }
    });
  }
}

Findings check(const RecordLog& log) {
  Findings findings;
  answers(false, [&] { log.check(findings, [](const RecordView& view) { touch(view); }); });
  return findings;
}

std::vector<Image> make_images(Input& input, const std::vector<Image>& sound) {
  const u8 mode = input.byte();
  std::vector<Image> images = sound;
  if (mode & 1) {
    RecordLogState state{input.number<u16>(), input.number<u16>()};
    if (mode & 2) state.end = input.magnitude();
    store(images[kOwner].data(), state);
    images[kLog].clear();
  } else {
    apply_patches(input, images[kLog]);
    if (mode & 2) apply_patch(input, images[kOwner]);
    if (mode & 4) resize(input, images[kLog], 1);
  }
  return images;
}

void run(Input input) {
  static Regions regions(List::kKind, 2);
  static const std::vector<Image> sound_images = sound_image(regions);
  const bool raw = input.empty() ? false : Input(input).byte() & 1;
  std::vector<Image> images = make_images(input, sound_images);
  const u8 changes = input.byte();
  if (raw) {
    // What is left is the log; the operations are read from its bytes too.
    const Bytes rest = Input(input).rest();
    images[kLog].assign(rest.begin(), rest.end());
  }
  regions.set(images);
  Log subject{regions};
  bool sound = false;
  {
    const Regions::Fence fence(regions);
    sound = check(subject.log).empty();
    read_anywhere(subject.log, input, walk(subject.log, images[kLog].size(), sound));
  }
  if (changes % 4 == 0) return;
  change(subject, input, sound);
  if (!sound) return;
  require_sound(check(subject.log), "before the changes");
  walk(subject.log, subject.log.end(), true);
}

}  // namespace
}  // namespace emd::fuzz

extern "C" int LLVMFuzzerTestOneInput(const emd::u8* data, std::size_t size) {
  emd::fuzz::run(emd::fuzz::Input(data, size));
  return 0;
}
