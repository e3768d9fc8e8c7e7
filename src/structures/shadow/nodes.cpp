// ShadowNodes: lists of free nodes and of blocks with room, reading and writing of records, and their check().
#include "structures/shadow/nodes.h"

#include <bit>

#include "base/errors.h"
#include "store/findings.h"

namespace emd {

void shadow_damaged(const std::string& what, const Region& region) {
  throw DamagedError("shadow memory: " + what + "; run verify(), and restore the store from a backup",
                     region.path());
}

// ---- Nodes

void ShadowNodes::node_damaged(u64 number, unsigned level, u64 base) const {
  shadow_damaged("expected a node of level " + std::to_string(level) + " for address " +
                     std::to_string(base) + " at number " + std::to_string(number) + " of " +
                     std::to_string(count()),
                 nodes_);
}

void ShadowNodes::set_entry(u64 node, u64 slot, ShadowEntry entry) {
  const u64 word = node + offsetof(ShadowNode, is_reference) + slot / 64 * 8, bit = u64{1} << (slot % 64);
  const u64 bits = load<u64>(nodes_.data() + word);
  if (((bits & bit) != 0) != entry.reference) store(nodes_.writable(word, 8), bits ^ bit);
  store(nodes_.writable(node + offsetof(ShadowNode, entries) + slot * 8, 8), entry.value);
}

u64 ShadowNodes::make_node(u64 value, unsigned level, u64 base) {
  const u64 number = take_node();
  auto* const node = nodes_.writable_as<ShadowNode>(number * sizeof(ShadowNode));
  *node = ShadowNode{};
  node->base = base;
  node->level = level;
  std::fill_n(node->entries, kShadowFanOut, value);
  return number;
}

u64 ShadowNodes::free_node_at(u64 number_and_one) const {
  const u64 at = (number_and_one - 1) * sizeof(ShadowNode);
  if (number_and_one > count() || load_once<u32>(nodes_.data() + at + 8) != kShadowFreeLevel) {
    shadow_damaged("expected a free node at number " + std::to_string(number_and_one - 1) + " of " +
                       std::to_string(count()),
                   nodes_);
  }
  return at;
}

u64 ShadowNodes::take_node() {
  const u64 next = header<u64>(offsetof(ShadowHeader, free_node));
  if (next == 0) return nodes_.extend(sizeof(ShadowNode)) / sizeof(ShadowNode);
  set_header(offsetof(ShadowHeader, free_node), load<u64>(nodes_.data() + free_node_at(next)));
  add_to_header(offsetof(ShadowHeader, free_nodes), ~u64{0});
  return next - 1;
}

void ShadowNodes::free_node(u64 number) {
  set_field(number, offsetof(ShadowNode, base), header<u64>(offsetof(ShadowHeader, free_node)));
  set_field(number, offsetof(ShadowNode, level), kShadowFreeLevel);
  set_header(offsetof(ShadowHeader, free_node), number + 1);
  add_to_header(offsetof(ShadowHeader, free_nodes), 1);
}

void ShadowNodes::prepare(const Need& need) {
  u64 nodes = need.nodes;
  for (unsigned size = 0; size < kShadowSizes; ++size) {
    u64 records = need.records[size];
    for (u64 next = first_with_room(size), previous = 0; records != 0 && next != 0;) {
      const u64 number = block_with_room(next, size, previous);
      const u32 used = field<u32>(number, offsetof(ShadowBlock, used));
      records -= std::min<u64>(records, static_cast<unsigned>(std::popcount(~used & full_map(size))));
      previous = next;
      next = field<u64>(number, offsetof(ShadowBlock, next));
    }
    nodes += (records + shadow_block_records(size) - 1) / shadow_block_records(size);
  }
  for (u64 next = header<u64>(offsetof(ShadowHeader, free_node)); nodes != 0 && next != 0; --nodes)
    next = load<u64>(nodes_.data() + free_node_at(next));
  nodes_.reserve(nodes * sizeof(ShadowNode));
}

// ---- Blocks

bool ShadowNodes::has_room(u64 number, unsigned size, u64 previous) const {
  // A full map has all bits that there are records for, and none more.
  return is_block(number, size) && field<u64>(number, offsetof(ShadowBlock, previous)) == previous &&
         field<u32>(number, offsetof(ShadowBlock, used)) < full_map(size);
}

u64 ShadowNodes::block_with_room(u64 number_and_one, unsigned size, u64 previous) const {
  if (!has_room(number_and_one - 1, size, previous)) {
    shadow_damaged("expected a block with room for records of " + std::to_string(shadow_record_bytes(size)) +
                       " bytes at number " + std::to_string(number_and_one - 1) + " of " +
                       std::to_string(count()),
                   nodes_);
  }
  return number_and_one - 1;
}

// The first records of a member. Until then what the header holds behind the format of old was not looked at.
void ShadowNodes::convert() {
  for (unsigned size = 0; size < kShadowSizes; ++size) set_header(list(size), u64{0});
  set_header(offsetof(ShadowHeader, records), u64{0});
  set_header(offsetof(ShadowHeader, blocks), u64{0});
  set_header(offsetof(ShadowHeader, format), kShadowRecordFormat);
}

u64 ShadowNodes::make_block(unsigned size) {
  if (!has_records()) convert();
  const u64 number = take_node();
  auto* const block = nodes_.writable_as<ShadowBlock>(number * sizeof(ShadowBlock));
  *block = ShadowBlock{};
  block->level = kShadowBlockLevel - size;
  put_in_list(number, size);
  add_to_header(offsetof(ShadowHeader, blocks), 1);
  return number;
}

// What it finds there may be damaged, which prepare() does not look at where no record is made: then it is left alone.
void ShadowNodes::put_in_list(u64 number, unsigned size) {
  const u64 next = header<u64>(list(size));
  set_field(number, offsetof(ShadowBlock, next), next);
  set_field(number, offsetof(ShadowBlock, previous), u64{0});
  if (next != 0 && is_block(next - 1, size)) set_field(next - 1, offsetof(ShadowBlock, previous), number + 1);
  set_header(list(size), number + 1);
}

bool ShadowNodes::take_out_of_list(u64 number, unsigned size) {
  const u64 next = field<u64>(number, offsetof(ShadowBlock, next));
  const u64 previous = field<u64>(number, offsetof(ShadowBlock, previous));
  const bool next_sound = next == 0 || (is_block(next - 1, size) &&
                                        field<u64>(next - 1, offsetof(ShadowBlock, previous)) == number + 1);
  const bool previous_sound = previous == 0
                                  ? header<u64>(list(size)) == number + 1
                                  : is_block(previous - 1, size) &&
                                        field<u64>(previous - 1, offsetof(ShadowBlock, next)) == number + 1;
  if (!next_sound || !previous_sound) return false;
  if (next != 0) set_field(next - 1, offsetof(ShadowBlock, previous), previous);
  if (previous == 0) {
    set_header(list(size), next);
  } else {
    set_field(previous - 1, offsetof(ShadowBlock, next), next);
  }
  return true;
}

// ---- Records

ShadowNodes::RecordSpan ShadowNodes::span_of(u64 name) const {
  const u64 number = (name & ~kShadowRecordBit) / 32, index = name % 32;
  const u32 size = kShadowBlockLevel - field<u32>(number, offsetof(ShadowBlock, level));
  return {number * sizeof(ShadowBlock) + offsetof(ShadowBlock, records) + index * shadow_record_bytes(size),
          size};
}

unsigned ShadowNodes::size_of(u64 name) const { return span_of(name).size; }

ShadowNodes::RecordSpan ShadowNodes::record_at(u64 name, unsigned level, u64 base) const {
  const u64 number = (name & ~kShadowRecordBit) / 32, index = name % 32;
  if (number < count()) {
    const u32 size = kShadowBlockLevel - field<u32>(number, offsetof(ShadowBlock, level));
    // That it is in use as well: else it might be given to another while this entry is changed.
    if (size < kShadowSizes && index < shadow_block_records(size) &&
        (field<u32>(number, offsetof(ShadowBlock, used)) >> index & 1) != 0) {
      const u64 at =
          number * sizeof(ShadowBlock) + offsetof(ShadowBlock, records) + index * shadow_record_bytes(size);
      const u8* const record = nodes_.data() + at;
      if (load_once<u64>(record + offsetof(ShadowRecord, base)) == base &&
          load_once<u32>(record + offsetof(ShadowRecord, level)) == level)
        return {at, size};
    }
  }
  shadow_damaged("expected a record of level " + std::to_string(level) + " for address " +
                     std::to_string(base) + ", number " + std::to_string(index) + " of block " +
                     std::to_string(number) + " of " + std::to_string(count()) + " nodes",
                 nodes_);
}

ShadowRuns ShadowNodes::record(u64 name, unsigned level, u64 base, u64 last) const {
  const RecordSpan span = record_at(name, level, base);
  const u8* const record = nodes_.data() + span.at;
  const u32 count = load_once<u32>(record + offsetof(ShadowRecord, count));
  ShadowRuns runs(load_once<u64>(record + offsetof(ShadowRecord, value)));
  bool sound = count <= shadow_record_runs(span.size);
  u64 from = base;
  for (u32 i = 0; sound && i < count; ++i) {
    const u8* const run = record + sizeof(ShadowRecord) + i * sizeof(FlagRun);
    const u64 run_first = load_once<u64>(run), run_last = load_once<u64>(run + 8);
    sound = from <= run_first && run_first <= run_last && run_last <= last && (i == 0 || from > base);
    runs.append(run_first, run_last, load_once<u64>(run + 16));
    from = run_last + 1;  // 0 behind the highest address: then no other run is sound
  }
  if (!sound) {
    shadow_damaged("expected at most " + std::to_string(shadow_record_runs(span.size)) +
                       " runs, in order, of the addresses from " + std::to_string(base) + " to " +
                       std::to_string(last) + " in a record of " + std::to_string(count),
                   nodes_);
  }
  return runs;
}

u64 ShadowNodes::record_flags(u64 name, unsigned level, u64 base, u64 address) const {
  const RecordSpan span = record_at(name, level, base);
  const u8* const record = nodes_.data() + span.at;
  const u32 count =
      std::min(load_once<u32>(record + offsetof(ShadowRecord, count)), u32{shadow_record_runs(span.size)});
  for (u32 i = 0; i < count; ++i) {
    const u8* const run = record + sizeof(ShadowRecord) + i * sizeof(FlagRun);
    if (load_once<u64>(run + 8) < address) continue;
    if (load_once<u64>(run) <= address) return load_once<u64>(run + 16);
    break;
  }
  return load_once<u64>(record + offsetof(ShadowRecord, value));
}

bool ShadowNodes::is_tight(u64 name, const ShadowRuns& runs) const {
  const RecordSpan span = span_of(name);
  return runs.count() != 0 && span.size == shadow_record_size(runs.count()) &&
         load_once<u32>(nodes_.data() + span.at + offsetof(ShadowRecord, count)) == runs.count();
}

u64 ShadowNodes::make_record(const ShadowRuns& runs, unsigned level, u64 base) {
  const unsigned size = shadow_record_size(runs.count());
  const u64 first = first_with_room(size);
  const u64 number = first != 0 && has_room(first - 1, size, 0) ? first - 1 : make_block(size);
  const u32 used = field<u32>(number, offsetof(ShadowBlock, used));
  const unsigned index = static_cast<unsigned>(std::countr_one(used));
  const u32 now = used | u32{1} << index;
  set_field(number, offsetof(ShadowBlock, used), now);
  if (now == full_map(size)) take_out_of_list(number, size);
  add_to_header(offsetof(ShadowHeader, records), 1);
  const u64 name = kShadowRecordBit | (number * 32 + index);
  set_record(name, runs, level, base);
  return name;
}

void ShadowNodes::set_record(u64 name, const ShadowRuns& runs, unsigned level, u64 base) {
  const u64 bytes = sizeof(ShadowRecord) + runs.count() * sizeof(FlagRun);
  u8* const record = nodes_.writable(span_of(name).at, bytes);
  store(record, ShadowRecord{base, level, runs.count(), runs.value()});
  for (unsigned i = 0; i < runs.count(); ++i)
    store(record + sizeof(ShadowRecord) + i * sizeof(FlagRun), runs[i]);
}

void ShadowNodes::free_record(u64 name) {
  const u64 number = (name & ~kShadowRecordBit) / 32;
  const unsigned size = size_of(name);
  const u32 before = field<u32>(number, offsetof(ShadowBlock, used)), now = before & ~(u32{1} << name % 32);
  set_field(number, offsetof(ShadowBlock, used), now);
  add_to_header(offsetof(ShadowHeader, records), ~u64{0});
  if (before == full_map(size)) put_in_list(number, size);
  if (now == 0 && take_out_of_list(number, size)) {
    free_node(number);
    add_to_header(offsetof(ShadowHeader, blocks), ~u64{0});
  }
}

// ---- Inspection

void ShadowNodes::note(Findings& findings, const std::string& what) const {
  add_while_room(findings, {nodes_.path(), what});
}

// Blocks with room are one list for each size. Full ones are in none, and those without records are no blocks any more:
// so what the records that are referred to leave free is what the lists hold.
void ShadowNodes::check_lists(u64 with_room, Findings& findings) const {
  u64 found = 0;
  for (unsigned size = 0; size < kShadowSizes; ++size) {
    for (u64 next = first_with_room(size), previous = 0; next != 0 && found <= with_room; ++found) {
      findings.step();
      const u64 number = block_with_room(next, size, previous);
      previous = next;
      next = field<u64>(number, offsetof(ShadowBlock, next));
    }
  }
  if (found != with_room)
    note(findings, "expected " + std::to_string(with_room) + " blocks with room in their lists, found " +
                       (found > with_room ? "more" : std::to_string(found)));
}

void ShadowNodes::check(u64 nodes, std::vector<u64>&& names, Findings& findings) const {
  // Free nodes are a list without a circle.
  u64 free = 0;
  for (u64 next = header<u64>(offsetof(ShadowHeader, free_node)); next != 0 && free <= count(); ++free) {
    findings.step();
    next = load_once<u64>(nodes_.data() + free_node_at(next));
  }
  // Records are of format 2.
  if (!names.empty() && !has_records()) note(findings, "records in a store of a format that has none");
  // A block's map has those records that are referred to, and no others: reading has found each of them in it, and no
  // two entries refer to one, since it is for the addresses of one.
  std::sort(names.begin(), names.end());
  u64 blocks = 0, with_room = 0;
  for (std::size_t i = 0; i < names.size(); ++blocks) {
    findings.step();
    const u64 number = (names[i] & ~kShadowRecordBit) / 32;
    const unsigned size = size_of(names[i]);
    u32 referred = 0;
    for (; i < names.size() && (names[i] & ~kShadowRecordBit) / 32 == number; ++i)
      referred |= u32{1} << names[i] % 32;
    const u32 used = field<u32>(number, offsetof(ShadowBlock, used));
    if (used != referred)
      note(findings, "block " + std::to_string(number) + " has records that no entry refers to");
    with_room += used != full_map(size);
  }
  check_lists(with_room, findings);
  // The header counts them.
  if (names.size() != records() || blocks != this->blocks())
    note(findings, "expected " + std::to_string(records()) + " records in " + std::to_string(this->blocks()) +
                       " blocks, found " + std::to_string(names.size()) + " in " + std::to_string(blocks));
  // All nodes are used, or blocks of records that are referred to, or free, and as many as the header counts.
  if (free != free_nodes() || nodes + blocks + free != count()) {
    note(findings, "expected " + std::to_string(count()) + " nodes, of them " + std::to_string(free_nodes()) +
                       " free; found " + std::to_string(nodes) + " in use, " + std::to_string(blocks) +
                       " blocks of records and " + std::to_string(free) + " free");
  }
  // The region holds whole nodes.
  if (nodes_.size() % sizeof(ShadowNode) != 0) note(findings, "expected whole nodes");
}

}  // namespace emd
