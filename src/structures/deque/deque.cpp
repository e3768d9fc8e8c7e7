// Deque: room made and given up at either end, and the limit of a length. All else is the list's.
#include "structures/deque/deque.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "structures/list/header.h"
#include "structures/list/rewrite.h"

namespace emd {
namespace {

// What Python can say, and every limit that is laid out.
constexpr u64 kMostLimit = (u64{1} << 63) - 1;

std::string limit_text(const std::optional<u64>& limit) { return limit ? std::to_string(*limit) : "None"; }

}  // namespace

Deque::Deque(Store& store, Member& member, const Sizes& sizes)
    : List(store, member, {kDequeMagic, kName, true}), sizes_(sizes) {
  room_before();
  if (!limit() || size() <= *limit()) return;
  throw DamagedError(
      "deque: expected at most " + limit_text(limit()) + " elements, found " + std::to_string(size()),
      words_.path());
}

void Deque::lay_out_as(const OpenAs& wanted) {
  words_.extend(kHeaderBytes);
  change_extent({}, {});
  words_.writable_as<ListHeader>(0)->limit = wanted.limit ? *wanted.limit + 1 : 0;
}

void Deque::require(const OpenAs& wanted) const {
  if (!wanted.limit_given || wanted.limit == limit()) return;
  throw FormatError(words_.path() + ": expected a deque with maxlen=" + limit_text(wanted.limit) +
                    ", found one with maxlen=" + limit_text(limit()) +
                    "; leave maxlen away to open it as it is");
}

std::optional<u64> Deque::limit() const {
  const u64 found = has_header() ? load_once<u64>(words_.data() + kLimitAt) : 0;
  if (found > kMostLimit + 1) {
    throw DamagedError("deque: expected a limit of at most " + std::to_string(kMostLimit) + ", found " +
                           std::to_string(found - 1),
                       words_.path());
  }
  return found == 0 ? std::nullopt : std::optional<u64>(found - 1);
}

u64 Deque::leaving(u64 added) const {
  const u64 length = size();
  const std::optional<u64> most = limit();
  return most && length + added > *most ? std::min(length, length + added - *most) : 0;
}

// ---- Room

// Words between what is given up and the first. Errors: DamagedError.
u64 Deque::room_before() const {
  const u64 begin = extent().first, given_up = dead();
  if (given_up > begin) {
    throw DamagedError("deque: expected at most " + std::to_string(begin) +
                           " words given up, the header says " + std::to_string(given_up),
                       words_.path());
  }
  return begin - given_up;
}

// Whether so much is given up that the file's holes and their checksums count.
bool Deque::far(u64 length) const { return dead() > 16 * length + sizes_.given_up; }

void Deque::change_extent(const Extent& extent, const Blocks& blocks) {
  ListHeader& header = *words_.writable_as<ListHeader>(0);
  write_header(header, extent.length, blocks);
  header.first = extent.first;
}

// Moves the words to the middle of the room that there is, with so much before and behind them at least; the region grows
// where that is less than it takes to make this seldom. Errors: SystemError; nothing has changed.
void Deque::center(u64 before, u64 behind) {
  const Extent now = extent();
  const u64 given_up = now.first - room_before();
  const u64 wanted = before + behind + now.length + std::max(now.length, sizes_.slack);
  const u64 room = (words_.size() - kHeaderBytes) / sizeof(Word) - given_up;
  if (room < wanted) words_.extend((wanted - room) * sizeof(Word));
  const u64 to = given_up + before + (std::max(room, wanted) - now.length - before - behind) / 2;
  const u64 begin = packed_offset(std::min(to, now.first));
  u8* const at = words_.writable(begin, packed_offset(std::max(to, now.first) + now.length) - begin) - begin;
  std::memmove(at + packed_offset(to), at + packed_offset(now.first), now.length * sizeof(Word));
  change_extent({to, now.length}, {});
}

// A small deque that has come to the region's end, and has left room in front, goes back there.
void Deque::prepare_back(u64 count) {
  const u64 length = size();
  if (offset_of(length + count) <= words_.size() || !small(length + count)) return;
  if (room_before() >= std::max(length, sizes_.slack)) center(0, count);
}

// Whether there is room for so many words in front; a small deque makes it.
bool Deque::prepare_front(u64 count) {
  if (room_before() >= count) return true;
  if (!small(size() + count)) return false;
  center(count, 0);
  return true;
}

// Pages far before the first word are given up, but for a part of as many words as a rewrite for want of room in front
// would be worth. Not before there are twice as many, so that going to and fro gives up nothing.
void Deque::give_up_pages() {
  const Extent now = extent();
  const u64 kept = reserve(now.length), given_up = dead();
  if (now.first - given_up < 2 * kept) return;
  const u64 from = packed_offset(given_up), end = round_down(packed_offset(now.first - kept), kPageSize);
  if (end <= from) return;
  words_.writable_as<ListHeader>(0)->dead = (end - kHeaderBytes) / sizeof(Word);
  words_.note_dead(from, end - from);
}

// ---- Both ends

void Deque::append_within(std::span<const Word> words) {
  prepare_back(words.size());
  if (words.size() == 1) return List::append(words[0]);
  List::extend(words);
}

void Deque::extend(std::span<const Word> words) {
  const std::optional<u64> most = limit();
  if (!most || size() + words.size() <= *most) return append_within(words);
  const u64 gone = leaving(words.size());
  count_blocks(range(0, gone));  // damage is found before anything changes
  const u64 kept = std::min<u64>(words.size(), *most);
  if (kept != 0) append_within(words.last(kept));
  for (const Word word : words.first(words.size() - kept)) discard(word);
  if (gone != 0) remove_front(gone);
}

void Deque::extend_front(std::span<const Word> words) {
  const std::optional<u64> most = limit();
  if (!most || size() + words.size() <= *most) return splice(0, 0, words);
  const u64 gone = leaving(words.size()), length = size();
  count_blocks(range(length - gone, length));
  const u64 kept = std::min<u64>(words.size(), *most);
  if (kept != 0) splice(0, 0, words.first(kept));
  for (const Word word : words.subspan(kept)) discard(word);
  if (gone != 0) remove_back(gone);
}

void Deque::remove_front(u64 count) {
  room_before();  // damage is found before anything changes
  const Extent now = extent();
  EMD_DCHECK(count <= now.length);
  const u64 after = now.length - count;
  if (after == 0) return clear();
  const Blocks blocks{0, count_blocks(range(0, count))};
  const auto build = [&](Region::Rewrite& fresh) {
    fresh.write(packed_offset(reserve(after)), bytes_of(range(count, now.length)));
  };
  const auto leave = [&] {
    if (blocks.dropped != 0) free_blocks(range(0, count));
  };
  if ((wasteful(after) || far(after)) && rewrite({reserve(after), after}, blocks, build, leave)) return;
  leave();
  change_extent({now.first + count, after}, blocks);
  give_up_pages();
}

// ---- Within

void Deque::splice(u64 from, u64 to, std::span<const Word> added) {
  const u64 before = size();
  EMD_DCHECK(from <= to && to <= before);
  if (from == to && added.empty()) return;
  if (before - (to - from) + added.size() == 0) return clear();
  if (from == 0 && added.empty()) return remove_front(to);
  const u64 more = added.size() > to - from ? added.size() - (to - from) : 0;
  const bool at_front = to == 0 && before != 0;
  if (at_front || from < before - to) {
    const bool room = prepare_front(more);
    if (!room && at_front && write_in_front(added)) return;
    const u64 first_changed = extent().first - std::min(more, extent().first);
    const u64 changed = packed_offset(extent().first + to) - packed_offset(first_changed);
    if (room && words_.private_bytes(packed_offset(first_changed), changed) <= kRewriteThreshold)
      return shift_front(from, to, added);
  }
  prepare_back(more);
  List::splice(from, to, added);
}

// Moves the words before the change rather than those behind it. Precondition: there is room for that.
void Deque::shift_front(u64 from, u64 to, std::span<const Word> added) {
  const Extent now = extent();
  const Blocks blocks{count_references(added), count_blocks(range(from, to))};
  if (blocks.dropped != 0) free_blocks(range(from, to));
  const u64 first = now.first + (to - from) - added.size();
  const u64 begin = packed_offset(std::min(first, now.first));
  u8* const at = words_.writable(begin, packed_offset(now.first + to) - begin) - begin;
  std::memmove(at + packed_offset(first), at + packed_offset(now.first), from * sizeof(Word));
  if (!added.empty()) std::memcpy(at + packed_offset(first + from), added.data(), added.size_bytes());
  change_extent({first, now.length - (to - from) + added.size()}, blocks);
}

// Writes all anew with these in front, and before them as much room as makes that seldom.
bool Deque::write_in_front(std::span<const Word> added) {
  const u64 length = size() + added.size();
  const u64 room = length / 2 + sizes_.reserve;
  const auto build = [&](Region::Rewrite& fresh) {
    fresh.write(packed_offset(room), bytes_of(added));
    fresh.write(packed_offset(room + added.size()), bytes_of(words()));
  };
  return rewrite({room, length}, {count_references(added), 0}, build, [] {});
}

void Deque::rotate(u64 count) {
  const u64 length = size();
  EMD_DCHECK(count <= length);
  room_before();
  if (count == 0 || count == length) return;
  const u64 moved = std::min(count, length - count);
  const bool to_front = count == moved;
  const bool large = moved * sizeof(Word) > kRewriteThreshold || far(length);
  const bool room = !large && (!to_front || prepare_front(moved));
  if (!room) return rotate_anew(count) ? void() : rotate_in_place(count);
  // Blocks go with their words: their counts stay.
  const std::span<const Word> part = to_front ? range(length - moved, length) : range(0, moved);
  const std::vector<Word> words(part.begin(), part.end());
  if (!to_front) prepare_back(moved);
  const u64 first = to_front ? extent().first - moved : extent().first + moved;
  const u64 to = packed_offset(to_front ? first : extent().first + length);
  const u64 end = to + words.size() * sizeof(Word);
  if (end > words_.size()) words_.extend(end - words_.size());
  std::memcpy(words_.writable(to, end - to), words.data(), end - to);
  change_extent({first, length}, {});
  if (!to_front) give_up_pages();
}

void Deque::rotate_in_place(u64 count) {
  const Extent now = extent();
  Word* const all =
      reinterpret_cast<Word*>(words_.writable(packed_offset(now.first), now.length * sizeof(Word)));
  std::rotate(all, all + (now.length - count), all + now.length);
  change_extent(now, {});
}

bool Deque::rotate_anew(u64 count) {
  const u64 length = size(), room = length / 2 + sizes_.reserve;
  const auto build = [&](Region::Rewrite& fresh) {
    fresh.write(packed_offset(room), bytes_of(range(length - count, length)));
    fresh.write(packed_offset(room + count), bytes_of(range(0, length - count)));
  };
  return rewrite({room, length}, {}, build, [] {});
}

Deque::Stats Deque::stats() const {
  const List::Stats all = List::stats();
  const u64 given_up = std::min(all.word_bytes, dead() * sizeof(Word));
  return {all.entries, all.word_bytes - given_up, given_up, all.heap_live_bytes, all.heap_free_bytes};
}

}  // namespace emd
