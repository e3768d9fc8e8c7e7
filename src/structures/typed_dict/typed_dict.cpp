// One key at a time, and rows in their order; batches are in batch.cpp, check() in check.cpp.
#include "structures/typed_dict/typed_dict.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <optional>

#include "structures/typed_dict/keys.h"

namespace emd {

namespace {
// Up to here clear() erases one by one, which costs less than making new files.
constexpr u64 kSmallClear = 64;
// Rows that an insertion looks at to fill the filter, as Dict does.
constexpr unsigned kRowsCovered = 48;
}  // namespace

void TypedDict::damaged(const char* what, const char* expected, u64 found) const {
  throw DamagedError(rows_.path() + ": " + what + ": expected " + expected + ", found " +
                         std::to_string(found) + "; run verify(), and restore the store from a backup",
                     rows_.path());
}

void TypedDict::damaged_counts() const {
  throw DamagedError(rows_.path() + ": the map of dead rows: expected " + std::to_string(size()) +
                         " live rows, as the index has entries, found another number; run verify(), and "
                         "restore the store from a backup",
                     rows_.path());
}

void TypedDict::damaged_row(u64 row) const { damaged("a reference to a row", "one that is in use", row); }

// ---- opening

bool TypedDict::is_possible(const Layout& layout) {
  const u64 value_end = u64{layout.value_offset} + layout.value_bytes;
  return layout.key_bytes >= 1 && layout.key_bytes <= layout.value_offset && value_end <= layout.row_bytes &&
         layout.row_bytes <= kMaxRowBytes && layout.key_text.size() <= kMaxTextBytes &&
         layout.value_text.size() <= kMaxTextBytes;
}

TypedDict::TypedDict(Store& store, Member& member) : TypedDict(store, member, nullptr) {}

TypedDict::TypedDict(Store& store, Member& member, const Layout& layout)
    : TypedDict(store, member, layout.row_bytes == 0 ? nullptr : &layout) {}

TypedDict::TypedDict(Store& store, Member& member, const Layout* layout)
    : store_(store),
      index_region_(member.region(0)),
      rows_(member.region(1)),
      dead_(member.region(2)),
      delta_(member.region(3)),
      index_(store_, index_region_, delta_, [this](u64 row) { return hash_at(row); }),
      seed_(store.seed()) {
  EMD_CHECK(member.region_count == kRegionCount);
  if (layout != nullptr && rows_.size() == 0 && !store.read_only()) format(*layout);
  rows_.let_appended_go();
  open();
  store_.on_rollback(this, [this] { filter_.reset(); });
}

TypedDict::~TypedDict() { store_.remove_callback(this); }

void TypedDict::open() {
  for (Region* region : {&index_region_, &rows_}) region->expect_points();
  const TypedHeader& h = *reinterpret_cast<const TypedHeader*>(rows_.at(0, sizeof(TypedHeader)));
  if (h.magic != kMagic) damaged("header", "a typed dict's magic number", h.magic);
  if (h.version != kVersion) {
    throw FormatError(rows_.path() + ": expected typed dict format " + std::to_string(kVersion) + ", found " +
                      std::to_string(h.version));
  }
  Layout sizes;
  sizes.key_bytes = h.key_bytes;
  sizes.value_bytes = h.value_bytes;
  sizes.value_offset = h.value_offset;
  sizes.row_bytes = h.row_bytes;
  if (!is_possible(sizes)) damaged("header", "a key and a value that lie in a row", h.row_bytes);
  const u64 texts = sizeof(TypedHeader) + u64{h.key_text_bytes} + h.value_text_bytes;
  if (h.rows_offset % kPageSize != 0 || h.rows_offset < texts || h.rows_offset > rows_.size()) {
    damaged("header", "the rows behind the texts of the types", h.rows_offset);
  }
  key_bytes_ = h.key_bytes;
  value_bytes_ = h.value_bytes;
  value_offset_ = h.value_offset;
  row_bytes_ = h.row_bytes;
  rows_offset_ = h.rows_offset;
  row_count();
  // The map of the dead names no row that cannot be.
  const u64 most_rows = (rows_.size() - rows_offset_) / row_bytes_;
  if (dead_.size() > (most_rows / 64 + 1) * sizeof(u64))
    damaged("the map of dead rows", "a bit for each row that there is room for", dead_.size());
  index_.open(seed_);
  hash_mask_ = ~u64{0} << (64 - index_.header().hash_bits);
}

void TypedDict::format(const Layout& layout) {
  EMD_CHECK(is_possible(layout));
  const Operation operation(store_);
  const std::vector<u8> head = header_page(layout);
  index_region_.reserve(HashIndex::kEmptyBytes);
  rows_.extend(head.size());
  std::memcpy(rows_.writable(0, head.size()), head.data(), head.size());
  index_region_.extend(HashIndex::kEmptyBytes);
  HashIndex::format(index_region_.writable(0, HashIndex::kEmptyBytes), layout.max_segment_buckets,
                    layout.hash_bits, seed_, layout.delta_limit);
}

// Header and texts, to a whole page.
std::vector<u8> TypedDict::header_page(const Layout& layout) const {
  TypedHeader header{};
  header.magic = kMagic;
  header.version = kVersion;
  header.key_bytes = layout.key_bytes;
  header.value_bytes = layout.value_bytes;
  header.value_offset = layout.value_offset;
  header.row_bytes = layout.row_bytes;
  header.key_text_bytes = static_cast<u32>(layout.key_text.size());
  header.value_text_bytes = static_cast<u32>(layout.value_text.size());
  header.rows_offset = page_up(sizeof header + layout.key_text.size() + layout.value_text.size());
  std::vector<u8> page(header.rows_offset);
  emd::store(page.data(), header);
  std::copy(layout.key_text.begin(), layout.key_text.end(), page.begin() + sizeof header);
  std::copy(layout.value_text.begin(), layout.value_text.end(),
            page.begin() + static_cast<std::ptrdiff_t>(sizeof header + layout.key_text.size()));
  return page;
}

TypedDict::Layout TypedDict::layout() const {
  const TypedHeader& h = header();
  const u64 key_text = load_once<u32>(&h.key_text_bytes), value_text = load_once<u32>(&h.value_text_bytes);
  const u8* const texts = rows_.at(sizeof(TypedHeader), key_text + value_text);
  Layout layout;
  layout.key_bytes = key_bytes_;
  layout.value_bytes = value_bytes_;
  layout.value_offset = value_offset_;
  layout.row_bytes = row_bytes_;
  layout.key_text = as_text({texts, key_text});
  layout.value_text = as_text({texts + key_text, value_text});
  layout.max_segment_buckets = index_.header().max_segment_buckets;
  layout.hash_bits = index_.header().hash_bits;
  layout.delta_limit = index_.header().delta_limit;
  return layout;
}

// ---- finding and putting

u64 TypedDict::find(const u8* key) const {
  return with_keys(
      [&](const auto& keys) { return find_row(keys, keys.hash(key, seed_) & hash_mask_, key, nullptr); });
}

bool TypedDict::put(const u8* key, const u8* value) {
  return with_keys(
      [&](const auto& keys) { return put_with(keys, keys.hash(key, seed_) & hash_mask_, key, value); });
}

void TypedDict::set_value(u64 row, const u8* value) {
  if (value_bytes_ == 0) return;  // and so no page is changed
  copy_value(rows_.writable(offset_of(row) + value_offset_, value_bytes_), value, value_bytes_);
}

void TypedDict::reserve_rows(u64 count) {
  const u64 rows = row_count();
  if (rows > kPositionMask - count) {
    throw SystemError(EFBIG, "a typed dict would have more than 4 trillion rows", rows_.path());
  }
  const u64 behind = rows_.size() - offset_of(rows);
  const u64 needed = count * row_bytes_;
  if (needed > behind) rows_.reserve(needed - behind);
}

// Precondition: reserve_rows(1), and the room made. Does not fail.
void TypedDict::insert_row(const BufferedIndex::InsertionPoint& point, u64 hash, const u8* key,
                           const u8* value) {
  TypedHeader& h = change_header();
  const u64 row = h.rows++;
  ++h.changes;
  const u64 offset = offset_of(row);
  const u64 behind = rows_.size() - offset;
  if (row_bytes_ > behind) rows_.extend(row_bytes_ - behind);
  u8* const at = rows_.writable(offset, row_bytes_);
  if (row_bytes_ != key_bytes_ + value_bytes_) std::memset(at, 0, row_bytes_);
  std::memcpy(at, key, key_bytes_);
  copy_value(at + value_offset_, value, value_bytes_);
  index_.insert(point, hash, row);
  filter_.note_appended(hash, row, row + 1);
}

// Gives the filter room for one more key, and fills it with some of the rows that it does not know yet.
void TypedDict::cover_rows() {
  const u64 rows = row_count();
  if (!filter_.make_room(store_.memory_budget())) return;
  for (unsigned i = 0; i < kRowsCovered && filter_.covered() != rows; ++i) {
    const u64 row = next_live(filter_.covered());
    if (row == kNone) return filter_.skip(rows);
    filter_.cover(hash_at(row), row + 1);
  }
}

// ---- erasing

bool TypedDict::erase(const u8* key) {
  const u64 hash = this->hash(key);
  const u64 row = with_keys([&](const auto& keys) { return find_row(keys, hash, key, nullptr); });
  if (row == kNone) return false;
  erase_row(row, hash);
  return true;
}

void TypedDict::erase_row(u64 row) { erase_row(row, hash(row_at(row))); }

void TypedDict::erase_row(u64 row, u64 hash) {
  const bool last = row + 1 == row_count();
  const u64 map_bytes = (row / 64 + 1) * 8;
  if (!last && map_bytes > dead_.size()) dead_.extend(map_bytes - dead_.size());
  const u64 end = last ? end_without(row) : 0;
  if (!index_.erase(hash, row)) damaged("index", "an entry for the row", row);
  // Nothing fails from here on.
  TypedHeader& h = change_header();
  ++h.changes;
  if (last) {
    cut(end);
    filter_.note_dead(end, end, end);
  } else {
    u64& word = *dead_.writable_as<u64>(row / 64 * 8);
    word |= u64{1} << row % 64;
    ++h.dead;
    give_back_around(row);
  }
  if (h.first == row) h.first = std::min(next_live(row, h.rows), h.rows);
  h.first = std::min(h.first, h.rows);
}

// How many rows are left when the last one, which is alive, dies: dead ones before it go too, down to a block that
// was given back.
u64 TypedDict::end_without(u64 last_row) const {
  for (u64 block = offset_of(last_row) / kDeadBlock + 1; block-- > rows_offset_ / kDeadBlock + 1;) {
    const RowRange range = rows_of_block(block);
    if (range.end > last_row) continue;
    const u64 alive = previous_live(last_row, range.first);
    return alive == kNone ? range.end : alive + 1;
  }
  const u64 alive = previous_live(last_row, 0);
  return alive == kNone ? 0 : alive + 1;
}

// Cuts off what is dead behind, and the last row. Does not fail.
void TypedDict::cut(u64 new_count) {
  TypedHeader& h = change_header();
  const u64 end = h.rows - 1;  // the last row was alive
  for (u64 row = new_count; row < end;) {
    const u64 in_word = std::min(end - row, 64 - row % 64);
    if (row / 64 >= dead_.size() / 8) break;
    const u64 mask = (in_word == 64 ? ~u64{0} : (u64{1} << in_word) - 1) << row % 64;
    u64& word = *dead_.writable_as<u64>(row / 64 * 8);
    h.dead -= std::min<u64>(h.dead, static_cast<u64>(std::popcount(word & mask)));
    word &= ~mask;
    row += in_word;
  }
  h.rows = new_count;
}

TypedDict::RowRange TypedDict::rows_of_block(u64 block) const {
  const u64 begin = block * kDeadBlock - rows_offset_;
  return {begin / row_bytes_, (begin + kDeadBlock + row_bytes_ - 1) / row_bytes_};
}

// A row has died: gives back each block that it overlaps, if no row in it is alive now. Blocks that hold a part of the
// header, or reach behind the last row, are not.
void TypedDict::give_back_around(u64 row) {
  const u64 from = offset_of(row), end = offset_of(row_count());
  for (u64 block = from / kDeadBlock; block * kDeadBlock < from + row_bytes_; ++block) {
    if (block * kDeadBlock < rows_offset_ || (block + 1) * kDeadBlock > end) continue;
    if (block_is_dead(block, row)) rows_.note_dead(block * kDeadBlock, kDeadBlock);
  }
}

// Looks from the row outwards, so that a row that is alive nearby ends it.
bool TypedDict::block_is_dead(u64 block, u64 row) const {
  const RowRange range = rows_of_block(block);
  return next_live(row, range.end) == kNone && previous_live(row, range.first) == kNone;
}

void TypedDict::clear() {
  if (size() <= kSmallClear) {
    for (u64 row = last_live(); row != kNone; row = last_live()) erase_row(row);
    return;
  }
  rows_.require_no_views("clearing it");
  const u64 changes = version();
  const Layout as_before = layout();
  Region::Rewrite index = index_region_.rewrite(HashIndex::kEmptyBytes);
  HashIndex::format(index.data(), as_before.max_segment_buckets, as_before.hash_bits, seed_,
                    as_before.delta_limit);
  const std::vector<u8> head = header_page(as_before);
  Region::Rewrite rows = rows_.rewrite(head.size());
  std::memcpy(rows.data(), head.data(), head.size());
  Region::Rewrite dead = dead_.rewrite(0);
  std::optional<Region::Rewrite> delta;
  if (delta_.size() != 0) delta = delta_.rewrite(0);
  // Nothing fails from here on.
  index_region_.finish(std::move(index));
  rows_.finish(std::move(rows));
  dead_.finish(std::move(dead));
  if (delta) delta_.finish(std::move(*delta));
  filter_.reset();
  change_header().changes = changes + 1;
}

// ---- rows

// The words of the map are searched, so a long dead run costs little. Bits behind the map are those of live rows.
u64 TypedDict::next_live(u64 row, u64 end) const {
  while (row < end) {
    const u64 alive = ~dead_word(row / 64) >> row % 64;
    if (alive != 0) {
      row += static_cast<u64>(std::countr_zero(alive));
      return row < end ? row : kNone;
    }
    row = (row / 64 + 1) * 64;
  }
  return kNone;
}

u64 TypedDict::previous_live(u64 row, u64 floor) const {
  while (row > floor) {
    const u64 last = row - 1;
    const u64 alive = ~dead_word(last / 64) << (63 - last % 64);
    if (alive != 0) {
      const u64 distance = static_cast<u64>(std::countl_zero(alive));
      return distance <= last && last - distance >= floor ? last - distance : kNone;
    }
    row = last / 64 * 64;
  }
  return kNone;
}

u64 TypedDict::next_live(u64 row) const { return next_live(row, row_count()); }
u64 TypedDict::previous_live(u64 row) const { return previous_live(std::min(row, row_count()), 0); }

TypedDict::Stats TypedDict::stats() const {
  Stats stats{};
  stats.entries = size();
  stats.index_bytes = index_region_.size();
  stats.index_free_bytes = index_.free_bytes();
  stats.row_bytes = row_count() * row_bytes_;
  stats.live_row_bytes = stats.entries * row_bytes_;
  stats.dead_map_bytes = dead_.size();
  stats.delta_entries = index_.delta_count();
  stats.delta_bytes = delta_.size();
  stats.delta_free_bytes = index_.delta_free_bytes();
  stats.filter_bytes = filter_.bytes();
  stats.load = static_cast<double>(stats.entries) / static_cast<double>(index_.slot_count());
  return stats;
}

}  // namespace emd
