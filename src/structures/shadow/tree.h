// ShadowTree: flags of every address, in a radix tree whose entries stand for whole runs of addresses that have the
// same.
//
//   header: root ---> node of level 2 ---> node of level 1 ---> chunk: a page of flags
//                     512 entries          512 entries     ---> record: a few runs, in place of a page or a node
//
// An entry of level n stands for the addresses of a chunk, times 512^(n-1). So many addresses of the same flags are one
// word wherever they fill entries, and have no pages; and to change them is to change the word. What is of few runs is
// a record (nodes.h), on every level; of more, a page or a node. The tree is as high as the highest address needs. A
// node and a record hold their level and their first address: no file makes one stand in two places, so a walk ends
// after as many steps as there are of them.
//
// The tree knows nothing of what is backed (Shadow does).
//
// Errors of all calls: DamagedError if what is read contradicts itself. Mutating calls: SystemError (no space), before
// anything is changed. Threads: as the store's. Mutating calls run inside an Operation of the caller.
#pragma once

#include <algorithm>
#include <string>

#include "base/bytes.h"
#include "store/store.h"
#include "structures/shadow/flags.h"
#include "structures/shadow/format.h"
#include "structures/shadow/nodes.h"

namespace emd {

class ShadowTree {
 public:
  // Flags of the addresses first to last: those at `flags`, or, if that is null, `value` each.
  struct Piece {
    u64 first, last;
    const u8* flags;
    u64 value;
    u64 count() const { return last - first + 1; }
  };
  // So many pages of flags are looked at by one call of change().
  static constexpr u64 kPagesAtOnce = 16384;

  // The header's region holds a ShadowHeader of this width, 1 to 8.
  ShadowTree(Region& header, Region& nodes, Region& chunks, Region& free_chunks, unsigned width);

  // The bytes that the flags of an address lie in: the next power of two.
  unsigned stored_width() const { return stored_width_; }
  u64 all_flags() const { return ~u64{0} >> (64 - 8 * width_); }
  u64 chunk_addresses() const { return u64{1} << chunk_shift_; }
  // The highest address that the tree has room for.
  u64 covered_last() const { return last_of(0, height()); }
  // Makes the tree high enough.
  void cover(u64 last);

  // Precondition of the rest: the addresses are covered.

  u64 get(u64 address) const;
  // Calls work(Piece) for the addresses in order until it returns true; returns whether it did.
  template <class Work>
  bool walk(u64 first, u64 last, Work&& work) const {
    require_covered(last);
    return walk_in(root(), height(), 0, first, last, work);
  }
  // Cost: O(1) for each run of equal flags that fills entries, else a pass over the pages.
  // Returns the last address that was changed: of very many pages it changes only the first.
  u64 change(u64 first, u64 last, FlagChange change);
  // These flags, of the addresses from `first` on. A chunk that is uniform then has no page any more.
  // Precondition: `bytes` are whole flags, of stored_width() bytes each, and none is beyond all_flags(). Of a file that
  // breaks this no reader takes notice but check().
  void write(u64 first, Bytes bytes);

  struct Stats {
    u64 nodes, free_nodes, chunks, free_chunks, records, blocks;
  };
  Stats stats() const;
  // Every invariant, commented one by one. Cost: a step a node.
  void check(Findings& findings) const;

 private:
  using Entry = ShadowEntry;
  struct Need;
  struct Inspection;
  struct Counting;
  struct Making;

  // How many low bits of an address choose within a node of this level, or (0) within a chunk.
  unsigned shift_of(unsigned level) const { return chunk_shift_ + kShadowFanOutBits * level; }
  u64 slot_of(u64 address, unsigned level) const {
    return address >> shift_of(level - 1) & (kShadowFanOut - 1);
  }
  u64 base_of(u64 address, unsigned level) const {
    return shift_of(level) > 63 ? 0 : address >> shift_of(level) << shift_of(level);
  }
  u64 last_of(u64 base, unsigned level) const {
    return shift_of(level) > 63 ? ~u64{0} : base | ((u64{1} << shift_of(level)) - 1);
  }
  unsigned height_for(u64 last) const;

  template <class T>
  T header(std::size_t offset) const {
    return load_once<T>(header_.at(offset, sizeof(T)));
  }
  template <class T>
  void set_header(std::size_t offset, T value) {
    emd::store(header_.writable(offset, sizeof value), value);
  }
  unsigned height() const {
    const u32 height = header<u32>(offsetof(ShadowHeader, height));
    if (__builtin_expect(height > max_height_, 0)) height_damaged(height);
    return height;
  }
  Entry root() const {
    return {header<u64>(offsetof(ShadowHeader, root)),
            header<u32>(offsetof(ShadowHeader, root_is_reference)) != 0};
  }
  void set_root(Entry entry);
  void require_covered(u64 last) const {
    if (__builtin_expect(last > covered_last(), 0)) not_covered(last);
  }

  // Where a chunk lies, which is checked.
  u64 chunk_at(u64 number) const {
    if (__builtin_expect(number >= chunk_count(), 0)) chunk_damaged(number);
    return number * kShadowChunkBytes;
  }
  u64 chunk_count() const { return chunks_.size() / kShadowChunkBytes; }
  template <class Work>
  bool walk_in(Entry entry, unsigned level, u64 base, u64 first, u64 last, Work& work) const;
  // child(slot, first, last) for each entry of a node that the addresses reach, until it returns true.
  template <class Child>
  bool for_children(unsigned level, u64 first, u64 last, Child&& child) const;

  // The flags of an address above which the tree ends at a reference to no node or page there is: to a record, or
  // damaged.
  [[gnu::noinline]] u64 flags_of_record(u64 name, unsigned level, u64 address) const;
  // What an entry without a node or a page says.
  ShadowRuns runs_of(Entry entry, unsigned level, u64 base) const {
    return entry.reference ? nodes_.record(entry.value, level, base, last_of(base, level))
                           : ShadowRuns(entry.value);
  }

  // An entry that says what the runs say: flags, a record, or what must be made. `maker` makes it, or counts what that
  // takes; `old` is what the entry has been so far: a record of the right size stays where it is.
  template <class Maker>
  Entry build(Maker& maker, const ShadowRuns& runs, unsigned level, u64 base, Entry old) const;
  // The same, where these flags have been written over the runs.
  template <class Maker>
  Entry compose(Maker& maker, const ShadowRuns& runs, unsigned level, u64 base, u64 first, Bytes bytes,
                Entry old) const;
  // child(slot, its base, ShadowRuns) for each entry of a node in which there are other flags than those of most.
  template <class Child>
  void for_parts(const ShadowRuns& runs, unsigned level, Child&& child) const;

  void survey(Entry entry, unsigned level, u64 base, u64 first, u64 last, FlagChange change,
              Need& need) const;
  void survey_write(Entry entry, unsigned level, u64 base, u64 first, Bytes bytes, Need& need) const;
  void prepare(const Need& need);
  Entry apply(Entry entry, unsigned level, u64 base, u64 first, u64 last, FlagChange change);
  Entry apply_to_chunk(u64 number, u64 base, u64 first, u64 last, FlagChange change);
  // after(entry, its level, its base, first, last) for each entry of a node that the addresses reach.
  template <class After>
  Entry apply_to_node(u64 number, unsigned level, u64 base, u64 first, u64 last, After&& after);
  template <class T>
  bool others_equal(u64 number, u64 begin, u64 count, T value) const;
  bool change_page(u64 address, FlagChange change);
  [[gnu::noinline]] u64 change_any(u64 first, u64 last, FlagChange change);
  Entry write_in(Entry entry, unsigned level, u64 base, u64 first, Bytes bytes);
  Entry write_to_chunk(u64 number, u64 base, u64 first, Bytes bytes);
  // The part of flags from `first` on that is of the addresses from `from` to `to`.
  Bytes part(Bytes bytes, u64 first, u64 from, u64 to) const {
    return bytes.subspan((from - first) * stored_width_, (to - from + 1) * stored_width_);
  }
  u64 last_in(u64 first, Bytes bytes) const { return first + (bytes.size() / stored_width_ - 1); }
  Entry replace_node(u64 number, u64 node, unsigned level);

  u64 make_chunk(const ShadowRuns& runs, u64 base);
  u64 take_chunk();
  u64 free_chunk_at(u64 index) const;
  void free_chunk(u64 number);
  void release(Entry entry, unsigned level, u64 base);

  void inspect(Entry entry, unsigned level, u64 base, Inspection& inspection) const;
  void inspect_page(u64 number, u64 base, Inspection& inspection) const;
  void inspect_record(Entry entry, unsigned level, u64 base, Inspection& inspection) const;

  [[noreturn]] void height_damaged(u64 height) const;
  [[noreturn]] void not_covered(u64 last) const;
  [[noreturn]] void chunk_damaged(u64 number) const;

  Region& header_;
  ShadowNodes nodes_;
  Region& chunks_;
  Region& free_chunks_;  // a stack of numbers: so to free a chunk does not touch it
  unsigned width_;
  unsigned stored_width_;
  unsigned chunk_shift_;
  unsigned max_height_;
};

template <class Child>
bool ShadowTree::for_children(unsigned level, u64 first, u64 last, Child&& child) const {
  for (u64 from = first;;) {
    const u64 child_last = last_of(base_of(from, level - 1), level - 1);
    if (child(slot_of(from, level), from, std::min(last, child_last))) return true;
    if (child_last >= last) return false;
    from = child_last + 1;
  }
}

template <class Work>
bool ShadowTree::walk_in(Entry entry, unsigned level, u64 base, u64 first, u64 last, Work& work) const {
  if (!entry.reference) return work(Piece{first, last, nullptr, entry.value});
  if (entry.is_record()) {
    return runs_of(entry, level, base).walk(first, last, [&](const FlagRun& run) {
      return work(Piece{run.first, run.last, nullptr, run.flags});
    });
  }
  if (level == 0)
    return work(
        Piece{first, last, chunks_.data() + chunk_at(entry.value) + (first - base) * stored_width_, 0});
  const u64 node = nodes_.node_at(entry.value, level, base);
  return for_children(level, first, last, [&](u64 slot, u64 from, u64 to) {
    return walk_in(nodes_.entry(node, slot), level - 1, base_of(from, level - 1), from, to, work);
  });
}

}  // namespace emd
