// List: each change is planned first, in place or by writing the list anew; then it is made, and cannot fail.
#include "structures/list/list.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "structures/list/header.h"
#include "structures/list/rewrite.h"

namespace emd {

namespace {

// Words carried at a time where the order changes on the way: half of a usual second-level cache.
constexpr u64 kChunkWords = 32768;

// Writes many short runs of words one behind the other through the file.
class ChunkWriter {
 public:
  ChunkWriter(Region::Rewrite& to, u64 offset) : to_(to), offset_(offset) { chunk_.reserve(kChunkWords); }
  void put(std::span<const Word> words) {
    if (words.size() > kChunkWords - chunk_.size()) flush();
    if (words.size() > kChunkWords) return write(words);
    chunk_.insert(chunk_.end(), words.begin(), words.end());
  }
  void flush() {
    write(chunk_);
    chunk_.clear();
  }

 private:
  void write(std::span<const Word> words) {
    to_.write(offset_, bytes_of(words));
    offset_ += words.size_bytes();
  }

  Region::Rewrite& to_;
  u64 offset_;
  std::vector<Word> chunk_;
};

}  // namespace

List::List(Store& store, Member& member, const OpenAs& /*wanted*/)
    : List(store, member, {kListMagic, kName, false}) {}

List::List(Store& store, Member& member, const Form& form)
    : store_(store),
      member_(member),
      words_(member.region(0)),
      magic_(form.magic),
      name_(form.name),
      slides_(form.slides),
      heap_region_(member.region(1)),
      heap_(heap_region_) {
  for (Region* region : {&words_, &heap_region_}) {
    region->let_appended_go();
    region->expect_points();
  }
  if (words_.size() == 0) return;
  const ListHeader header = load<ListHeader>(words_.at(0, kHeaderBytes));
  const std::string name = name_;
  if (header.magic != magic_) {
    throw DamagedError(
        name + ": expected the magic number of a " + name + ", found " + std::to_string(header.magic),
        words_.path());
  }
  if (header.format != kListFormat) {
    throw FormatError(name + ": format " + std::to_string(header.format) + " of " + words_.path() +
                      " is not known here; this version reads format " + std::to_string(kListFormat));
  }
  if ((words_.size() - kHeaderBytes) % sizeof(Word) != 0) {
    throw DamagedError(name + ": expected whole words, found " + std::to_string(words_.size()) + " bytes",
                       words_.path());
  }
  size();
}

u64 List::size_without_header() const {
  if (words_.size() != 0) {
    throw DamagedError(std::string(name_) + ": expected a header of 64 bytes, found " +
                           std::to_string(words_.size()) + " bytes",
                       words_.path());
  }
  return 0;
}

void List::extent_damaged(const Extent& found) const {
  const u64 room = (words_.size() - kHeaderBytes) / sizeof(Word);
  throw DamagedError(std::string(name_) + ": expected at most " + std::to_string(room) +
                         " words, the header says " + std::to_string(found.length) +
                         (slides_ ? " from word " + std::to_string(found.first) : ""),
                     words_.path());
}

// ---- Planning a change

// Whether changing the words [from, to) in place is better than writing the whole list anew.
bool List::in_place(u64 from, u64 to) const {
  const u64 begin = offset_of(from);
  const u64 end = std::min(offset_of(to), words_.size());
  const u64 to_mark = begin < end ? words_.private_bytes(begin, end - begin) : 0;
  if (to_mark <= kRewriteThreshold) return true;
  return to_mark <= std::min(words_.size(), store_.memory_budget()) / 16;
}

// Whether so much of the region would lie unused that it pays to write the rest anew.
bool List::wasteful(u64 length) const {
  const u64 held = words_.size() - dead() * sizeof(Word);
  return held > kRewriteThreshold && packed_offset(length) < held / 4;
}

// Gives the list room for `length` words; what is added to the region is not part of the list yet.
void List::make_room(u64 length) {
  const bool is_new = words_.size() == 0;
  const u64 end = is_new ? packed_offset(length) : offset_of(length);
  if (end <= words_.size()) return;
  words_.extend(end - words_.size());
  if (is_new) set_header(0, {});  // a whole list, should the rest of the change fail
}

u64 List::next_version() {
  highest_version_ = std::max(highest_version_, version()) + 1;
  return highest_version_;
}

u64 List::count_references(std::span<const Word> words) {
  return static_cast<u64>(
      std::count_if(words.begin(), words.end(), [](Word word) { return word.is_reference(); }));
}

// Writes the header that the list will have after a change, but for where its words begin. `to` may be the present one.
// Field by field, as this is half of what an append costs.
void List::write_header(ListHeader& to, u64 length, const Blocks& blocks) {
  const u64 references = words_.size() == 0 ? 0 : load<u64>(words_.data() + kReferencesAt);
  to.magic = magic_;
  to.format = kListFormat;
  to.length = length;
  to.references = references + blocks.added - std::min(references + blocks.added, blocks.dropped);
  to.changes = next_version();
  if (slides_) to.limit = words_.size() == 0 ? 0 : load<u64>(words_.data() + kLimitAt);
}

void List::set_header(u64 length, const Blocks& blocks) {
  write_header(*words_.writable_as<ListHeader>(0), length, blocks);
}

// How many of the words refer to blocks. Errors: DamagedError if one of the blocks is none, before anything
// has been freed.
u64 List::count_blocks(std::span<const Word> leaving, u64 step) const {
  if (leaving.empty() || load<u64>(words_.data() + kReferencesAt) == 0) return 0;
  u64 count = 0;
  for (u64 i = 0; i < leaving.size(); i += step) {
    if (!leaving[i].is_reference()) continue;
    heap_.read(leaving[i].as_reference());
    ++count;
  }
  return count;
}

// Frees what count_blocks() has counted and found sound. Only two words that share a block, which is damage, can
// make this throw.
void List::free_blocks(std::span<const Word> leaving, u64 step) {
  for (u64 i = 0; i < leaving.size(); i += step) discard(leaving[i]);
}

// ---- Changes

void List::set(u64 index, Word word) {
  EMD_DCHECK(index < size());
  const Word old = get(index);
  if (old.is_reference()) heap_.read(old.as_reference());
  emd::store(words_.writable(offset_of(index), sizeof word), word);
  const u64 before = version();
  set_header(size(), {word.is_reference(), old.is_reference()});
  if (slides_) words_.writable_as<ListHeader>(0)->changes = before;
  discard(old);
}

void List::append(Word word) {
  const u64 length = size();
  make_room(length + 1);
  emd::store(words_.writable(offset_of(length), sizeof word), word);
  set_header(length + 1, {word.is_reference(), 0});
}

void List::splice(u64 from, u64 to, std::span<const Word> added) {
  const u64 before = size();
  EMD_DCHECK(from <= to && to <= before);
  const u64 after = before - (to - from) + added.size();
  if (from == to && added.empty()) return;
  if (after == 0) return clear();
  const Blocks blocks{count_references(added), count_blocks(range(from, to))};
  const auto build = [&](Region::Rewrite& fresh) {
    fresh.write(packed_offset(0), bytes_of(range(0, from)));
    fresh.write(packed_offset(from), bytes_of(added));
    fresh.write(packed_offset(from + added.size()), bytes_of(range(to, before)));
  };
  const auto leave = [&] {
    if (blocks.dropped != 0) free_blocks(range(from, to));
  };
  const bool anew = wasteful(after) || !in_place(from, before == after ? to : after);
  if (anew && rewrite({0, after}, blocks, build, leave)) return;
  if (offset_of(after) > words_.size()) words_.reserve(offset_of(after) - words_.size());
  leave();
  splice_in_place(from, to, added);
  set_header(after, blocks);
}

// Precondition: the space is reserved.
void List::splice_in_place(u64 from, u64 to, std::span<const Word> added) {
  const u64 before = size();
  if (from == before) return append_words(added);
  const u64 after = before - (to - from) + added.size();
  make_room(after);
  const u64 changed_end = before == after ? to : after;
  u8* at = words_.writable(offset_of(from), (changed_end - from) * sizeof(Word));
  if (before != after) {
    std::memmove(at + added.size_bytes(), at + (to - from) * sizeof(Word), (before - to) * sizeof(Word));
  }
  if (!added.empty()) std::memcpy(at, added.data(), added.size_bytes());
}

// Puts the words behind the last one: first into what pops have left unused, then at the region's end.
void List::append_words(std::span<const Word> added) {
  const u64 length = size();
  make_room(length);
  const u64 unused = std::min<u64>(capacity() - length, added.size());
  if (unused != 0) {
    std::memcpy(words_.writable(offset_of(length), unused * sizeof(Word)), added.data(),
                unused * sizeof(Word));
  }
  if (unused != added.size()) words_.append(bytes_of(added.subspan(unused)));
}

void List::remove_strided(u64 from, u64 step, u64 count) {
  if (count == 0) return;
  const u64 before = size();
  EMD_CHECK(step >= 1 && from < before && count - 1 <= (before - 1 - from) / step);
  if (step == 1 || count == 1) return splice(from, from + count, {});
  const u64 last = from + (count - 1) * step;
  const u64 after = before - count;
  const Blocks blocks{0, count_blocks(range(from, last + 1), step)};
  const auto build = [&](Region::Rewrite& fresh) {
    ChunkWriter writer(fresh, packed_offset(0));
    writer.put(range(0, from));
    for (u64 gone = from; gone < last; gone += step) writer.put(range(gone + 1, gone + step));
    writer.put(range(last + 1, before));
    writer.flush();
  };
  const auto leave = [&] {
    if (blocks.dropped != 0) free_blocks(range(from, last + 1), step);
  };
  const bool anew = wasteful(after) || !in_place(from, after);
  if (anew && rewrite({0, after}, blocks, build, leave)) return;
  leave();
  strided_in_place(from, step, count);
  set_header(after, blocks);
}

void List::strided_in_place(u64 from, u64 step, u64 count) {
  const u64 before = size();
  const u64 last = from + (count - 1) * step;
  const Word* words = range(0, before).data();
  u8* to = words_.writable(offset_of(from), (before - count - from) * sizeof(Word));
  const auto keep = [&](u64 begin, u64 end) {
    std::memmove(to, words + begin, (end - begin) * sizeof(Word));
    to += (end - begin) * sizeof(Word);
  };
  for (u64 gone = from; gone < last; gone += step) keep(gone + 1, gone + step);
  keep(last + 1, before);
}

void List::reverse() {
  const u64 length = size();
  if (length < 2) return;
  const auto build = [&](Region::Rewrite& fresh) {
    std::vector<Word> chunk;
    for (u64 end = length; end != 0;) {
      const u64 begin = end - std::min(end, kChunkWords);
      const std::span<const Word> forward = range(begin, end);
      chunk.assign(forward.rbegin(), forward.rend());
      fresh.write(packed_offset(length - end), bytes_of(chunk));
      end = begin;
    }
  };
  if (!in_place(0, length) && rewrite({0, length}, {}, build, [] {})) return;
  Word* words = reinterpret_cast<Word*>(words_.writable(offset_of(0), length * sizeof(Word)));
  std::reverse(words, words + length);
  set_header(length, {});
}

void List::clear() {
  if (size() == 0) return;
  const Blocks all{0, ~u64{0}};
  const auto leave = [&] {
    if (heap_region_.size() != 0) heap_.clear();
  };
  // New files cost more than a few blocks put on free lists.
  const bool small = std::max(words_.size(), heap_region_.size()) <= kRewriteThreshold;
  if (!small && rewrite(
                    {}, all, [](Region::Rewrite&) {}, leave))
    return;
  if (count_blocks(words()) != 0) free_blocks(words());
  set_header(0, all);
}

// ---- A new order

List::Reordering List::reorder() {
  Reordering order(size(), version());
  if (order.length_ * sizeof(Word) <= kRewriteThreshold) {
    order.memory_.resize(order.length_);
  } else {
    order.file_ = words_.rewrite(packed_offset(order.length_));
  }
  return order;
}

void List::require_unchanged(u64 expected) const {
  store_.require_readable();
  if (!member_.live) throw ClosedError("the list '" + member_.name + "' is gone");
  if (version() != expected) throw StateError("the list was changed while it was being reordered");
}

void List::adopt(Reordering&& order) {
  require_unchanged(order.version());
  if (order.size() < 2) return;
  if (order.file_) {
    write_header(*reinterpret_cast<ListHeader*>(order.file_->data()), order.size(), {});
    words_.finish(std::move(*order.file_));
  } else {
    const Bytes bytes = bytes_of(order.memory_);
    std::memcpy(words_.writable(offset_of(0), bytes.size()), bytes.data(), bytes.size());
    set_header(order.size(), {});
  }
}

void List::permute(const std::function<void(std::span<Word> to)>& fill) {
  Reordering order = reorder();
  fill(order.words());
  adopt(std::move(order));
}

std::span<Word> List::Reordering::words() {
  if (!file_) return memory_;
  return {reinterpret_cast<Word*>(file_->data() + packed_offset(0)), length_};
}

void List::Reordering::write(u64 index, std::span<const Word> words) {
  EMD_CHECK(index <= length_ && words.size() <= length_ - index);
  if (file_) {
    file_->write(packed_offset(index), bytes_of(words));
  } else {
    std::copy(words.begin(), words.end(), memory_.begin() + static_cast<std::ptrdiff_t>(index));
  }
}

}  // namespace emd
