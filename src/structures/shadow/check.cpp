// What a shadow memory's tree holds, and whether it is sound.
#include <vector>

#include "store/findings.h"
#include "structures/shadow/tree.h"

namespace emd {

ShadowTree::Stats ShadowTree::stats() const {
  const u64 free_nodes = nodes_.free_nodes(), records = nodes_.records(), blocks = nodes_.blocks();
  const u64 free_chunks = header<u64>(offsetof(ShadowHeader, free_chunks));
  const u64 in_use = nodes_.count() - std::min(nodes_.count(), free_nodes);
  return {in_use - std::min(in_use, blocks),
          free_nodes,
          chunk_count() - std::min(chunk_count(), free_chunks),
          free_chunks,
          records,
          blocks};
}

struct ShadowTree::Inspection {
  Findings& findings;
  std::vector<u64> chunks;   // those that were met: used or free
  std::vector<u64> records;  // their names
  u64 nodes = 0;

  void note(const Region& region, const std::string& what) {
    add_while_room(findings, {region.path(), what});
  }
};

void ShadowTree::inspect(Entry entry, unsigned level, u64 base, Inspection& inspection) const {
  if (!entry.reference) {
    // 1. Flags fit their width.
    if (entry.value & ~all_flags())
      inspection.note(nodes_.region(), "flags of more than " + std::to_string(width_) + " bytes at address " +
                                           std::to_string(base));
    return;
  }
  if (entry.is_record()) return inspect_record(entry, level, base, inspection);
  if (level == 0) {
    chunk_at(entry.value);
    inspection.chunks.push_back(entry.value);
    return inspect_page(entry.value, base, inspection);
  }
  // 3. A node is of the level, and for the addresses, of the entry that refers to it: so of one entry.
  const u64 node = nodes_.node_at(entry.value, level, base);
  ++inspection.nodes;
  for_children(level, base, last_of(base, level), [&](u64 slot, u64 from, u64) {
    inspect(nodes_.entry(node, slot), level - 1, from, inspection);
    return false;
  });
}

void ShadowTree::inspect_record(Entry entry, unsigned level, u64 base, Inspection& inspection) const {
  const u64 last = last_of(base, level);
  // 4. A record is of the level, and for the addresses, of the entry that refers to it: so of one entry. Its runs are
  // in order, of addresses of the entry.
  const ShadowRuns runs = nodes_.record(entry.value, level, base, last);
  inspection.records.push_back(entry.value);
  // 5. They are as few as say what they say, and lie in the smallest record that has room for them. Not all addresses
  // have the same flags: those have no record.
  u64 same = 0;
  if (runs.uniform(base, last, same) || !nodes_.is_tight(entry.value, runs))
    inspection.note(nodes_.region(),
                    "a record of more than it needs to say at address " + std::to_string(base));
  // 1. again.
  runs.walk(base, last, [&](const FlagRun& run) {
    if (run.flags & ~all_flags())
      inspection.note(nodes_.region(), "flags of more than " + std::to_string(width_) + " bytes at address " +
                                           std::to_string(run.first));
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

void ShadowTree::check(Findings& findings) const {
  Inspection inspection{findings, {}, {}, 0};
  inspect(root(), height(), 0, inspection);
  // 2. Each page of flags belongs to one entry, or is on the stack of free pages once.
  std::vector<u64>& chunks = inspection.chunks;
  const u64 free = header<u64>(offsetof(ShadowHeader, free_chunks));
  for (u64 i = 0; i < free; ++i) {
    findings.step();
    chunks.push_back(free_chunk_at(i));
  }
  std::sort(chunks.begin(), chunks.end());
  const auto twice = std::adjacent_find(chunks.begin(), chunks.end());
  if (twice != chunks.end()) {
    inspection.note(chunks_,
                    "page " + std::to_string(*twice) + " is used twice, free and used, or free twice");
  } else if (chunks.size() != chunk_count()) {
    inspection.note(chunks_, "expected " + std::to_string(chunk_count()) +
                                 " pages that are used or free, found " + std::to_string(chunks.size()));
  }
  // 6. Nodes, blocks of records, and those that are free: ShadowNodes::check().
  nodes_.check(inspection.nodes, std::move(inspection.records), findings);
  // 7. The region of pages holds whole ones.
  if (chunks_.size() % kShadowChunkBytes != 0) inspection.note(chunks_, "expected whole pages");
}

}  // namespace emd
