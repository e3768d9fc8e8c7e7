// The invariants of a list, and its figures.
#include <algorithm>
#include <string>
#include <vector>

#include "structures/list/header.h"
#include "structures/list/list.h"

namespace emd {

namespace {

constexpr std::size_t kMaxFindings = 100;

std::string hex(u64 value) {
  std::string text;
  for (int shift = 60; shift >= 0; shift -= 4) text += "0123456789abcdef"[value >> shift & 15];
  return "0x" + text;
}

}  // namespace

List::Stats List::stats() const { return {size(), words_.size(), heap_.live_bytes(), heap_.free_bytes()}; }

void List::check(Findings& findings) const {
  const std::size_t limit = findings.size() + kMaxFindings;
  // 1. The heap is sound in itself.
  std::vector<HeapRef> live;
  const std::size_t found_before = findings.size();
  heap_.check(findings, &live);
  const bool heap_sound = findings.size() == found_before;
  try {
    // 2. The header lies in the region and is a list's; its length fits the region.
    if (words_.size() != 0) {
      const ListHeader header = load<ListHeader>(words_.at(0, kHeaderBytes));
      if (header.magic != magic_) {
        findings.push_back({"words at 0", std::string("the magic number is not a ") + name_ + "'s"});
      }
      if (header.format != kListFormat) findings.push_back({"words at 4", "the format is not known"});
      if (slides_) check_ends(header, findings);
    }
    const std::span<const Word> all = words();
    const u64 references = check_words(findings, limit);
    // 5. The header's count of references is that of the words.
    const u64 counted = all.empty() ? 0 : load<ListHeader>(words_.data()).references;
    if (counted != references) {
      findings.push_back({"words at 16", "the header counts " + std::to_string(counted) +
                                             " references, the words hold " + std::to_string(references)});
    }
    // 6. Each block in use is referred to; with 4 this makes blocks and references one to one.
    if (heap_sound && live.size() != references) {
      findings.push_back({"heap", std::to_string(live.size()) + " blocks are in use, the words refer to " +
                                      std::to_string(references)});
    }
  } catch (const DamagedError& error) {
    findings.push_back({words_.path(), error.what()});
  }
}

// 7. Of a deque: what is given up lies before the first word and ends with a page, and there are no more elements than
// the limit, which is one that Python can say.
void List::check_ends(const ListHeader& header, Findings& findings) const {
  if (header.dead > header.first || (header.dead != 0 && packed_offset(header.dead) % kPageSize != 0)) {
    findings.push_back({"words at 40", "expected at most " + std::to_string(header.first) +
                                           " words given up, up to a page's end, found " +
                                           std::to_string(header.dead)});
  }
  if (header.limit > u64{1} << 63) {
    findings.push_back({"words at 48", "no deque has a limit of " + std::to_string(header.limit - 1)});
  }
  if (header.limit != 0 && header.length > header.limit - 1) {
    findings.push_back({"words at 8", "expected at most " + std::to_string(header.limit - 1) +
                                          " elements, found " + std::to_string(header.length)});
  }
}

// Returns how many words refer to blocks. Cost: 8 bytes of memory for each of these.
u64 List::check_words(Findings& findings, std::size_t limit) const {
  std::vector<HeapRef> named;
  Scan scan, blocks;
  u64 references = 0;
  const std::span<const Word> all = words();
  for (u64 i = 0; i < all.size() && findings.size() < limit; ++i) {
    reached(i, scan);
    findings.step();
    const std::string where = "word " + std::to_string(i);
    // 3. Each word has a known tag and a payload of the tag's form.
    if (!all[i].valid()) {
      findings.push_back({where, "no encoder writes " + hex(all[i].bits)});
      continue;
    }
    if (!all[i].is_reference()) continue;
    ++references;
    reached_block(all[i], blocks);
    // 4. Each reference is to a block in use, and no two are to the same.
    try {
      heap_.read(all[i].as_reference());
      named.push_back(all[i].as_reference());
    } catch (const DamagedError& error) {
      findings.push_back({where, error.what()});
    }
  }
  std::sort(named.begin(), named.end());
  const auto twice = std::adjacent_find(named.begin(), named.end());
  if (twice != named.end()) {
    const u64 offset = static_cast<u64>(*twice) * 8;
    findings.push_back({"heap at " + std::to_string(offset), "two words share this block"});
  }
  return references;
}

}  // namespace emd
