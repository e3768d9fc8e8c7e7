// Many keys at once. They are looked up in blocks: hashes, and their buckets on the way; candidates, and their rows on
// the way; comparisons. A core alone would wait for two lines a key, one after the other; so it waits for many at a time.
#include <algorithm>

#include "structures/typed_dict_keys.h"

namespace emd {

// The row of each key of a block, or kNone.
template <class Keys>
void TypedDict::locate(const Keys& keys, const u8* key, unsigned count, Block& block) const {
  const u64 limit = row_count();
  for (unsigned i = 0; i < count; ++i) {
    block.hashes[i] = keys.hash(key + std::size_t{i} * keys.size(), seed_) & hash_mask_;
    index_.prefetch(block.hashes[i]);
    filter_.prefetch(block.hashes[i]);
  }
  const u8* const base = rows_.data() + rows_offset_;
  const u64 stride = row_bytes_;
  for (unsigned i = 0; i < count; ++i) {
    const u64 hash = block.hashes[i];
    const u64 row = block.rows[i] = filter_.excludes(hash, limit) ? kNone : index_.candidate(hash);
    if (row == kNone) continue;
    if (__builtin_expect(row >= limit, 0)) damaged_row(row);
    __builtin_prefetch(base + row * stride);
    if (stride > 16) __builtin_prefetch(base + row * stride + stride - 1);
  }
  for (unsigned i = 0; i < count; ++i) {
    const u64 row = block.rows[i];
    const u8* const wanted = key + std::size_t{i} * keys.size();
    if (row != kNone && __builtin_expect(!keys.same(base + row * stride, wanted), 0)) {
      block.rows[i] = find_row(keys, block.hashes[i], wanted, nullptr);
    }
  }
}

// Where pages are missing: has the disk read those of all buckets, and then those of all rows. Not of keys that are known
// to be new. The kernel is told that the pages are single ones, or it would read 31 around one that is missed nevertheless.
template <class Keys>
void TypedDict::ask_ahead(const Keys& keys, const u8* key, u64 count) const {
  if (!readahead_.begin_batch()) return;
  const auto hash_of = [&](u64 i) { return keys.hash(key + i * keys.size(), seed_) & hash_mask_; };
  for (Region* region : {&index_region_, &rows_}) region->advise(Access::random);
  for (u64 i = 0; i < count; ++i) {
    const u64 hash = hash_of(i);
    if (!known_new(hash)) readahead_.ask(index_.bucket_address(hash), kSlotsPerBucket * sizeof(u64));
  }
  for (u64 i = 0; i < count; ++i) {
    const u64 hash = hash_of(i);
    const u64 row = known_new(hash) ? kNone : index_.candidate(hash);
    if (row != kNone) readahead_.ask(row_at(row), row_bytes_);
  }
}

// Calls visit(keys, block, first, count) for block after block, located.
template <class Visit>
void TypedDict::for_blocks(const u8* key, u64 count, Visit&& visit) const {
  with_keys([&](const auto& keys) {
    Block block;
    for (u64 first = 0; first < count; first += kBlock) {
      if (first % kGroup == 0) ask_ahead(keys, key + first * keys.size(), std::min(kGroup, count - first));
      const unsigned here = static_cast<unsigned>(std::min<u64>(kBlock, count - first));
      locate(keys, key + first * keys.size(), here, block);
      visit(keys, block, first, here);
    }
  });
}

u64 TypedDict::find_many(const u8* keys, u64 count, u8* out, u8* found, const u8* missing) const {
  u64 hits = 0;
  for_blocks(keys, count, [&](const auto&, const Block& block, u64 first, unsigned here) {
    const u8* const values = rows_.data() + rows_offset_ + value_offset_;
    u8* to = out + first * value_bytes_;
    for (unsigned i = 0; i < here; ++i, to += value_bytes_) {
      const bool is_there = block.rows[i] != kNone;
      const u8* const from = is_there ? values + block.rows[i] * row_bytes_ : missing;
      if (from != nullptr) copy_value(to, from);
      if (found != nullptr) found[first + i] = is_there;
      hits += is_there;
    }
  });
  return hits;
}

u64 TypedDict::contains_many(const u8* keys, u64 count, u8* found) const {
  u64 hits = 0;
  for_blocks(keys, count, [&](const auto&, const Block& block, u64 first, unsigned here) {
    for (unsigned i = 0; i < here; ++i) {
      found[first + i] = block.rows[i] != kNone;
      hits += found[first + i];
    }
  });
  return hits;
}

u64 TypedDict::put_many(const u8* key, const u8* value, u64 count) {
  reserve_rows(std::min<u64>(count, kBlock));
  u64 inserted = 0;
  for_blocks(key, count, [&](const auto& keys, const Block& block, u64 first, unsigned here) {
    for (unsigned i = 0; i < here; ++i) {
      const u8* const from = value + (first + i) * value_bytes_;
      if (block.rows[i] != kNone) {
        set_value(block.rows[i], from);
      } else {  // or it came with an equal key of this block
        inserted += put_with(keys, block.hashes[i], key + (first + i) * keys.size(), from);
      }
    }
  });
  return inserted;
}

template <class Add>
void TypedDict::add_with(const u8* key, const u8* deltas, u64 count, Add&& add) {
  for_blocks(key, count, [&](const auto& keys, const Block& block, u64 first, unsigned here) {
    for (unsigned i = 0; i < here; ++i) {
      const u8* const from = key + (first + i) * keys.size();
      const u8* const delta = deltas + (first + i) * value_bytes_;
      u64 row = block.rows[i];
      if (row == kNone) row = find_row(keys, block.hashes[i], from, nullptr);
      if (row == kNone) {
        put_with(keys, block.hashes[i], from, delta);
      } else {
        add(rows_.writable(offset_of(row) + value_offset_, value_bytes_), delta);
      }
    }
  });
}

namespace {
template <class T>
void add_to(u8* value, const u8* delta) {
  store(value, static_cast<T>(load<T>(value) + load<T>(delta)));
}
}  // namespace

void TypedDict::add_many(const u8* keys, const u8* deltas, u64 count, Number number) {
  switch (number) {
    case Number::integer8:
      return add_with(keys, deltas, count, add_to<u8>);
    case Number::integer16:
      return add_with(keys, deltas, count, add_to<u16>);
    case Number::integer32:
      return add_with(keys, deltas, count, add_to<u32>);
    case Number::integer64:
      return add_with(keys, deltas, count, add_to<u64>);
    case Number::float32:
      return add_with(keys, deltas, count, add_to<float>);
    case Number::float64:
      return add_with(keys, deltas, count, add_to<double>);
  }
}

// A key may come twice in a block: its row has died by then, and may even be another's.
u64 TypedDict::erase_many(const u8* key, u64 count, u8* out, u8* found, const u8* missing) {
  u64 erased = 0;
  for_blocks(key, count, [&](const auto& keys, const Block& block, u64 first, unsigned here) {
    for (unsigned i = 0; i < here; ++i) {
      const u8* const from = key + (first + i) * keys.size();
      const u64 row = block.rows[i] == kNone ? kNone : find_row(keys, block.hashes[i], from, nullptr);
      const u8* const value = row == kNone ? missing : value_at(row);
      if (out != nullptr && value != nullptr) copy_value(out + (first + i) * value_bytes_, value);
      if (found != nullptr) found[first + i] = row != kNone;
      if (row == kNone) continue;
      erase_row(row, block.hashes[i]);
      ++erased;
    }
  });
  return erased;
}

}  // namespace emd
