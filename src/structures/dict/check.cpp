// Dict::check(): what binds index, records and values together; their own invariants are checked by themselves.
#include <algorithm>

#include "structures/dict/dict.h"

namespace emd {

void Dict::check(Findings& findings) const {
  std::vector<u64> slots;           // positions that the index names
  std::vector<HeapRef> blocks;      // live blocks
  std::vector<HeapRef> references;  // blocks that records name
  index_.check(findings, [&](u64 position) { slots.push_back(position); });
  std::sort(slots.begin(), slots.end());
  // No record is named twice.
  if (std::adjacent_find(slots.begin(), slots.end()) != slots.end()) {
    findings.push_back({"index", "expected one entry a record, found two"});
  }
  check_records(slots, references, findings);
  heap_.check(findings, &blocks);
  // Each live block belongs to exactly one record, and each reference names a live block.
  std::sort(references.begin(), references.end());
  if (references != blocks) {
    findings.push_back({"values", "expected " + std::to_string(references.size()) +
                                      " blocks, each named by one record, found " +
                                      std::to_string(blocks.size()) + " in use, or others"});
  }
}

// The live records are just those that the index names, and each is found by its key.
void Dict::check_records(std::vector<u64>& slots, std::vector<HeapRef>& references,
                         Findings& findings) const {
  std::size_t matched = 0;
  u64 records = 0;
  try {
    log_.check(findings, [&](const RecordView& view) {
      const u64 position = view.offset / kRecordUnit;
      const std::string where = "records at " + std::to_string(view.offset);
      ++records;
      while (matched < slots.size() && slots[matched] < position) ++matched;
      if (matched == slots.size() || slots[matched] != position) {
        findings.push_back({where, "expected an entry of the index for it, found none"});
      } else if (find_position(hash(view.key), view.key) != position) {
        findings.push_back({where, "expected to find it by its key"});
      }
      if (view.state == RecordState::reference) references.push_back(HeapRef{log_.reference(view)});
    });
  } catch (const DamagedError& error) {
    findings.push_back({"records", error.what()});
  }
  if (records != slots.size()) {
    findings.push_back({"records", "expected " + std::to_string(slots.size()) + " live records, found " +
                                       std::to_string(records)});
  }
}

}  // namespace emd
