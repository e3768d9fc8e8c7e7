#include "structures/sorted/node.h"

#include <algorithm>

#include "base/errors.h"

namespace emd {

namespace {

constexpr unsigned kHead = 4;
constexpr unsigned kRefBytes = 8;

unsigned varint_bytes(u64 value) {
  unsigned bytes = 1;
  while (value >= 0x80) value >>= 7, ++bytes;
  return bytes;
}

}  // namespace

// ---- Reading

Node::Node(const Region& region, u64 page, unsigned level) : region_(region), page_(page) {
  if (page == 0 || page > region.size() >> kPageShift) {
    throw DamagedError(region.path() + ": expected a node's page, found " + std::to_string(page),
                       region.path());
  }
  data_ = region.at(page << kPageShift, kPageSize);
  const u64 parts[2] = {load_once<u64>(data_), load_once<u64>(data_ + 8)};
  std::memcpy(&header_, parts, sizeof header_);
  if (header_.tag != kNodeTag) damaged("a node", header_.tag);
  if (header_.level != level) damaged("a node of level " + std::to_string(level), header_.level);
  if (header_.capacity > kMostEntries || header_.count > header_.capacity)
    damaged("a count of entries", header_.count);
  if (header_.count > header_.slots || header_.slots > kMostEntries)
    damaged("a count of slots", header_.slots);
  permutation_ = data_ + sizeof(NodeHeader) + header_.prefix;
  slots_ = permutation_ + header_.capacity;
  const u64 front = sizeof(NodeHeader) + u64{header_.prefix} + header_.capacity + header_.slots * kSlotBytes;
  if (header_.floor > kPageSize || front > header_.floor) damaged("records behind the slots", header_.floor);
  if (header_.dead > kPageSize - header_.floor) damaged("a count of dead bytes", header_.dead);
}

void Node::damaged(const std::string& expected, u64 found) const {
  throw DamagedError(region_.path() + ": node at " + std::to_string(page_ << kPageShift) + ": expected " +
                         expected + ", found " + std::to_string(found),
                     region_.path());
}

u8 Node::slot(unsigned index) const {
  const u8 slot = load_once<u8>(permutation_ + index);
  if (__builtin_expect(slot >= header_.slots, 0)) damaged("a slot", slot);
  return slot;
}

// The record, of which at least so many bytes lie in the page.
const u8* Node::record(unsigned index, unsigned bytes) const {
  const u16 offset = load_once<u16>(slots_ + slot(index) * kSlotBytes + kHead);
  if (__builtin_expect(offset < header_.floor || offset + bytes > kPageSize, 0))
    damaged("a record's offset", offset);
  return data_ + offset;
}

NodeEntry Node::entry(unsigned index) const {
  const bool leaf = header_.level == 0;
  const u8* const begin = record(index, leaf ? 1 : kChildBytes + 1);
  const u8* const end = data_ + kPageSize;
  const u8* at = begin;
  NodeEntry entry;
  entry.head = load_once<u32>(slots_ + slot(index) * kSlotBytes);
  if (!leaf) {
    entry.child = load48(at);
    entry.below = load48(at + 6);
    at += kChildBytes;
  }
  const auto take = [&](u64 bytes) {
    if (bytes > static_cast<u64>(end - at)) damaged("a record within the node", bytes);
    const u8* const from = at;
    at += bytes;
    return from;
  };
  const auto number = [&] {
    u64 value = 0;
    at = get_varint(at, end, value);
    if (at == nullptr) damaged("a number in a record", static_cast<u64>(begin - data_));
    return value;
  };
  const u64 first = number();
  entry.form = static_cast<u8>(first & ((1 << kFormBits) - 1));
  entry.suffix = first >> kFormBits;
  if (!leaf && (entry.form & ~kLongKey) != 0) damaged("a separator's form", entry.form);
  if ((entry.form & kHasAnnex) != 0) entry.annex = number();
  const u64 value = leaf && (entry.form & kLongBody) == 0 ? number() : 0;
  if ((entry.form & kLongKey) != 0) {
    entry.key_ref = load_once<u64>(take(kRefBytes));
    if (entry.key_ref == 0) damaged("a key's reference", 0);
  } else {
    const u64 rest = entry.suffix > kHead ? entry.suffix - kHead : 0;
    entry.rest = {take(rest), rest};
  }
  if ((entry.form & kLongBody) != 0) {
    entry.body_ref = load_once<u64>(take(kRefBytes));
    if (entry.body_ref == 0) damaged("a value's reference", 0);
  } else if (leaf) {
    if (entry.annex > kPageSize || value > kPageSize) damaged("a value within the node", value);
    entry.body = {take(entry.annex + value), entry.annex + value};
  }
  entry.record = static_cast<u16>(begin - data_);
  entry.record_bytes = static_cast<u16>(at - begin);
  return entry;
}

int Node::compare_at(unsigned index, u32 head, Bytes suffix, const Heap& heap) const {
  const u32 own = load_once<u32>(slots_ + slot(index) * kSlotBytes);
  if (own != head) return own < head ? -1 : 1;
  const NodeEntry found = entry(index);
  if (found.key_ref != 0) {
    const Bytes key = heap.read(HeapRef{found.key_ref});
    if (key.size() < header_.prefix) damaged("a key with the node's prefix", key.size());
    return compare(key.subspan(header_.prefix), suffix);
  }
  if (found.suffix > kHead && suffix.size() > kHead) return compare(found.rest, suffix.subspan(kHead));
  return found.suffix < suffix.size() ? -1 : found.suffix > suffix.size();
}

Node::Found Node::lower_bound(Bytes key, const Heap& heap) const {
  if (header_.prefix != 0) {
    // Only in the last node of a level a key may lack the prefix, and be more than all.
    const Bytes own = prefix();
    const std::size_t common = common_prefix(own, key);
    if (common != own.size()) {
      const bool more = common < key.size() && key[common] > own[common];
      return {more ? count() : 0, false};
    }
    key = key.subspan(own.size());
  }
  const u32 head = head_of(key);
  unsigned low = 0, high = count();
  while (low < high) {
    const unsigned middle = (low + high) / 2;
    const int order = compare_at(middle, head, key, heap);
    if (order == 0) return {middle, true};
    order < 0 ? low = middle + 1 : high = middle;
  }
  return {low, false};
}

void Node::append_key(const NodeEntry& entry, const Heap& heap, std::vector<u8>& key) const {
  if (entry.key_ref != 0) {
    const Bytes whole = heap.read(HeapRef{entry.key_ref});
    if (whole.size() < header_.prefix) damaged("a key with the node's prefix", whole.size());
    key.insert(key.end(), whole.begin(), whole.end());
    return;
  }
  const Bytes common = prefix();
  key.insert(key.end(), common.begin(), common.end());
  u8 head[kHead];
  store<u32>(head, __builtin_bswap32(entry.head));
  key.insert(key.end(), head, head + std::min<u64>(kHead, entry.suffix));
  key.insert(key.end(), entry.rest.begin(), entry.rest.end());
}

// ---- Writing

unsigned NodeItem::record_bytes(unsigned level, std::size_t prefix) const {
  const u64 suffix = key.size() - prefix;
  unsigned bytes = varint_bytes(suffix << kFormBits) + (level != 0 ? kChildBytes : 0);
  if (key_ref != 0) {
    bytes += kRefBytes;
  } else {
    bytes += static_cast<unsigned>(suffix > kHead ? suffix - kHead : 0);
  }
  if (level != 0) return bytes;
  if (annex != 0) bytes += varint_bytes(annex);
  if (body_ref != 0) return bytes + kRefBytes;
  return bytes + varint_bytes(body.size() - annex) + static_cast<unsigned>(body.size());
}

void NodeItem::write_record(u8* to, unsigned level, std::size_t prefix) const {
  const Bytes suffix = key.subspan(prefix);
  if (level != 0) {
    store48(to, child);
    store48(to + 6, below);
    to += kChildBytes;
  }
  const u8 kept = level == 0 ? form() : static_cast<u8>(form() & kLongKey);
  to = put_varint(to, u64{suffix.size()} << kFormBits | kept);
  if (level == 0 && annex != 0) to = put_varint(to, annex);
  if (level == 0 && body_ref == 0) to = put_varint(to, body.size() - annex);
  const auto put = [&](Bytes bytes) {
    if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
    to += bytes.size();
  };
  if (key_ref != 0) {
    store<u64>(to, key_ref);
    to += kRefBytes;
  } else if (suffix.size() > kHead) {
    put(suffix.subspan(kHead));
  }
  if (level != 0) return;
  if (body_ref != 0) {
    store<u64>(to, body_ref);
  } else {
    put(body);
  }
}

NodeCopy::NodeCopy(const Node& node, const Heap& heap) {
  // The page is copied first: entries are read from the copy's bytes, by the offsets that were found in the page.
  const unsigned count = node.count();
  std::vector<std::size_t> ends;
  items.reserve(count);
  ends.reserve(count);
  page_.resize(kPageSize);
  const u8* const data = node.prefix().data() - sizeof(NodeHeader);
  std::memcpy(page_.data(), data, kPageSize);
  for (unsigned i = 0; i < count; ++i) {
    const NodeEntry entry = node.entry(i);
    node.append_key(entry, heap, keys_);
    ends.push_back(keys_.size());
    NodeItem item;
    item.key_ref = entry.key_ref;
    item.child = entry.child;
    item.below = entry.below;
    item.annex = entry.annex;
    item.body_ref = entry.body_ref;
    if (entry.body_ref != 0) {
      const Bytes block = heap.read(HeapRef{entry.body_ref});
      if (block.size() < entry.annex) node.damaged("a value behind its annex", block.size());
    } else if (!entry.body.empty()) {
      item.body = Bytes(page_).subspan(static_cast<std::size_t>(entry.body.data() - data), entry.body.size());
    }
    items.push_back(item);
  }
  for (std::size_t i = 0, begin = 0; i < count; begin = ends[i++])
    items[i].key = Bytes(keys_).subspan(begin, ends[i] - begin);
}

unsigned bytes_of(const NodeItem* items, std::size_t count, unsigned level, std::size_t prefix) {
  unsigned bytes = 0;
  for (std::size_t i = 0; i < count; ++i) bytes += items[i].record_bytes(level, prefix) + kSlotBytes + 1;
  return bytes;
}

void write_node(u8* page, unsigned level, Bytes prefix, const NodeItem* items, std::size_t count,
                unsigned max_entries) {
  u8 fresh[kPageSize] = {};
  const unsigned used = bytes_of(items, count, level, prefix.size());
  const unsigned room = kNodeRoom - static_cast<unsigned>(prefix.size());
  EMD_CHECK(used <= room && count <= kMostEntries);
  // Room in the permutation for as many more as there will be room for, if they are as large as these.
  const unsigned mean = count == 0 ? 16 : used / static_cast<unsigned>(count);
  const unsigned more = (room - used) / (mean + 1);
  const unsigned capacity =
      std::max<unsigned>(static_cast<unsigned>(count),
                         std::min({kMostEntries, max_entries, static_cast<unsigned>(count) + more}));
  NodeHeader header{kNodeTag,
                    static_cast<u8>(level),
                    static_cast<u16>(count),
                    static_cast<u16>(capacity),
                    static_cast<u16>(count),
                    static_cast<u16>(prefix.size()),
                    0,
                    0,
                    0};
  u8* const permutation = fresh + sizeof header + prefix.size();
  u8* const slots = permutation + capacity;
  if (!prefix.empty()) std::memcpy(fresh + sizeof header, prefix.data(), prefix.size());
  std::size_t floor = kPageSize;
  for (std::size_t i = 0; i < count; ++i) {
    floor -= items[i].record_bytes(level, prefix.size());
    items[i].write_record(fresh + floor, level, prefix.size());
    permutation[i] = static_cast<u8>(i);
    store<u32>(slots + i * kSlotBytes, head_of(items[i].key.subspan(prefix.size())));
    store<u16>(slots + i * kSlotBytes + kHead, static_cast<u16>(floor));
  }
  header.floor = static_cast<u16>(floor);
  EMD_CHECK(slots + count * kSlotBytes <= fresh + floor);
  std::memcpy(fresh, &header, sizeof header);
  std::memcpy(page, fresh, kPageSize);
}

}  // namespace emd
