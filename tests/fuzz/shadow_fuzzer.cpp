// Shadow memory over any bytes of its ranges, nodes, chunks and free chunks. Where check() finds nothing, its flags are
// a model: every question about them is answered as the model answers it, and changes do what they do to the model.
#include "structures/shadow/shadow.h"

#include "structure_run.h"

namespace emd::fuzz {
namespace {

// The backed addresses of a model are few enough that all of them are looked at.
constexpr u64 kMostModelled = 400'000;

struct Model {
  std::vector<AddressRange> ranges;
  std::vector<std::vector<u64>> flags;  // of each range
};

Images sound_images(Regions& regions, unsigned width, std::span<const AddressRange> ranges) {
  for (unsigned i = 0; i < Shadow::kRegionCount; ++i) regions.set(i, {});
  Shadow shadow(regions.store(), regions.member());
  const Operation operation(regions.store());
  shadow.lay_out(width);
  shadow.add_ranges(ranges);
  for (const AddressRange& range : ranges) {
    const u64 length = range.last - range.first + 1;
    for (u64 i = 0; i < 40; ++i) {
      const u64 first = range.first + i * i * 97 % length;
      shadow.change(first, first + std::min(range.last - first, i % 7), {~u64{0}, u64{1} << i % 8});
    }
    // All of it alike: pages are given up.
    if (length > 60'000) shadow.change(range.first, range.first + 50'000, {0, 3});
    shadow.change(range.first, range.first, {~u64{0}, 128});
  }
  return regions.images();
}

// Marks far apart, and near to each other: records of each size, a block that is full, pages and nodes.
Images scattered_images(Regions& regions) {
  for (unsigned i = 0; i < Shadow::kRegionCount; ++i) regions.set(i, {});
  Shadow shadow(regions.store(), regions.member());
  const Operation operation(regions.store());
  const AddressRange range{4096, 4096 + 80'000};
  shadow.lay_out(8);  // 512 addresses a page
  shadow.add_ranges({&range, 1});
  for (u64 i = 0; i < 60; ++i) shadow.change(8192 + i * 523, 8192 + i * 523 + i % 3, {~u64{0}, 1 + i % 2});
  for (u64 i = 0; i < 8; ++i) shadow.change(60'928 + i * 50, 60'928 + i * 50, {~u64{0}, 4});
  for (u64 i = 0; i < 18; ++i) shadow.change(70'144 + i * 20, 70'144 + i * 20, {~u64{0}, 8});
  for (u64 i = 0; i < 90; ++i) shadow.change(80'384 + i * 4, 80'384 + i * 4, {~u64{0}, 16});
  return regions.images();
}

// As a version without records left it: each page of its own, of all the addresses that there are.
Images format_1_images(Regions& regions) {
  for (unsigned i = 0; i < Shadow::kRegionCount; ++i) regions.set(i, {});
  Shadow shadow(regions.store(), regions.member());
  const Operation operation(regions.store());
  const AddressRange range{0, 20'000};
  shadow.lay_out(1);
  shadow.add_ranges({&range, 1});
  for (u64 at = 0; at <= 20'000; at += 7) shadow.change(at, at + 1, {~u64{0}, 1 + at % 5});
  Images images = regions.images();
  images[0][offsetof(ShadowHeader, format)] = kShadowFormat;
  std::fill(images[0].begin() + offsetof(ShadowHeader, blocks_with_room), images[0].begin() + kShadowRangesAt,
            u8{0});
  return images;
}

class Subject {
 public:
  explicit Subject(Regions& regions) : shadow_(regions.store(), regions.member()) {}

  void check(Findings& findings) const { shadow_.check(findings); }
  void read(Input& input, bool sound) {
    answers(sound, [&] {
      model_.ranges = shadow_.ranges();
      u64 addresses = 0;
      for (const AddressRange& range : model_.ranges) {
        const u64 count = std::min(range.last - range.first, kMostModelled) + 1;
        addresses = std::min(addresses + count, 2 * kMostModelled);
      }
      modelled_ = addresses <= kMostModelled;
      for (const AddressRange& range : model_.ranges) {
        if (modelled_) model_.flags.push_back(read(range));
      }
    });
    for (unsigned count = input.byte() % 8; count != 0; --count)
      answers(sound, [&] { ask(input, sound && modelled_); });
    answers(sound, [&] { shadow_.stats(); });
  }
  void change(Input& input, bool sound) {
    const bool modelled = sound && modelled_;
    const u8 what = input.byte();
    if (what % 8 == 0) return add_range(input, modelled);
    if (what % 8 == 1) return ask(input, modelled);
    const auto run = some_run(input);
    if (!run) return;
    const u64 flags = input.byte() * u64{0x0101010101010101} & shadow_.all_flags();
    if (what % 8 == 2) return write(input, *run, modelled);
    if (what % 8 == 3) return count_up(input, *run, modelled);
    const FlagChange changes[] = {{~u64{0}, flags}, {~flags, 0}, {0, flags}};
    const FlagChange change = changes[what / 8 % 3];
    // More than 64 MiB of pages are changed in parts.
    const u64 last = shadow_.change(run->first, run->last, change);
    if (!modelled) return;
    require(last == run->last, "few pages are changed at once");
    for (u64 i = 0; i <= run->last - run->first; ++i) {
      u64& at = flags_at(run->first + i);
      at = change(at) & shadow_.all_flags();
    }
  }
  void require_equal() const {
    if (!modelled_) return;
    require(shadow_.ranges() == model_.ranges, "the ranges are those of the model");
    for (std::size_t i = 0; i < model_.ranges.size(); ++i)
      require(read(model_.ranges[i]) == model_.flags[i], "the flags are those of the model");
  }

 private:
  std::vector<u64> read(const AddressRange& range) const {
    const u64 count = range.last - range.first + 1, width = shadow_.stored_width();
    std::vector<u8> bytes(count * width);
    shadow_.read(range.first, range.last, bytes.data());
    std::vector<u64> flags(count);
    for (u64 i = 0; i < count; ++i) std::memcpy(&flags[i], bytes.data() + i * width, width);
    return flags;
  }
  u64& flags_at(u64 address) {
    std::size_t i = 0;
    while (model_.ranges[i].last < address) ++i;
    return model_.flags[i][address - model_.ranges[i].first];
  }

  // Addresses of one range.
  std::optional<AddressRange> some_run(Input& input) const {
    if (model_.ranges.empty()) return std::nullopt;
    const AddressRange range = model_.ranges[input.below(model_.ranges.size())];
    const u64 first = range.first + input.below(std::max<u64>(range.last - range.first, 1));
    const u64 most = input.byte() % 2 ? 40 : modelled_ ? kMostModelled : u64{1} << 40;
    return AddressRange{first, first + std::min(range.last - first, input.below(most))};
  }

  void write(Input& input, const AddressRange& run, bool modelled) {
    const u64 count = std::min<u64>(run.last - run.first + 1, 20'000), width = shadow_.stored_width();
    const u8 seed = input.byte(), step = input.byte() % 3;
    std::vector<u8> bytes(count * width);
    for (u64 i = 0; i < bytes.size(); ++i)
      bytes[i] = i % width < shadow_.width() ? static_cast<u8>(seed + i / 50 * step) : 0;
    shadow_.write(run.first, bytes);
    for (u64 i = 0; modelled && i < count; ++i) {
      u64 flags = 0;
      std::memcpy(&flags, bytes.data() + i * width, width);
      flags_at(run.first + i) = flags;
    }
  }

  void count_up(Input& input, const AddressRange& run, bool modelled) {
    const emd::FlagCounter counter{static_cast<unsigned>(input.byte() % 4), 4, input.byte()};
    const u64 last =
        shadow_.count_up(run.first, run.first + std::min<u64>(run.last - run.first, 20'000), counter);
    for (u64 i = 0; modelled && i <= last - run.first; ++i) {
      u64& at = flags_at(run.first + i);
      at = counter(at);
    }
    const auto runs = shadow_.flag_runs(run.first, run.last, 100);
    for (const emd::FlagRun& found : runs)
      if (modelled) require(flags_at(found.first) == found.flags, "a run has the flags of the model");
  }

  // Behind a range, or between two; what it is merged with says ranges().
  void add_range(Input& input, bool modelled) {
    const auto run = some_run(input);
    if (!run) return;
    const u64 more = input.number<u16>() % 3000;
    const AddressRange range{run->first, run->last + std::min(~run->last, more)};
    shadow_.add_ranges({&range, 1});
    if (!modelled) return;
    const Model before = std::exchange(model_, {shadow_.ranges(), {}});
    for (const AddressRange& now : model_.ranges) {
      require(now.last - now.first <= 2 * kMostModelled, "ranges grow by what was added");
      model_.flags.push_back(std::vector<u64>(now.last - now.first + 1));
    }
    for (std::size_t i = 0; i < before.ranges.size(); ++i) {
      for (u64 at = 0; at < before.flags[i].size(); ++at)
        flags_at(before.ranges[i].first + at) = before.flags[i][at];
    }
  }

  // The same question to the structure and, address by address, to the model.
  void ask(Input& input, bool modelled) {
    const auto run = some_run(input);
    if (!run) return;
    const u64 mask = input.byte() * u64{0x0101010101010101} & shadow_.all_flags();
    const WantedFlags wanted{mask, input.byte() % 2 ? mask : 0, input.byte() % 4 == 0};
    const u64 length = 1 + input.byte() % 12;
    const u64 count = shadow_.count(run->first, run->last, wanted);
    const u64 run_length = shadow_.run_length(run->first, wanted);
    const auto found = shadow_.find(run->first, run->last, wanted);
    const auto whole = shadow_.find_run(run->first, run->last, wanted, length);
    shadow_.find_run(0, ~u64{0}, wanted, length);
    const auto runs = shadow_.runs(0, ~u64{0}, wanted, 20);
    require(runs.size() <= 20, "no more runs than were asked for");
    if (!modelled) return;
    require(count == modelled_count(*run, wanted), "count() counts");
    require(found == modelled_run(*run, wanted, 1), "find() finds the first");
    require(whole == modelled_run(*run, wanted, length), "find_run() finds the first");
    require((run_length != 0) == wanted(flags_at(run->first)), "run_length() begins with the address");
    for (const AddressRange& one : runs)
      require(shadow_.count(one.first, one.last, wanted) == one.last - one.first + 1, "runs() gives runs");
  }
  u64 modelled_count(const AddressRange& run, const WantedFlags& wanted) {
    u64 count = 0;
    for (u64 i = 0; i <= run.last - run.first; ++i) count += wanted(flags_at(run.first + i));
    return count;
  }
  std::optional<u64> modelled_run(const AddressRange& run, const WantedFlags& wanted, u64 length) {
    u64 so_far = 0;
    for (u64 i = 0; i <= run.last - run.first; ++i) {
      so_far = wanted(flags_at(run.first + i)) ? so_far + 1 : 0;
      if (so_far == length) return run.first + i - (length - 1);
    }
    return std::nullopt;
  }

  Shadow shadow_;
  Model model_;
  bool modelled_ = false;
};

void run(Input input) {
  static Regions regions(Shadow::kKind, Shadow::kRegionCount);
  static constexpr AddressRange kOne[] = {{0x401000, 0x401000 + 70'000}};
  static constexpr AddressRange kLow[] = {{0, 9'000}, {0x200000 - 2'000, 0x200000 + 3'000}};
  static constexpr AddressRange kFar[] = {{u64{1} << 40, (u64{1} << 40) + 5'000},
                                          {~u64{0} - 9'999, ~u64{0} - 1}};
  static constexpr AddressRange kHuge[] = {{u64{1} << 32, u64{1} << 62}};
  static const Images sounds[] = {sound_images(regions, 1, kOne), sound_images(regions, 2, kLow),
                                  sound_images(regions, 8, kFar), sound_images(regions, 4, kHuge),
                                  sound_images(regions, 3, kLow), sound_images(regions, 7, kOne),
                                  scattered_images(regions),      format_1_images(regions)};
  const Images images = damaged(input, sounds, 40);
  run_structure<Subject>(regions, images, input, 24);
}

}  // namespace
}  // namespace emd::fuzz

extern "C" int LLVMFuzzerTestOneInput(const emd::u8* data, std::size_t size) {
  emd::fuzz::run(emd::fuzz::Input(data, size));
  return 0;
}
