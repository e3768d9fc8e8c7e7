// ShadowNodes: the nodes of a shadow memory's tree (tree.h) and the records that stand in place of small subtrees:
// what lies in its region of nodes, which are in use and which are free.
//
// Records lie in blocks, 32 of 128 bytes, 16 of 256 or 8 of 512 in a node's place. A block has a map of those that are
// in use. Blocks with room are a list for each size, and a full block is in none; one without records is a free node
// again.
//
// Errors: DamagedError if what is read contradicts itself; of prepare() also SystemError (no space). What takes
// and frees does not fail where prepare() was told of it and what is freed was looked at before. Threads: as the
// store's.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "store/store.h"
#include "structures/shadow/format.h"
#include "structures/shadow/runs.h"

namespace emd {

// An entry of a node: flags, or a reference.
struct ShadowEntry {
  u64 value = 0;
  bool reference = false;
  bool is_record() const { return reference && (value & kShadowRecordBit) != 0; }
  bool is_node_or_page() const { return reference && (value & kShadowRecordBit) == 0; }
  friend bool operator==(const ShadowEntry&, const ShadowEntry&) = default;
};

[[noreturn]] void shadow_damaged(const std::string& what, const Region& region);

class ShadowNodes {
 public:
  struct Need {
    u64 nodes = 0;
    u64 records[kShadowSizes] = {};
  };

  ShadowNodes(Region& header, Region& nodes) : header_(header), nodes_(nodes) {}

  u64 count() const { return nodes_.size() / sizeof(ShadowNode); }
  const Region& region() const { return nodes_; }

  // ---- Nodes

  // Where one lies, which is checked.
  u64 node_at(u64 number, unsigned level, u64 base) const {
    if (__builtin_expect(number >= count(), 0)) node_damaged(number, level, base);
    const u8* const node = nodes_.data() + number * sizeof(ShadowNode);
    if (__builtin_expect(load_once<u64>(node) != base || load_once<u32>(node + 8) != level, 0))
      node_damaged(number, level, base);
    return number * sizeof(ShadowNode);
  }
  ShadowEntry entry(u64 node, u64 slot) const {
    const u8* const at = nodes_.data() + node;
    const u64 bits = load_once<u64>(at + offsetof(ShadowNode, is_reference) + slot / 64 * 8);
    return {load_once<u64>(at + offsetof(ShadowNode, entries) + slot * 8), (bits >> (slot % 64) & 1) != 0};
  }
  void set_entry(u64 node, u64 slot, ShadowEntry entry);
  // One whose entries are all these flags. Returns its number.
  u64 make_node(u64 value, unsigned level, u64 base);
  void free_node(u64 number);
  [[noreturn]] void node_damaged(u64 number, unsigned level, u64 base) const;

  // ---- Records. `name` is the value of an entry that refers to one.

  // What it says of the addresses from `base` to `last`, which is checked.
  ShadowRuns record(u64 name, unsigned level, u64 base, u64 last) const;
  // What it says of one address. Where its runs are out of order, that of any of them.
  u64 record_flags(u64 name, unsigned level, u64 base, u64 address) const;
  // The size of records it is of. Precondition: record() was asked for it.
  unsigned size_of(u64 name) const;
  // Whether it has these runs, which it says, and no others, and is of the smallest size that has room for them.
  bool is_tight(u64 name, const ShadowRuns& runs) const;
  // Precondition of both: so many runs have a place in one; of the second: in one of that size.
  u64 make_record(const ShadowRuns& runs, unsigned level, u64 base);
  void set_record(u64 name, const ShadowRuns& runs, unsigned level, u64 base);
  void free_record(u64 name);

  // ---- Space

  // May fail; what follows does not.
  void prepare(const Need& need);

  u64 free_nodes() const { return header<u64>(offsetof(ShadowHeader, free_nodes)); }
  u64 records() const { return has_records() ? header<u64>(offsetof(ShadowHeader, records)) : 0; }
  u64 blocks() const { return has_records() ? header<u64>(offsetof(ShadowHeader, blocks)) : 0; }

  // Every invariant of what is free, and of blocks, where so many nodes and these records are referred to, each of them
  // once.
  void check(u64 nodes, std::vector<u64>&& names, Findings& findings) const;

 private:
  // Where a record lies.
  struct RecordSpan {
    u64 at = 0;
    unsigned size = 0;
  };

  template <class T>
  T header(std::size_t offset) const {
    return load_once<T>(header_.at(offset, sizeof(T)));
  }
  template <class T>
  void set_header(std::size_t offset, T value) {
    store(header_.writable(offset, sizeof value), value);
  }
  void add_to_header(std::size_t offset, u64 more) { set_header(offset, header<u64>(offset) + more); }
  bool has_records() const { return header<u32>(offsetof(ShadowHeader, format)) >= kShadowRecordFormat; }
  static constexpr std::size_t list(unsigned size) {
    return offsetof(ShadowHeader, blocks_with_room) + 8 * size;
  }
  u64 first_with_room(unsigned size) const { return has_records() ? header<u64>(list(size)) : 0; }

  template <class T>
  T field(u64 number, std::size_t offset) const {
    return load_once<T>(nodes_.data() + number * sizeof(ShadowNode) + offset);
  }
  template <class T>
  void set_field(u64 number, std::size_t offset, T value) {
    store(nodes_.writable(number * sizeof(ShadowNode) + offset, sizeof value), value);
  }
  u64 free_node_at(u64 number_and_one) const;
  u64 take_node();

  bool is_block(u64 number, unsigned size) const {
    return number < count() && field<u32>(number, offsetof(ShadowBlock, level)) == kShadowBlockLevel - size;
  }
  static u32 full_map(unsigned size) { return static_cast<u32>((u64{1} << shadow_block_records(size)) - 1); }
  // Whether a list may go on with this block, and what comes before it is that one (one more than its number).
  bool has_room(u64 number, unsigned size, u64 previous) const;
  u64 block_with_room(u64 number_and_one, unsigned size, u64 previous) const;
  u64 make_block(unsigned size);
  void put_in_list(u64 number, unsigned size);
  // False, and nothing is done: the list is damaged there.
  bool take_out_of_list(u64 number, unsigned size);
  RecordSpan span_of(u64 name) const;
  RecordSpan record_at(u64 name, unsigned level, u64 base) const;
  void convert();
  void check_lists(u64 blocks, Findings& findings) const;
  void note(Findings& findings, const std::string& what) const;

  Region& header_;
  Region& nodes_;
};

}  // namespace emd
