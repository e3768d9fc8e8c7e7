#include "structures/shadow/tree.h"

#include <cerrno>
#include <cstring>
#include <vector>

#include "base/errors.h"
#include "store/findings.h"

namespace emd {

// What a change will take and give back.
struct ShadowTree::Need {
  u64 nodes = 0, chunks = 0;
  u64 freed = 0;  // chunks, at most
  u64 pages_left = kPagesAtOnce;
  u64 last = 0;  // where it ends, if pages_left has come to 0
};

ShadowTree::ShadowTree(Region& header, Region& nodes, Region& chunks, Region& free_chunks, unsigned width)
    : header_(header),
      nodes_(nodes),
      chunks_(chunks),
      free_chunks_(free_chunks),
      width_(width),
      stored_width_(std::bit_ceil(width)),
      chunk_shift_(static_cast<unsigned>(std::countr_zero(kShadowChunkBytes / stored_width_))),
      max_height_((64 - chunk_shift_ + kShadowFanOutBits - 1) / kShadowFanOutBits) {}

// ---- Damage

void ShadowTree::damaged(const std::string& what, const Region& region) const {
  throw DamagedError("shadow memory: " + what + "; run verify(), and restore the store from a backup",
                     region.path());
}
void ShadowTree::height_damaged(u64 height) const {
  damaged("expected at most " + std::to_string(max_height_) + " levels, the header says " +
              std::to_string(height),
          header_);
}
void ShadowTree::not_covered(u64 last) const {
  damaged("expected a tree that reaches address " + std::to_string(last) + ", found " +
              std::to_string(height()) + " levels",
          header_);
}
void ShadowTree::node_damaged(u64 number, unsigned level, u64 base) const {
  damaged("expected a node of level " + std::to_string(level) + " for address " + std::to_string(base) +
              " at number " + std::to_string(number) + " of " + std::to_string(node_count()),
          nodes_);
}
void ShadowTree::chunk_damaged(u64 number) const {
  damaged("expected one of " + std::to_string(chunk_count()) + " pages of flags, found a reference to " +
              std::to_string(number),
          chunks_);
}

// ---- Height

unsigned ShadowTree::height_for(u64 last) const {
  unsigned height = 0;
  while (last > last_of(0, height)) ++height;
  return height;
}

void ShadowTree::cover(u64 last) {
  const unsigned before = height(), wanted = height_for(last);
  if (wanted <= before) return;
  Entry top = root();
  if (top != Entry{}) {  // else the flags of all are 0, at any height
    prepare({.nodes = wanted - before});
    for (unsigned level = before + 1; level <= wanted; ++level) {
      const Entry node = split(0, level, 0);
      set_entry(node_at(node.value, level, 0), 0, top);
      top = node;
    }
  }
  set_header<u32>(offsetof(ShadowHeader, height), wanted);
  set_root(top);
}

void ShadowTree::set_root(Entry entry) {
  set_header(offsetof(ShadowHeader, root), entry.value);
  set_header<u32>(offsetof(ShadowHeader, root_is_reference), entry.reference);
}

void ShadowTree::set_entry(u64 node, u64 slot, Entry entry) {
  const u64 word = node + offsetof(ShadowNode, is_reference) + slot / 64 * 8, bit = u64{1} << (slot % 64);
  const u64 bits = load<u64>(nodes_.data() + word);
  if (((bits & bit) != 0) != entry.reference) store(nodes_.writable(word, 8), bits ^ bit);
  store(nodes_.writable(node + offsetof(ShadowNode, entries) + slot * 8, 8), entry.value);
}

// ---- Reading

u64 ShadowTree::get(u64 address) const {
  require_covered(address);
  Entry entry = root();
  unsigned level = height();
  for (; entry.reference && level != 0; --level) {
    entry = this->entry(node_at(entry.value, level, base_of(address, level)), slot_of(address, level));
  }
  if (!entry.reference) return entry.value & all_flags();
  const u8* const page = chunks_.data() + chunk_at(entry.value);
  const u64 at = (address - base_of(address, 0)) * stored_width_;
  return all_flags() &
         with_width(stored_width_, [&](auto zero) -> u64 { return load_once<decltype(zero)>(page + at); });
}

// ---- Changing

u64 ShadowTree::change(u64 first, u64 last, FlagChange change) {
  require_covered(last);
  if (first == last && change_page(first, change)) return last;
  Need need;
  survey(root(), height(), 0, first, last, change, need);
  if (need.pages_left == 0) last = need.last;
  prepare(need);
  apply_from_root(first, last, change);
  return last;
}

void ShadowTree::apply_from_root(u64 first, u64 last, FlagChange change) {
  const Entry before = root(), after = apply(before, height(), 0, first, last, change);
  if (after != before) set_root(after);
}

// The usual change of one address, whose flags are in a page that is still needed then, or stay as they are. False:
// nothing was done.
bool ShadowTree::change_page(u64 address, FlagChange change) {
  Entry entry = root();
  unsigned level = height();
  for (; entry.reference && level != 0; --level) {
    entry = this->entry(node_at(entry.value, level, base_of(address, level)), slot_of(address, level));
  }
  if (!entry.reference) return change(entry.value) == entry.value;
  const u64 at = chunk_at(entry.value) + (address - base_of(address, 0)) * stored_width_;
  const u64 place = address - base_of(address, 0);
  return with_width(stored_width_, [&](auto zero) {
    using T = decltype(zero);
    const T* const page = reinterpret_cast<const T*>(chunks_.data() + at) - place;
    const T before = page[place], after = static_cast<T>(change(before));
    if (after == before) return true;
    if (flags::others_are(page, chunk_addresses(), place, after)) return false;
    store(chunks_.writable(at, sizeof(T)), after);
    return true;
  });
}

// Goes where apply() will go, without changing anything: so references are sound, and what it takes is known.
void ShadowTree::survey(Entry entry, unsigned level, u64 base, u64 first, u64 last, FlagChange change,
                        Need& need) const {
  const bool whole = first == base && last == last_of(base, level);
  if (!entry.reference) {
    if (!whole && change(entry.value) != entry.value) survey_split(level, first, last, need);
    return;
  }
  if (level == 0) {
    chunk_at(entry.value);
    ++need.freed;  // if all of its flags become the same
    if (--need.pages_left == 0) need.last = last;
    return;
  }
  const u64 node = node_at(entry.value, level, base);
  for_children(level, first, last, [&](u64 slot, u64 from, u64 to) {
    survey(this->entry(node, slot), level - 1, base_of(from, level - 1), from, to, change, need);
    return need.pages_left == 0;
  });
  if (need.pages_left != 0 && --need.pages_left == 0) need.last = last;
}

// Part of an entry changes that has been uniform so far: its outermost parts may need splitting again.
void ShadowTree::survey_split(unsigned level, u64 first, u64 last, Need& need) const {
  if (level == 0) {
    ++need.chunks;
    return;
  }
  ++need.nodes;
  const u64 left = base_of(first, level - 1), right = base_of(last, level - 1);
  const u64 left_last = std::min(last, last_of(left, level - 1));
  if (first != left || left_last != last_of(left, level - 1)) survey_split(level - 1, first, left_last, need);
  if (left != right && last != last_of(right, level - 1)) survey_split(level - 1, right, last, need);
}

// May fail; what follows does not.
void ShadowTree::prepare(const Need& need) {
  u64 nodes = need.nodes, chunks = need.chunks;
  for (u64 next = header<u64>(offsetof(ShadowHeader, free_node)); nodes != 0 && next != 0; --nodes)
    next = load<u64>(nodes_.data() + free_node_at(next));
  const u64 free = header<u64>(offsetof(ShadowHeader, free_chunks));
  if (free > free_chunks_.size() / 8)
    damaged("expected at most " + std::to_string(free_chunks_.size() / 8) + " free pages, the header says " +
                std::to_string(free),
            header_);
  for (u64 i = free; chunks != 0 && i != 0; --chunks) free_chunk_at(--i);
  nodes_.reserve(nodes * sizeof(ShadowNode));
  chunks_.reserve(chunks * kShadowChunkBytes);
  // Places of numbers that are taken off the stack meanwhile are there as well.
  if ((free + need.freed) * 8 > free_chunks_.size())
    free_chunks_.extend((free + need.freed) * 8 - free_chunks_.size());
}

ShadowTree::Entry ShadowTree::apply(Entry entry, unsigned level, u64 base, u64 first, u64 last,
                                    FlagChange change) {
  const bool whole = first == base && last == last_of(base, level);
  if (!entry.reference) {
    const u64 value = change(entry.value);
    if (value == entry.value || whole) return {value, false};
    entry = split(entry.value, level, base);
  } else if (whole && change.is_constant(all_flags())) {
    release(entry, level, base);
    return {change.set, false};
  }
  return level == 0 ? apply_to_chunk(entry.value, base, first, last, change)
                    : apply_to_node(entry.value, level, base, first, last, change);
}

// Whether the flags of a page in front of these and behind them are all `value`.
template <class T>
bool ShadowTree::others_equal(u64 number, u64 begin, u64 count, T value) const {
  const T* const page = reinterpret_cast<const T*>(chunks_.data() + chunk_at(number));
  const WantedFlags another{~u64{0}, value, true};
  const u64 end = begin + count, behind = chunk_addresses() - end;
  // Mostly one of the neighbours is another: then no more is read.
  if ((begin != 0 && page[begin - 1] != value) || (behind != 0 && page[end] != value)) return false;
  return flags::find(page, begin, another) == begin && flags::find(page + end, behind, another) == behind;
}

ShadowTree::Entry ShadowTree::apply_to_chunk(u64 number, u64 base, u64 first, u64 last, FlagChange change) {
  const u64 at = chunk_at(number) + (first - base) * stored_width_, count = last - first + 1;
  return with_width(stored_width_, [&](auto zero) -> Entry {
    using T = decltype(zero);
    const T* const before = reinterpret_cast<const T*>(chunks_.data() + at);
    const flags::Outcome outcome = flags::outcome(before, count, change);
    if (outcome.uniform && others_equal<T>(number, first - base, count, static_cast<T>(change(*before)))) {
      const T value = static_cast<T>(change(*before));
      free_chunk(number);
      return {value, false};
    }
    if (outcome.changes)
      flags::apply(reinterpret_cast<T*>(chunks_.writable(at, count * sizeof(T))), count, change);
    return {number, true};
  });
}

ShadowTree::Entry ShadowTree::apply_to_node(u64 number, unsigned level, u64 base, u64 first, u64 last,
                                            FlagChange change) {
  const u64 node = node_at(number, level, base);
  bool simpler = false;
  for_children(level, first, last, [&](u64 slot, u64 from, u64 to) {
    const Entry before = entry(node, slot);
    const Entry after = apply(before, level - 1, base_of(from, level - 1), from, to, change);
    if (after != before) set_entry(node, slot, after);
    simpler |= after != before && !after.reference;
    return false;
  });
  return simpler ? replace_node(number, node, level) : Entry{number, true};
}

// A node whose entries have become equal is not needed any more.
ShadowTree::Entry ShadowTree::replace_node(u64 number, u64 node, unsigned level) {
  if (shift_of(level) > 64) return {number, true};  // part of it stands for no addresses
  const Entry first = entry(node, 0);
  for (u64 slot = 0; slot < kShadowFanOut; ++slot) {
    if (const Entry other = entry(node, slot); other.reference || other != first) return {number, true};
  }
  free_node(number);
  return first;
}

ShadowTree::Entry ShadowTree::split(u64 value, unsigned level, u64 base) {
  if (level == 0) {
    const u64 number = take_chunk();
    u8* const page = chunks_.writable(number * kShadowChunkBytes, kShadowChunkBytes);
    with_width(stored_width_, [&](auto zero) {
      using T = decltype(zero);
      std::fill_n(reinterpret_cast<T*>(page), chunk_addresses(), static_cast<T>(value));
    });
    return {number, true};
  }
  const u64 number = take_node();
  auto* const node = nodes_.writable_as<ShadowNode>(number * sizeof(ShadowNode));
  *node = ShadowNode{};
  node->base = base;
  node->level = level;
  std::fill_n(node->entries, kShadowFanOut, value);
  return {number, true};
}

// ---- Writing flags as they are

void ShadowTree::write(u64 first, Bytes bytes) {
  if (bytes.empty()) return;
  const u64 last = first + (bytes.size() / stored_width_ - 1);
  require_covered(last);
  prepare(survey_write(first, last));
  for (u64 from = first;;) {
    const u64 to = std::min(last, last_of(base_of(from, 0), 0));
    write_piece(from, bytes.subspan((from - first) * stored_width_, (to - from + 1) * stored_width_));
    if (to == last) return;
    from = to + 1;
  }
}

// As survey(). Whether what is written is uniform is not looked at, so it may be less that is taken.
ShadowTree::Need ShadowTree::survey_write(u64 first, u64 last) const {
  Need need{.freed = chunks_in(first, last)};
  walk(first, last, [&](const Piece& piece) {
    if (!piece.flags) need.chunks += chunks_in(piece.first, piece.last);
    return false;
  });
  u64 nodes = need.chunks;
  for (unsigned level = 1; level <= height() && need.chunks != 0; ++level) {
    nodes = nodes / kShadowFanOut + 2;
    need.nodes += nodes;
  }
  return need;
}

void ShadowTree::write_piece(u64 first, Bytes bytes) {
  const u64 count = bytes.size() / stored_width_;
  u64 value = 0;
  const bool same = with_width(stored_width_, [&](auto zero) {
    using T = decltype(zero);
    value = load<T>(bytes.data());
    for (u64 i = 1; i < count; ++i) {
      if (load<T>(bytes.data() + i * sizeof(T)) != value) return false;
    }
    return true;
  });
  if (same) return apply_from_root(first, first + count - 1, {0, value});
  // The path to the page, of which entries may have to be split.
  Entry entry = root();
  if (!entry.reference) set_root(entry = split(entry.value, height(), 0));
  for (unsigned level = height(); level != 0; --level) {
    const u64 node = node_at(entry.value, level, base_of(first, level)), slot = slot_of(first, level);
    entry = this->entry(node, slot);
    if (entry.reference) continue;
    entry = split(entry.value, level - 1, base_of(first, level - 1));
    set_entry(node, slot, entry);
  }
  const u64 at = chunk_at(entry.value) + (first - base_of(first, 0)) * stored_width_;
  if (std::memcmp(chunks_.data() + at, bytes.data(), bytes.size()) != 0)
    std::memcpy(chunks_.writable(at, bytes.size()), bytes.data(), bytes.size());
}

// ---- Nodes and chunks that are free

u64 ShadowTree::free_node_at(u64 number_and_one) const {
  const u64 at = (number_and_one - 1) * sizeof(ShadowNode);
  if (number_and_one > node_count() || load_once<u32>(nodes_.data() + at + 8) != kShadowFreeLevel) {
    damaged("expected a free node at number " + std::to_string(number_and_one - 1) + " of " +
                std::to_string(node_count()),
            nodes_);
  }
  return at;
}

u64 ShadowTree::free_chunk_at(u64 index) const {
  const u64 number = load_once<u64>(free_chunks_.at(index * 8, 8));
  chunk_at(number);
  return number;
}

u64 ShadowTree::take_node() {
  const u64 next = header<u64>(offsetof(ShadowHeader, free_node));
  if (next == 0) return nodes_.extend(sizeof(ShadowNode)) / sizeof(ShadowNode);
  set_header(offsetof(ShadowHeader, free_node), load<u64>(nodes_.data() + free_node_at(next)));
  set_header(offsetof(ShadowHeader, free_nodes), header<u64>(offsetof(ShadowHeader, free_nodes)) - 1);
  return next - 1;
}

void ShadowTree::free_node(u64 number) {
  auto* const node = nodes_.writable_as<ShadowNode>(number * sizeof(ShadowNode));
  node->base = header<u64>(offsetof(ShadowHeader, free_node));
  node->level = kShadowFreeLevel;
  set_header(offsetof(ShadowHeader, free_node), number + 1);
  set_header(offsetof(ShadowHeader, free_nodes), header<u64>(offsetof(ShadowHeader, free_nodes)) + 1);
}

u64 ShadowTree::take_chunk() {
  const u64 free = header<u64>(offsetof(ShadowHeader, free_chunks));
  if (free == 0) return chunks_.extend(kShadowChunkBytes) / kShadowChunkBytes;
  const u64 number = free_chunk_at(free - 1);
  set_header(offsetof(ShadowHeader, free_chunks), free - 1);
  return number;
}

void ShadowTree::free_chunk(u64 number) {
  const u64 free = header<u64>(offsetof(ShadowHeader, free_chunks));
  store(free_chunks_.writable(free * 8, 8), number);
  set_header(offsetof(ShadowHeader, free_chunks), free + 1);
}

void ShadowTree::release(Entry entry, unsigned level, u64 base) {
  if (!entry.reference) return;
  if (level == 0) return free_chunk(entry.value);
  const u64 node = node_at(entry.value, level, base);
  for_children(level, base, last_of(base, level), [&](u64 slot, u64 from, u64) {
    release(this->entry(node, slot), level - 1, from);
    return false;
  });
  free_node(entry.value);
}

// ---- Inspection

ShadowTree::Stats ShadowTree::stats() const {
  const u64 free_nodes = header<u64>(offsetof(ShadowHeader, free_nodes));
  const u64 free_chunks = header<u64>(offsetof(ShadowHeader, free_chunks));
  return {node_count() - std::min(node_count(), free_nodes), free_nodes,
          chunk_count() - std::min(chunk_count(), free_chunks), free_chunks};
}

struct ShadowTree::Inspection {
  Findings& findings;
  std::vector<u64> chunks;  // those that were met: used or free
  u64 nodes = 0, free_nodes = 0;

  void note(const Region& region, const std::string& what) {
    add_while_room(findings, {region.path(), what});
  }
};

void ShadowTree::inspect(Entry entry, unsigned level, u64 base, Inspection& inspection) const {
  if (!entry.reference) {
    // 1. Flags fit their width.
    if (entry.value & ~all_flags())
      inspection.note(nodes_, "flags of more than " + std::to_string(width_) + " bytes at address " +
                                  std::to_string(base));
    return;
  }
  if (level == 0) {
    chunk_at(entry.value);
    inspection.chunks.push_back(entry.value);
    return inspect_page(entry.value, base, inspection);
  }
  // 3. A node is of the level, and for the addresses, of the entry that refers to it: so of one entry.
  const u64 node = node_at(entry.value, level, base);
  ++inspection.nodes;
  for_children(level, base, last_of(base, level), [&](u64 slot, u64 from, u64) {
    inspect(this->entry(node, slot), level - 1, from, inspection);
    return false;
  });
}

// 1. again, of a page whose flags have more bytes than they need.
void ShadowTree::inspect_page(u64 number, u64 base, Inspection& inspection) const {
  if (width_ == stored_width_) return;
  const WantedFlags beyond{~all_flags(), 0, true};
  const u8* const page = chunks_.data() + chunk_at(number);
  const u64 at = with_width(stored_width_, [&](auto zero) {
    return flags::find(reinterpret_cast<const decltype(zero)*>(page), chunk_addresses(), beyond);
  });
  if (at != chunk_addresses())
    inspection.note(chunks_, "flags of more than " + std::to_string(width_) + " bytes at address " +
                                 std::to_string(base + at));
}

void ShadowTree::inspect_free(Inspection& inspection) const {
  // 4. Free nodes are a list without a circle.
  u64 next = header<u64>(offsetof(ShadowHeader, free_node));
  for (; next != 0 && inspection.free_nodes <= node_count(); ++inspection.free_nodes)
    next = load_once<u64>(nodes_.data() + free_node_at(next));
  const u64 free = header<u64>(offsetof(ShadowHeader, free_chunks));
  for (u64 i = 0; i < free; ++i) {
    inspection.findings.step();
    inspection.chunks.push_back(free_chunk_at(i));
  }
}

void ShadowTree::check(Findings& findings) const {
  Inspection inspection{findings, {}, 0, 0};
  inspect(root(), height(), 0, inspection);
  inspect_free(inspection);
  // 2. Each page of flags belongs to one entry, or is on the stack of free pages once.
  std::vector<u64>& chunks = inspection.chunks;
  std::sort(chunks.begin(), chunks.end());
  const auto twice = std::adjacent_find(chunks.begin(), chunks.end());
  if (twice != chunks.end()) {
    inspection.note(chunks_,
                    "page " + std::to_string(*twice) + " is used twice, free and used, or free twice");
  } else if (chunks.size() != chunk_count()) {
    inspection.note(chunks_, "expected " + std::to_string(chunk_count()) +
                                 " pages that are used or free, found " + std::to_string(chunks.size()));
  }
  // 5. All nodes are used or free, and as many as the header counts.
  const u64 free_nodes = header<u64>(offsetof(ShadowHeader, free_nodes));
  if (inspection.free_nodes != free_nodes || inspection.nodes + free_nodes != node_count()) {
    inspection.note(nodes_, "expected " + std::to_string(node_count()) + " nodes, of them " +
                                std::to_string(free_nodes) + " free; found " +
                                std::to_string(inspection.nodes) + " in use and " +
                                std::to_string(inspection.free_nodes) + " free");
  }
  // 6. Regions hold whole nodes and pages.
  if (nodes_.size() % sizeof(ShadowNode) != 0 || chunks_.size() % kShadowChunkBytes != 0)
    inspection.note(nodes_, "expected whole nodes and pages");
}

}  // namespace emd
