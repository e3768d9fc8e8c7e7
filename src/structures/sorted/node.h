// Node: a page of a sorted dict, read; and what writes one anew.
//
// The same layout serves leaves and inner nodes (format.h). What an inner node's entry has for a value is a child; the first
// one's key is empty and stands for whatever is less than the second's.
//
// Every byte may be hostile: nothing is followed that was not checked. Beside a writer it may change meanwhile,
// so what is checked is read once.
//
// Threads: as the store's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "alloc/heap.h"
#include "base/bytes.h"
#include "store/region.h"
#include "structures/sorted/format.h"

namespace emd {

// Reads and writes of the six bytes of a page number or a count.
inline u64 load48(const u8* from) { return load_once<u32>(from) | u64{load_once<u16>(from + 4)} << 32; }
inline void store48(u8* to, u64 value) {
  store<u32>(to, static_cast<u32>(value));
  store<u16>(to + 4, static_cast<u16>(value >> 32));
}
inline constexpr u64 kMost48 = (u64{1} << 48) - 1;

// The first four bytes of a key, to be compared as a number.
inline u32 head_of(Bytes key) {
  u8 bytes[4] = {};
  for (std::size_t i = 0; i < 4 && i < key.size(); ++i) bytes[i] = key[i];
  return __builtin_bswap32(load<u32>(bytes));
}

// Less than, equal to or more than zero.
inline int compare(Bytes a, Bytes b) {
  const std::size_t common = a.size() < b.size() ? a.size() : b.size();
  const int order = common == 0 ? 0 : std::memcmp(a.data(), b.data(), common);
  if (order != 0) return order;
  return a.size() < b.size() ? -1 : a.size() > b.size();
}

inline std::size_t common_prefix(Bytes a, Bytes b) {
  std::size_t i = 0;
  while (i < a.size() && i < b.size() && a[i] == b[i]) ++i;
  return i;
}

// An entry where it lies.
struct NodeEntry {
  u32 head = 0;
  u8 form = 0;
  u64 suffix = 0;   // bytes of the key behind the prefix
  Bytes rest;       // of the key, behind the prefix and the head; empty where it is in the heap
  u64 key_ref = 0;  // in the heap: all of the key
  u64 child = 0, below = 0;
  u64 annex = 0;  // bytes of it
  Bytes body;     // annex and value; empty where they are in the heap
  u64 body_ref = 0;
  u16 record = 0;  // where it is
  u16 record_bytes = 0;
};

class Node {
 public:
  // Errors: DamagedError unless the page is a node of this level.
  Node(const Region& region, u64 page, unsigned level);

  u64 page() const { return page_; }
  unsigned level() const { return header_.level; }
  unsigned count() const { return header_.count; }
  const NodeHeader& header() const { return header_; }
  Bytes prefix() const { return {data_ + sizeof(NodeHeader), header_.prefix}; }

  // Errors of these: DamagedError. Precondition: index < count().
  NodeEntry entry(unsigned index) const;
  u64 child(unsigned index) const { return load48(record(index, kChildBytes)); }
  u64 below(unsigned index) const { return load48(record(index, kChildBytes) + 6); }
  // Where in the page the number of keys below is.
  u16 below_offset(unsigned index) const { return static_cast<u16>(record(index, kChildBytes) + 6 - data_); }
  u8 slot(unsigned index) const;
  u16 slot_offset(u8 slot) const { return static_cast<u16>(slots_ + slot * kSlotBytes - data_); }
  u16 permutation_offset() const { return static_cast<u16>(permutation_ - data_); }

  struct Found {
    unsigned index;
    bool equal;
  };
  // The first entry whose key is not less.
  Found lower_bound(Bytes key, const Heap& heap) const;
  // Appends the key.
  void append_key(const NodeEntry& entry, const Heap& heap, std::vector<u8>& key) const;

  // Bytes between slots and records; and those that there would be if it were written anew with one entry more.
  unsigned gap() const {
    return static_cast<unsigned>(header_.floor - (slots_ - data_) - header_.slots * kSlotBytes);
  }
  unsigned live_bytes() const {  // of records and slots
    return static_cast<unsigned>(kPageSize) - header_.floor - header_.dead +
           header_.count * (kSlotBytes + 1u);
  }
  [[noreturn]] void damaged(const std::string& expected, u64 found) const;

 private:
  const u8* record(unsigned index, unsigned bytes) const;
  int compare_at(unsigned index, u32 head, Bytes suffix, const Heap& heap) const;

  const Region& region_;
  u64 page_;
  const u8* data_;
  NodeHeader header_;
  const u8* permutation_;
  const u8* slots_;
};

// What an entry is written of.
struct NodeItem {
  Bytes key;  // all of it, also of one in the heap
  u64 key_ref = 0;
  u64 child = 0, below = 0;
  u64 annex = 0;
  Bytes body;
  u64 body_ref = 0;

  u8 form() const {
    return static_cast<u8>((key_ref != 0 ? kLongKey : 0) | (body_ref != 0 ? kLongBody : 0) |
                           (annex != 0 ? kHasAnnex : 0));
  }
  // Bytes of its record in a node of this level, behind a prefix of so many bytes.
  unsigned record_bytes(unsigned level, std::size_t prefix) const;
  void write_record(u8* to, unsigned level, std::size_t prefix) const;
};

// The entries of a node, taken out of it: they stay valid whatever becomes of it.
class NodeCopy {
 public:
  NodeCopy() = default;
  NodeCopy(NodeCopy&&) = default;
  NodeCopy& operator=(NodeCopy&&) = default;
  // Errors: DamagedError, for any entry, or block of one, that is damaged.
  NodeCopy(const Node& node, const Heap& heap);

  std::vector<NodeItem> items;

 private:
  std::vector<u8> page_, keys_;
};

// Room of a node without prefix and entries.
inline constexpr unsigned kNodeRoom = kPageSize - sizeof(NodeHeader);
// What these entries take of it, slots included; beside the prefix.
unsigned bytes_of(const NodeItem* items, std::size_t count, unsigned level, std::size_t prefix);
// Writes a node anew. Precondition: it fits.
void write_node(u8* page, unsigned level, Bytes prefix, const NodeItem* items, std::size_t count,
                unsigned max_entries);

}  // namespace emd
