// TypedDict::Sweep: the first step, which names candidates, and the last, which compares keys with rows.
#include "structures/typed_dict/sweep.h"

#include "structures/typed_dict/keys.h"

namespace emd {

using Entry = SweepOrder::Entry;

TypedDict::Sweep::Sweep(const TypedDict& dict, const u8* keys, u64 count)
    : keys_(keys), order_(count, [&](u64 i) { return dict.hash(keys + i * dict.key_bytes_); }) {}

u64 TypedDict::Sweep::name_rows(const TypedDict& dict, u64 first) {
  const auto hash_of = [&](const Entry& entry) { return dict.hash(key(dict, entry)); };
  order_.ask_ahead(first, kSlotsPerBucket * sizeof(u64), [&](const Entry& entry) {
    const u64 hash = hash_of(entry);
    return dict.known_new(hash) ? nullptr : dict.index_.bucket_address(hash);
  });
  const std::span<Entry> step = order_.step(first);
  for (Entry& entry : step) {
    const u64 hash = hash_of(entry);
    entry.sort_key = dict.known_new(hash) ? kNone : dict.index_.candidate(hash);
  }
  return first + step.size();
}

u64 TypedDict::Sweep::take_values(const TypedDict& dict, u64 first, u8* out, u8* found, const u8* missing,
                                  u64& hits) {
  order_.ask_ahead(first, dict.row_bytes_, [&](const Entry& entry) {
    return entry.sort_key == kNone ? nullptr : dict.row_at(entry.sort_key);
  });
  const std::span<Entry> step = order_.step(first);
  hits = 0;
  dict.with_keys([&](const auto& keys) {
    for (const Entry& entry : step) hits += take_one(dict, keys, entry, out, found, missing);
  });
  return first + step.size();
}

// One or zero: whether it is there.
template <class Keys>
u64 TypedDict::Sweep::take_one(const TypedDict& dict, const Keys& keys, const Entry& entry, u8* out,
                               u8* found, const u8* missing) const {
  const u8* const wanted = key(dict, entry);
  u64 row = entry.sort_key;
  if (row != kNone && !keys.same(dict.key_at(row), wanted)) {
    row = dict.find_row(keys, dict.hash(wanted), wanted, nullptr);
  }
  const u8* const value = row == kNone ? missing : dict.value_at(row);
  if (value != nullptr) copy_value(out + entry.key * dict.value_bytes_, value, dict.value_bytes_);
  if (found != nullptr) found[entry.key] = row != kNone;
  return row != kNone;
}

}  // namespace emd
