// ShadowTree: reading and changing of runs by descent, from whole subtrees down to single pages of flags.
#include "structures/shadow/tree.h"

#include <cstring>

namespace emd {

// What a change will take and give back.
struct ShadowTree::Need {
  ShadowNodes::Need nodes{};
  u64 chunks = 0;
  u64 freed = 0;  // chunks, at most
  u64 pages_left = kPagesAtOnce;
  u64 last = 0;  // where it ends, if pages_left has come to 0
};

ShadowTree::ShadowTree(Region& header, Region& nodes, Region& chunks, Region& free_chunks, unsigned width)
    : header_(header),
      nodes_(header, nodes),
      chunks_(chunks),
      free_chunks_(free_chunks),
      width_(width),
      stored_width_(std::bit_ceil(width)),
      chunk_shift_(static_cast<unsigned>(std::countr_zero(kShadowChunkBytes / stored_width_))),
      max_height_((64 - chunk_shift_ + kShadowFanOutBits - 1) / kShadowFanOutBits) {}

// ---- Damage

void ShadowTree::height_damaged(u64 height) const {
  shadow_damaged("expected at most " + std::to_string(max_height_) + " levels, the header says " +
                     std::to_string(height),
                 header_);
}
void ShadowTree::not_covered(u64 last) const {
  shadow_damaged("expected a tree that reaches address " + std::to_string(last) + ", found " +
                     std::to_string(height()) + " levels",
                 header_);
}
void ShadowTree::chunk_damaged(u64 number) const {
  shadow_damaged("expected one of " + std::to_string(chunk_count()) +
                     " pages of flags, found a reference to " + std::to_string(number),
                 chunks_);
}

// ---- Making entries

// What making them takes.
struct ShadowTree::Counting {
  const ShadowNodes& nodes;
  Need& need;

  Entry record(const ShadowRuns& runs, unsigned, u64, Entry old) {
    const unsigned size = shadow_record_size(runs.count());
    if (!old.is_record() || nodes.size_of(old.value) != size) ++need.nodes.records[size];
    return {};
  }
  Entry chunk(const ShadowRuns&, u64) { return ++need.chunks, Entry{}; }
  void write(Entry, u64, u64, Bytes) {}
  u64 node(u64, unsigned, u64) { return ++need.nodes.nodes; }
  void set(u64, unsigned, u64, u64, Entry) {}
};

// It does not fail: prepare() was told what Counting has counted.
struct ShadowTree::Making {
  ShadowTree& tree;

  Entry record(const ShadowRuns& runs, unsigned level, u64 base, Entry old) {
    ShadowNodes& nodes = tree.nodes_;
    if (!old.is_record() || nodes.size_of(old.value) != shadow_record_size(runs.count()))
      return {nodes.make_record(runs, level, base), true};
    nodes.set_record(old.value, runs, level, base);
    return old;
  }
  Entry chunk(const ShadowRuns& runs, u64 base) { return {tree.make_chunk(runs, base), true}; }
  void write(Entry chunk, u64 base, u64 first, Bytes bytes) {
    const u64 at = tree.chunk_at(chunk.value) + (first - base) * tree.stored_width_;
    std::memcpy(tree.chunks_.writable(at, bytes.size()), bytes.data(), bytes.size());
  }
  u64 node(u64 value, unsigned level, u64 base) { return tree.nodes_.make_node(value, level, base); }
  void set(u64 node, unsigned level, u64 base, u64 slot, Entry entry) {
    tree.nodes_.set_entry(tree.nodes_.node_at(node, level, base), slot, entry);
  }
};

template <class Child>
void ShadowTree::for_parts(const ShadowRuns& runs, unsigned level, Child&& child) const {
  u64 behind = 0;  // the entries that were met
  for (unsigned i = 0; i < runs.count(); ++i) {
    for (u64 from = std::max(runs[i].first, behind); from <= runs[i].last;) {
      const u64 base = base_of(from, level - 1), last = last_of(base, level - 1);
      child(slot_of(base, level), base, runs.clipped(base, last));
      if (last == ~u64{0}) return;
      from = behind = last + 1;
    }
  }
}

template <class Maker>
ShadowTree::Entry ShadowTree::build(Maker& maker, const ShadowRuns& runs, unsigned level, u64 base,
                                    Entry old) const {
  if (u64 flags = 0; runs.uniform(base, last_of(base, level), flags)) return {flags, false};
  if (runs.fits_a_record()) return maker.record(runs, level, base, old);
  if (level == 0) return maker.chunk(runs, base);
  const u64 node = maker.node(runs.value(), level, base);
  for_parts(runs, level, [&](u64 slot, u64 from, const ShadowRuns& part) {
    maker.set(node, level, base, slot, build(maker, part, level - 1, from, {}));
  });
  return {node, true};
}

template <class Maker>
ShadowTree::Entry ShadowTree::compose(Maker& maker, const ShadowRuns& runs, unsigned level, u64 base,
                                      u64 first, Bytes bytes, Entry old) const {
  ShadowRuns after(0);
  if (runs.overwritten(base, last_of(base, level), first, bytes, stored_width_, after))
    return old.is_record() && after == runs ? old : build(maker, after, level, base, old);
  if (level == 0) {
    const Entry chunk = maker.chunk(runs, base);
    maker.write(chunk, base, first, bytes);
    return chunk;
  }
  const u64 node = maker.node(runs.value(), level, base), last = last_in(first, bytes);
  for_parts(runs, level, [&](u64 slot, u64 from, const ShadowRuns& part) {
    if (from > last || last_of(from, level - 1) < first)  // of others less is made below
      maker.set(node, level, base, slot, build(maker, part, level - 1, from, {}));
  });
  for_children(level, first, last, [&](u64 slot, u64 from, u64 to) {
    const u64 child = base_of(from, level - 1);
    maker.set(node, level, base, slot,
              compose(maker, runs.clipped(child, last_of(child, level - 1)), level - 1, child, from,
                      part(bytes, first, from, to), {}));
    return false;
  });
  return {node, true};
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
  const Entry top = root();
  Entry higher = top;
  if (top.is_node_or_page()) {
    prepare({.nodes = {.nodes = wanted - before}});
    for (unsigned level = before + 1; level <= wanted; ++level) {
      const u64 node = nodes_.make_node(0, level, 0);
      nodes_.set_entry(nodes_.node_at(node, level, 0), 0, higher);
      higher = {node, true};
    }
  } else if (top != Entry{}) {  // else the flags of all are 0, at any height
    const u64 end = last_of(0, before);
    ShadowRuns runs(0);  // one more than there were, at most
    runs_of(top, before, 0).walk(0, end, [&](const FlagRun& run) {
      runs.append(run.first, run.last, run.flags);
      return false;
    });
    Need need;
    Counting counting{nodes_, need};
    build(counting, runs, wanted, 0, {});
    prepare(need);
    Making making{*this};
    higher = build(making, runs, wanted, 0, {});
    if (top.is_record()) nodes_.free_record(top.value);
  }
  set_header<u32>(offsetof(ShadowHeader, height), wanted);
  set_root(higher);
}

void ShadowTree::set_root(Entry entry) {
  set_header(offsetof(ShadowHeader, root), entry.value);
  set_header<u32>(offsetof(ShadowHeader, root_is_reference), entry.reference);
}

// ---- Reading

u64 ShadowTree::get(u64 address) const {
  require_covered(address);
  Entry entry = root();
  unsigned level = height();
  for (; entry.reference && level != 0; --level) {
    if (__builtin_expect(entry.value >= nodes_.count(), 0))
      return flags_of_record(entry.value, level, address);
    entry =
        nodes_.entry(nodes_.node_at(entry.value, level, base_of(address, level)), slot_of(address, level));
  }
  if (!entry.reference) return entry.value & all_flags();
  if (__builtin_expect(entry.value >= chunk_count(), 0)) return flags_of_record(entry.value, level, address);
  const u8* const page = chunks_.data() + chunk_at(entry.value);
  const u64 at = (address & (chunk_addresses() - 1)) * stored_width_;
  return all_flags() &
         with_width(stored_width_, [&](auto zero) -> u64 { return load_once<decltype(zero)>(page + at); });
}

u64 ShadowTree::flags_of_record(u64 name, unsigned level, u64 address) const {
  const u64 base = base_of(address, level);
  if ((name & kShadowRecordBit) != 0) return nodes_.record_flags(name, level, base, address) & all_flags();
  if (level == 0) chunk_damaged(name);
  nodes_.node_damaged(name, level, base);
}

// ---- Changing

u64 ShadowTree::change(u64 first, u64 last, FlagChange change) {
  require_covered(last);
  if (first == last && change_page(first, change)) return last;
  return change_any(first, last, change);
}

u64 ShadowTree::change_any(u64 first, u64 last, FlagChange change) {
  if (first == last) {
    const u64 flags = get(first);
    if (change(flags) == flags) return last;
  }
  Need need;
  survey(root(), height(), 0, first, last, change, need);
  if (need.pages_left == 0) last = need.last;
  prepare(need);
  const Entry before = root(), after = apply(before, height(), 0, first, last, change);
  if (after != before) set_root(after);
  return last;
}

// The usual change of one address, whose flags are in a page that is still needed then, or stay as they are. False:
// nothing was done.
bool ShadowTree::change_page(u64 address, FlagChange change) {
  Entry entry = root();
  unsigned level = height();
  for (; entry.reference && level != 0; --level) {
    if (__builtin_expect(entry.value >= nodes_.count(), 0)) return false;
    entry =
        nodes_.entry(nodes_.node_at(entry.value, level, base_of(address, level)), slot_of(address, level));
  }
  if (!entry.reference) return change(entry.value) == entry.value;
  if (__builtin_expect(entry.value >= chunk_count(), 0)) return false;
  const u64 place = address & (chunk_addresses() - 1);
  const u64 at = chunk_at(entry.value) + place * stored_width_;
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
  const auto looked_at = [&] {
    if (--need.pages_left == 0) need.last = last;
  };
  if (!entry.reference) {
    const bool whole = first == base && last == last_of(base, level);
    if (whole || change(entry.value) == entry.value) return;
  }
  if (!entry.is_node_or_page()) {
    const ShadowRuns before = runs_of(entry, level, base);
    const ShadowRuns after = before.changed(base, last_of(base, level), first, last, change);
    Counting counting{nodes_, need};
    if (!(after == before)) build(counting, after, level, base, entry);
    return looked_at();
  }
  if (level == 0) {
    chunk_at(entry.value);
    ++need.freed;  // if all of its flags become the same
    return looked_at();
  }
  const u64 node = nodes_.node_at(entry.value, level, base);
  for_children(level, first, last, [&](u64 slot, u64 from, u64 to) {
    survey(nodes_.entry(node, slot), level - 1, base_of(from, level - 1), from, to, change, need);
    return need.pages_left == 0;
  });
  if (need.pages_left != 0) looked_at();
}

// May fail; what follows does not.
void ShadowTree::prepare(const Need& need) {
  u64 chunks = need.chunks;
  const u64 free = header<u64>(offsetof(ShadowHeader, free_chunks));
  if (free > free_chunks_.size() / 8)
    shadow_damaged("expected at most " + std::to_string(free_chunks_.size() / 8) +
                       " free pages, the header says " + std::to_string(free),
                   header_);
  for (u64 i = free; chunks != 0 && i != 0; --chunks) free_chunk_at(--i);
  nodes_.prepare(need.nodes);
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
  }
  if (entry.reference && whole && change.is_constant(all_flags())) {
    release(entry, level, base);
    return {change.set, false};
  }
  if (!entry.is_node_or_page()) {
    const ShadowRuns before = runs_of(entry, level, base);
    const ShadowRuns after = before.changed(base, last_of(base, level), first, last, change);
    if (after == before) return entry;
    Making making{*this};
    const Entry made = build(making, after, level, base, entry);
    if (entry.is_record() && made != entry) nodes_.free_record(entry.value);
    return made;
  }
  if (level == 0) return apply_to_chunk(entry.value, base, first, last, change);
  return apply_to_node(entry.value, level, base, first, last,
                       [&](Entry child, unsigned child_level, u64 child_base, u64 from, u64 to) {
                         return apply(child, child_level, child_base, from, to, change);
                       });
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
    const flags::ChangeEffect effect = flags::effect_of(before, count, change);
    if (effect.uniform && others_equal<T>(number, first - base, count, static_cast<T>(change(*before)))) {
      const T value = static_cast<T>(change(*before));
      free_chunk(number);
      return {value, false};
    }
    if (effect.changes)
      flags::apply(reinterpret_cast<T*>(chunks_.writable(at, count * sizeof(T))), count, change);
    return {number, true};
  });
}

template <class After>
ShadowTree::Entry ShadowTree::apply_to_node(u64 number, unsigned level, u64 base, u64 first, u64 last,
                                            After&& after) {
  const u64 node = nodes_.node_at(number, level, base);
  bool simpler = false;
  for_children(level, first, last, [&](u64 slot, u64 from, u64 to) {
    const Entry before = nodes_.entry(node, slot);
    const Entry now = after(before, level - 1, base_of(from, level - 1), from, to);
    if (now != before) nodes_.set_entry(node, slot, now);
    simpler |= now != before && !now.reference;
    return false;
  });
  return simpler ? replace_node(number, node, level) : Entry{number, true};
}

// A node whose entries have become equal is not needed any more.
ShadowTree::Entry ShadowTree::replace_node(u64 number, u64 node, unsigned level) {
  // Part of the highest stands for no addresses.
  const u64 slots = std::min(kShadowFanOut, (~u64{0} >> shift_of(level - 1)) + 1);
  const Entry first = nodes_.entry(node, 0);
  for (u64 slot = 0; slot < slots; ++slot) {
    if (const Entry other = nodes_.entry(node, slot); other.reference || other != first)
      return {number, true};
  }
  nodes_.free_node(number);
  return first;
}

u64 ShadowTree::make_chunk(const ShadowRuns& runs, u64 base) {
  const u64 number = take_chunk();
  u8* const page = chunks_.writable(number * kShadowChunkBytes, kShadowChunkBytes);
  with_width(stored_width_, [&](auto zero) {
    using T = decltype(zero);
    runs.walk(base, last_of(base, 0), [&](const FlagRun& run) {
      std::fill_n(reinterpret_cast<T*>(page) + (run.first - base), run.last - run.first + 1,
                  static_cast<T>(run.flags));
      return false;
    });
  });
  return number;
}

// ---- Writing flags as they are

void ShadowTree::write(u64 first, Bytes bytes) {
  if (bytes.empty()) return;
  require_covered(last_in(first, bytes));
  Need need;
  survey_write(root(), height(), 0, first, bytes, need);
  prepare(need);
  const Entry before = root(), after = write_in(before, height(), 0, first, bytes);
  if (after != before) set_root(after);
}

// As survey().
void ShadowTree::survey_write(Entry entry, unsigned level, u64 base, u64 first, Bytes bytes,
                              Need& need) const {
  if (!entry.is_node_or_page()) {
    Counting counting{nodes_, need};
    compose(counting, runs_of(entry, level, base), level, base, first, bytes, entry);
  } else if (level == 0) {
    chunk_at(entry.value);
    ++need.freed;
  } else {
    const u64 node = nodes_.node_at(entry.value, level, base);
    for_children(level, first, last_in(first, bytes), [&](u64 slot, u64 from, u64 to) {
      survey_write(nodes_.entry(node, slot), level - 1, base_of(from, level - 1), from,
                   part(bytes, first, from, to), need);
      return false;
    });
  }
}

ShadowTree::Entry ShadowTree::write_in(Entry entry, unsigned level, u64 base, u64 first, Bytes bytes) {
  if (!entry.is_node_or_page()) {
    Making making{*this};
    const Entry made = compose(making, runs_of(entry, level, base), level, base, first, bytes, entry);
    if (entry.is_record() && made != entry) nodes_.free_record(entry.value);
    return made;
  }
  if (level == 0) return write_to_chunk(entry.value, base, first, bytes);
  return apply_to_node(entry.value, level, base, first, last_in(first, bytes),
                       [&](Entry child, unsigned child_level, u64 child_base, u64 from, u64 to) {
                         return write_in(child, child_level, child_base, from, part(bytes, first, from, to));
                       });
}

ShadowTree::Entry ShadowTree::write_to_chunk(u64 number, u64 base, u64 first, Bytes bytes) {
  if (equal_flags(bytes, stored_width_) == bytes.size() / stored_width_) {
    const u64 flags =
        with_width(stored_width_, [&](auto zero) -> u64 { return load<decltype(zero)>(bytes.data()); });
    return apply_to_chunk(number, base, first, last_in(first, bytes), {0, flags});
  }
  const u64 at = chunk_at(number) + (first - base) * stored_width_;
  if (std::memcmp(chunks_.data() + at, bytes.data(), bytes.size()) != 0)
    std::memcpy(chunks_.writable(at, bytes.size()), bytes.data(), bytes.size());
  return {number, true};
}

// ---- Chunks that are free

u64 ShadowTree::free_chunk_at(u64 index) const {
  const u64 number = load_once<u64>(free_chunks_.at(index * 8, 8));
  chunk_at(number);
  return number;
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
  if (entry.is_record()) return nodes_.free_record(entry.value);
  if (level == 0) return free_chunk(entry.value);
  const u64 node = nodes_.node_at(entry.value, level, base);
  for_children(level, base, last_of(base, level), [&](u64 slot, u64 from, u64) {
    release(nodes_.entry(node, slot), level - 1, from);
    return false;
  });
  nodes_.free_node(entry.value);
}

}  // namespace emd
