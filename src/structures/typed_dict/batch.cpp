// Many keys at once. They are looked up in blocks: hashes, and their buckets on the way; candidates, and their rows on
// the way; comparisons. A core alone would wait for two lines a key, one after the other; so it waits for many at a
// time.
#include <algorithm>
#include <utility>

#include "structures/typed_dict/keys.h"

namespace emd {

// The row of each key of a block, or kNone.
template <class Keys>
void TypedDict::locate(const Keys& keys, const u8* key, unsigned count, Block& block) const {
  const u64 seed = seed_, mask = hash_mask_;
  for (unsigned i = 0; i < count; ++i) {
    block.hashes[i] = keys.hash(key + std::size_t{i} * keys.size(), seed) & mask;
  }
  const HashIndex* const index = filter_.empty() ? index_.only_main() : nullptr;
  if (__builtin_expect(index != nullptr, 1)) {
    guess_rows(*index, count, block);
  } else {
    guess_buffered_rows(count, block);
  }
  const u8* const rows = rows_.data() + rows_offset_;
  const u64 stride = row_bytes_;
  for (unsigned i = 0; i < count; ++i) {
    const u8* const wanted = key + std::size_t{i} * keys.size();
    const u64 row = block.rows[i];
    if (row == kNone || __builtin_expect(keys.same(rows + row * stride, wanted), 1)) continue;
    block.rows[i] = find_row(keys, block.hashes[i], wanted, nullptr);
    block.slots[i] = 0;
  }
}

// Fetches rows that the index has named; what a row is checked against is read once a block.
class TypedDict::RowFetcher {
 public:
  explicit RowFetcher(const TypedDict& dict)
      : dict_(dict),
        base_(dict.rows_.data() + dict.rows_offset_),
        count_(dict.row_count()),
        stride_(dict.row_bytes_) {}
  void prefetch(u64 row) const {
    if (__builtin_expect(row >= count_, 0)) dict_.damaged_row(row);
    __builtin_prefetch(base_ + row * stride_);
    if (stride_ > 16) __builtin_prefetch(base_ + row * stride_ + stride_ - 1);
  }

 private:
  const TypedDict& dict_;
  const u8* base_;
  u64 count_, stride_;
};

// Of each key the row that is probably its own, if any is, fetched. Keys that are not in their first bucket come last,
// when the buckets behind those have arrived.
inline void TypedDict::guess_rows(const HashIndex& index, unsigned count, Block& block) const {
  const HashIndex::Batch batch(index);
  const RowFetcher rows(*this);
  for (unsigned i = 0; i < count; ++i) block.probes[i] = batch.probe(block.hashes[i]);
  std::array<unsigned, kBlock> further;
  unsigned further_count = 0;
  for (unsigned i = 0; i < count; ++i) {
    const u64 row = block.rows[i] = batch.candidate(block.probes[i]);
    if (row == HashIndex::Batch::kElsewhere) {
      further[further_count++] = i;
    } else if (row == kNone) {
      block.slots[i] = batch.free_slot(block.probes[i]);
    } else {
      rows.prefetch(row);
    }
  }
  for (unsigned k = 0; k < further_count; ++k) {
    const unsigned i = further[k];
    block.rows[i] = batch.candidate_elsewhere(block.hashes[i], block.slots[i]);
    if (block.rows[i] != kNone) rows.prefetch(block.rows[i]);
  }
}

// The same while entries are in the delta, or the filter knows of keys that they are new. No slot is found: where a new
// entry goes is decided when it comes.
inline void TypedDict::guess_buffered_rows(unsigned count, Block& block) const {
  const RowFetcher rows(*this);
  block.slots.fill(0);
  for (unsigned i = 0; i < count; ++i) {
    index_.prefetch(block.hashes[i]);
    filter_.prefetch(block.hashes[i]);
  }
  for (unsigned i = 0; i < count; ++i) {
    block.rows[i] = known_new(block.hashes[i]) ? kNone : index_.candidate(block.hashes[i]);
    if (block.rows[i] != kNone) rows.prefetch(block.rows[i]);
  }
}

// Where pages are missing: has the disk read those of all buckets, and then those of all rows. Not of keys that are
// known to be new. The kernel is told that the pages are single ones, or it would read 31 around one that is missed
// nevertheless.
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
  const u64 value_bytes = value_bytes_, stride = row_bytes_;
  for_blocks(keys, count, [&](const auto&, const Block& block, u64 first, unsigned here) {
    const u8* const values = rows_.data() + rows_offset_ + value_offset_;
    u8* to = out + first * value_bytes;
    for (unsigned i = 0; i < here; ++i, to += value_bytes) {
      const bool is_there = block.rows[i] != kNone;
      const u8* const from = is_there ? values + block.rows[i] * stride : missing;
      if (from != nullptr) copy_value(to, from, value_bytes);
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

// Appends a row for each of these keys of a block. Precondition: reserve_rows() of so many; the filter was empty when
// they were looked up. Does not fail.
template <class Keys>
void TypedDict::append_rows(const Keys& keys, const u8* key, const u8* value,
                            std::span<const unsigned> which) {
  TypedHeader& h = change_header();
  const u64 offset = offset_of(h.rows), bytes = which.size() * row_bytes_;
  const u64 behind = rows_.size() - offset;
  if (bytes > behind) rows_.extend(bytes - behind);
  u8* to = rows_.writable(offset, bytes);
  const u64 stride = row_bytes_, value_offset = value_offset_, value_bytes = value_bytes_;
  if (stride != keys.size() + value_bytes) std::memset(to, 0, bytes);
  for (const unsigned i : which) {
    std::memcpy(to, key + std::size_t{i} * keys.size(), keys.size());
    copy_value(to + value_offset, value + i * value_bytes, value_bytes);
    to += stride;
  }
  h.rows += which.size();
  h.changes += which.size();
  index_.add_count(which.size());
}

// New keys go to the slots that looking them up has found free, and their rows are appended together; before a key that
// has to be searched anew, those so far, which it may be equal to.
template <class Keys>
u64 TypedDict::put_block(const Keys& keys, const Block& block, const u8* key, const u8* value,
                         unsigned count) {
  reserve_rows(count);
  const bool buffering = index_.buffering();
  const u64 layouts = index_.layouts();
  u64 next_row = row_count(), inserted = 0;
  std::array<unsigned, kBlock> pending;
  unsigned pending_count = 0;
  const auto append_pending = [&] {
    if (pending_count != 0) append_rows(keys, key, value, {pending.data(), pending_count});
    inserted += std::exchange(pending_count, 0);
  };
  for (unsigned i = 0; i < count; ++i) {
    if (block.rows[i] != kNone) {
      set_value(block.rows[i], value + u64{i} * value_bytes_);
    } else if (block.slots[i] != 0 && !buffering && index_.layouts() == layouts &&
               index_.put_at(block.slots[i], block.probes[i].wanted, next_row)) {
      pending[pending_count++] = i;
      ++next_row;
    } else {
      append_pending();
      const bool is_new =
          put_with(keys, block.hashes[i], key + std::size_t{i} * keys.size(), value + u64{i} * value_bytes_);
      inserted += is_new;
      next_row += is_new;
    }
  }
  append_pending();
  return inserted;
}

u64 TypedDict::put_many(const u8* key, const u8* value, u64 count) {
  u64 inserted = 0;
  for_blocks(key, count, [&](const auto& keys, const Block& block, u64 first, unsigned here) {
    inserted += put_block(keys, block, key + first * keys.size(), value + first * value_bytes_, here);
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
      if (out != nullptr && value != nullptr)
        copy_value(out + (first + i) * value_bytes_, value, value_bytes_);
      if (found != nullptr) found[first + i] = row != kNone;
      if (row == kNone) continue;
      erase_row(row, block.hashes[i]);
      ++erased;
    }
  });
  return erased;
}

}  // namespace emd
