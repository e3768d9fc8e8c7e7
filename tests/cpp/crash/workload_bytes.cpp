// The members of a workload whose model is a string of bytes: arrays, shadow memory and bare regions.
#include <algorithm>
#include <bit>
#include <cstring>

#include "crash/workload_member.h"

namespace emd::testing {
namespace {

// The part of a bare region that may die.
constexpr u64 kDeadBegin = 4096, kDeadBytes = 8192;

// An array's items.
const Array::Type kItems{"<u8", 8, {3}};
constexpr u64 kItemBytes = 24;

// The first address of shadow memory: so that it spans two nodes of the lowest level.
constexpr u64 kShadowBase = (u64{2} << 20) - 10000;
constexpr u64 kShadowBytes = 200000;  // of flags

u64 load_flags(const std::string& bytes, u64 at, unsigned width) {
  u64 flags = 0;
  std::memcpy(&flags, bytes.data() + at * width, width);
  return flags;
}

void store_flags(std::string& bytes, u64 at, unsigned width, u64 flags) {
  std::memcpy(bytes.data() + at * width, &flags, width);
}

std::optional<std::string> region_difference(const Region& region, const std::string& bytes) {
  if (region.size() != bytes.size()) return counts("bytes", bytes.size(), region.size());
  const auto* const found = reinterpret_cast<const char*>(region.data());
  const auto [at, expected] = std::mismatch(found, found + bytes.size(), bytes.begin());
  if (expected == bytes.end()) return std::nullopt;
  return "byte " + std::to_string(at - found) + " is another";
}

std::optional<std::string> array_difference(const Array& array, const std::string& bytes) {
  const u64 size = array.laid_out() ? array.size() : 0;
  if (size != bytes.size() / kItemBytes) return counts("items", bytes.size() / kItemBytes, size);
  if (size != 0 && as_text(array.items(0, size)) != bytes) return "an item is another";
  return std::nullopt;
}

std::optional<std::string> shadow_difference(const Shadow& shadow, const std::string& bytes) {
  if (!shadow.laid_out() || shadow.range_count() == 0) {
    if (bytes.empty()) return std::nullopt;
    return counts("addresses", bytes.size(), 0);
  }
  const u64 addresses = bytes.size() / shadow.stored_width();
  const AddressRange last{kShadowBase, kShadowBase + addresses - 1};
  if (addresses == 0 || shadow.ranges() != std::vector<AddressRange>{last}) return "the ranges are others";
  std::string found(bytes.size(), '\0');
  shadow.read(last.first, last.last, reinterpret_cast<u8*>(found.data()));
  if (found != bytes) return "flags are others";
  return std::nullopt;
}

}  // namespace

std::optional<std::string> WorkloadMember::bytes_difference(const std::string& bytes) const {
  if (array_) return array_difference(*array_, bytes);
  if (shadow_) return shadow_difference(*shadow_, bytes);
  return region_difference(region(), bytes);
}

// ---- array

void WorkloadMember::resize(Content& model, u64 items) {
  array_->resize(items);
  model.bytes.resize(items * kItemBytes);
}

void WorkloadMember::store_through_view(Content& model, Random& random) {
  if (!view_) view_ = array_->view(true);
  const u64 reach = std::min<u64>(view_->size(), model.bytes.size());  // its growth may have been rolled back
  if (reach == 0) return;
  for (u64 i = random() % 8; i-- > 0;) {
    const u64 at = random() % reach;
    const std::string text = random_text(random, std::min<u64>(1 + random() % 5000, reach - at));
    std::memcpy(view_->data() + at, text.data(), text.size());
    model.bytes.replace(at, text.size(), text);
  }
}

void WorkloadMember::change_array(Content& model, Random& random) {
  if (!array_->laid_out()) array_->lay_out(kItems);
  const u64 items = model.bytes.size() / kItemBytes;
  const u64 draw = random() % 16;
  if (draw < 5) return store_through_view(model, random);
  if (draw == 5) return view_.reset();
  if (draw < 9 && items != 0) {
    const u64 from = random() % items;
    const u64 count = std::min(items - from, 1 + random() % (random() % 3 == 0 ? 300 : 3));
    const std::string text = random_text(random, count * kItemBytes);
    array_->set(from, as_bytes(text));
    model.bytes.replace(from * kItemBytes, text.size(), text);
    return;
  }
  if (draw == 9 && !view_) return resize(model, random() % 3 == 0 ? items / 3 : items - items / 9);
  if (draw == 10) return resize(model, items + random() % 2000);
  const std::string text =
      random_text(random, (random() % 4 == 0 ? random() % 4000 : random() % 30) * kItemBytes);
  array_->extend(as_bytes(text));
  model.bytes += text;
}

// ---- shadow memory

void WorkloadMember::change_shadow(Content& model, Random& random) {
  if (!shadow_->laid_out()) shadow_->lay_out(1 + static_cast<unsigned>(random() % 8));
  const unsigned width = shadow_->stored_width();
  const u64 size = model.bytes.size() / width;
  if (size == 0 || (model.bytes.size() < kShadowBytes && random() % 4 == 0)) {
    const u64 more = 1 + random() % (30000 / width);
    const AddressRange range{kShadowBase + size / 2, kShadowBase + size + more - 1};
    shadow_->add_ranges({&range, 1});
    model.bytes.append(more * width, '\0');
    return;
  }
  // Few marks are records, many are pages: both again and again.
  const bool clear = random() % 12 == 0;
  const u64 from = clear ? 0 : random() % size;
  const u64 most = random() % 3 == 0 ? size - from : std::min<u64>(size - from, 300);
  const u64 count = clear               ? size
                    : random() % 3 != 0 ? std::min<u64>(most, 1 + random() % 3)
                                        : 1 + random() % most;
  if (!clear && random() % 6 == 0) {
    std::string text = random_text(random, count * width);
    for (u64 i = 0; i < count; ++i)
      store_flags(text, i, width, load_flags(text, i, width) & shadow_->all_flags());
    shadow_->write(kShadowBase + from, as_bytes(text));
    model.bytes.replace(from * width, text.size(), text);
    return;
  }
  const u64 flags = std::bit_floor(shadow_->all_flags()) >> (random() % 8);
  const FlagChange changes[] = {{~u64{0}, flags}, {~flags, 0}, {0, flags}};
  const FlagChange change = clear ? FlagChange{0, 0} : changes[random() % 3];
  shadow_->change(kShadowBase + from, kShadowBase + from + count - 1, change);
  for (u64 i = from; i < from + count; ++i)
    store_flags(model.bytes, i, width, change(load_flags(model.bytes, i, width)));
}

// ---- bare region

void WorkloadMember::rewrite_bytes(Content& model, Random& random) {
  std::string text = random_text(random, random() % 30000);
  Region::Rewrite rewrite = region().rewrite(text.size());
  rewrite.write(0, as_bytes(text));
  region().finish(std::move(rewrite));
  model.bytes = std::move(text);
  model.dead = false;
}

// Dead bytes may read as anything, so they are given the value that they will have when they are punched.
void WorkloadMember::kill_bytes(Content& model) {
  std::memset(region().writable(kDeadBegin, kDeadBytes), 0, kDeadBytes);
  region().note_dead(kDeadBegin, kDeadBytes);
  std::fill_n(model.bytes.begin() + kDeadBegin, kDeadBytes, '\0');
  model.dead = true;
}

void WorkloadMember::change_bytes(Content& model, Random& random) {
  const u64 size = model.bytes.size();
  const u64 draw = random() % 10;
  if (workload_.subject == Subject::large && size < u64{64} << 20) {
    const u64 zeros = (u64{64} << 20) - size + random() % 20000;
    region().extend(zeros);
    return model.bytes.append(zeros, '\0'), void();
  }
  if (draw < 5 && size != 0) {
    const u64 alive = model.dead ? kDeadBegin + kDeadBytes : 0;
    const u64 at = alive + random() % (size - alive);
    const u64 most = random() % 3 == 0 ? 6000 : 40;
    const std::string text = random_text(random, std::min<u64>(1 + random() % most, size - at));
    std::memcpy(region().writable(at, text.size()), text.data(), text.size());
    model.bytes.replace(at, text.size(), text);
    return;
  }
  if (draw == 5) return rewrite_bytes(model, random);
  if (draw == 6 && size > 20000 && !model.dead) return kill_bytes(model);
  const std::string text = random_text(random, random() % 4 == 0 ? random() % 90000 : random() % 600);
  region().append(as_bytes(text));
  model.bytes += text;
}

}  // namespace emd::testing
