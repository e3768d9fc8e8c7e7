// HashIndex::check(): the invariants of the index, one by one.
#include <algorithm>
#include <bit>

#include "index/hash_index.h"
#include "index/hash_index_overflow.h"
#include "store/findings.h"

namespace emd {

namespace {
// Ends the check.
struct ListIsFull {};

void add(Findings& findings, Finding finding) {
  if (is_full(findings)) throw ListIsFull{};
  findings.push_back(std::move(finding));
}

// `where()` and `what` become strings only when needed: millions of expectations hold.
template <class Where>
void expect(bool holds, Findings& findings, const Where& where, const char* what) {
  if (!holds) add(findings, {where(), what});
}

std::string bucket_name(u64 page, unsigned b) {
  return "segment of page " + std::to_string(page) + ", bucket " + std::to_string(b);
}
}  // namespace

void HashIndex::check(Findings& findings, const std::function<void(u64)>& visit) const {
  std::vector<std::pair<u64, u64>> runs;  // (page, pages) of everything that is in use
  try {
    const std::vector<PlacedSegment> segments = check_directory(runs, findings);
    const u64 overflow = check_overflow(runs, findings, visit);
    // Where runs overlap, going through each would take as long as their number squared.
    if (!check_pages(runs, findings)) return;
    u64 found = 0;
    for (const auto& [segment, prefix] : segments) check_segment(segment, prefix, findings, found, visit);
    // The counts are the numbers of entries found.
    const auto count = [&](u64 expected, const char* of, u64 counted) {
      if (expected == counted) return;
      findings.push_back({"header", "expected " + std::to_string(expected) + of + ", found a count of " +
                                        std::to_string(counted)});
    };
    count(overflow, " overflow entries", header().overflow_count);
    count(found + overflow, " entries", header().count);
  } catch (const DamagedError& error) {
    findings.push_back({"index", error.what()});
  } catch (const ListIsFull&) {
    findings.push_back(list_ends("index"));
  }
}

// Each segment with its prefix; adds the pages of the directory and of the segments to `runs`.
std::vector<HashIndex::PlacedSegment> HashIndex::check_directory(std::vector<std::pair<u64, u64>>& runs,
                                                                 Findings& findings) const {
  std::vector<PlacedSegment> segments;
  const IndexHeader& h = header();
  const unsigned global = global_depth();
  if (h.directory > kPageMask || h.directory_pages > kPageMask) {
    damaged("header", 0, "a directory's pages", h.directory_pages);
  }
  runs.push_back({h.directory, h.directory_pages});
  // The directory lies within its pages.
  if (u64{8} << global > h.directory_pages << kPageShift) {
    findings.push_back({"directory", "expected it to lie within its pages"});
  }
  const auto entry = [](u64 i) { return [i] { return "directory entry " + std::to_string(i); }; };
  for (u64 i = 0; i < u64{1} << global;) {
    findings.step();
    const u64 at = (h.directory << kPageShift) + i * 8;
    const Segment segment = decode(load<u64>(region_.at(at, 8)));
    // A segment of depth d has 2^(global - d) entries, aligned, all alike.
    if (segment.depth > global) damaged("directory", at, "a depth within the directory's", segment.depth);
    const u64 span = u64{1} << (global - segment.depth);
    expect(i % span == 0, findings, entry(i), "expected it aligned to its depth");
    for (u64 j = 1; j < span; ++j) {
      expect(load<u64>(region_.at(at + j * 8, 8)) == segment.entry, findings, entry(i + j),
             "expected it to be as its segment's first");
    }
    // No unknown bits; a size that this dict's segments have.
    expect(segment.entry >> (kSizeShift + 3) == 0 && segment.size_class() < size_classes(), findings,
           entry(i), "expected a segment size within the dict's");
    runs.push_back({segment.page(), pages_of(segment.buckets)});
    segments.push_back({segment, i >> (global - segment.depth)});
    i += span;
  }
  return segments;
}

void HashIndex::check_segment(const Segment& segment, u64 prefix, Findings& findings, u64& count,
                              const std::function<void(u64)>& visit) const {
  const auto full = [&](unsigned b) { return segment.slots[b * kSlotsPerBucket + kSlotsPerBucket - 1] != 0; };
  for (unsigned b = 0; b < segment.buckets; ++b) {
    findings.step();
    const u64* bucket = segment.slots + b * kSlotsPerBucket;
    const auto where = [&] { return bucket_name(segment.page(), b); };
    const unsigned fill = bucket_fill(bucket);
    // Slots are filled from the first.
    for (unsigned i = 0; i < kSlotsPerBucket; ++i) {
      expect((bucket[i] != 0) == (i < fill), findings, where,
             "expected its slots to be filled from the first");
    }
    for (unsigned i = 0; i < fill; ++i) {
      ++count;
      // Enough known bits for the home bucket.
      const u64 tag = bucket[i] >> kPositionBits;
      if (tag == 0 || kFreshBits - static_cast<unsigned>(std::countr_zero(tag)) < kHomeBits) {
        add(findings, {where(), "expected a tag of at least 13 known bits, found " + std::to_string(tag)});
        continue;
      }
      // Within reach of its home, and no bucket on the way that is not full.
      const unsigned far = displacement(bucket[i], b, segment.buckets);
      expect(far < probes(segment.buckets), findings, where, "expected an entry within reach of its home");
      for (unsigned d = 1; d <= far; ++d) {
        expect(full((b + segment.buckets - d) % segment.buckets), findings, where,
               "expected the buckets between an entry and its home to be full");
      }
      check_hash(segment, prefix, bucket[i], b, findings);
      visit(bucket[i] & kPositionMask);
    }
  }
}

// The record's key hashes to this segment and to the known bits.
void HashIndex::check_hash(const Segment& segment, u64 prefix, u64 slot, unsigned b,
                           Findings& findings) const {
  const auto where = [&] { return bucket_name(segment.page(), b); };
  try {
    const u64 hash = hash_of_(slot & kPositionMask);
    expect(directory_index(hash, segment.depth) == prefix, findings, where,
           "expected a key that hashes to this segment");
    const u64 one[kSlotsPerBucket] = {slot};
    expect(matching_slots(one, wanted(hash, segment.depth)) == 1, findings, where,
           "expected a tag that is part of its key's hash");
  } catch (const DamagedError& error) {
    add(findings, {where(), error.what()});
  }
}

u64 HashIndex::check_overflow(std::vector<std::pair<u64, u64>>& runs, Findings& findings,
                              const std::function<void(u64)>& visit) const {
  u64 count = 0;
  const u64 head = header().overflow_head;
  u64 left = pages_.page_count();
  for (u64 page = head; page != 0; page = overflow_page(page).next) {
    if (left-- == 0) damaged("overflow page", page, "a chain without a cycle", page);
    const OverflowPage& here = overflow_page(page);
    const auto where = [page] { return "overflow page " + std::to_string(page); };
    // All but the first page are full.
    expect(page == head || here.used == OverflowPage::kPairs, findings, where, "expected it to be full");
    for (u64 i = 0; i < here.used; ++i, ++count) {
      findings.step();
      // The hash kept is the key's.
      expect(hash_of_(here.pairs[i].position) == here.pairs[i].hash, findings, where,
             "expected the hash of the record's key");
      visit(here.pairs[i].position);
    }
    runs.push_back({page, 1});
  }
  return count;
}

// Runs of pages are disjoint and marked as used, and no other page is. Returns whether they are disjoint.
bool HashIndex::check_pages(const std::vector<std::pair<u64, u64>>& runs, Findings& findings) const {
  std::vector<std::pair<u64, u64>> sorted = runs;
  std::sort(sorted.begin(), sorted.end());
  u64 end = 0, in_use = 0;
  for (const auto& [page, pages] : sorted) {
    const auto where = [first = page] { return "page " + std::to_string(first); };
    region_.at(page << kPageShift, pages << kPageShift);
    if (page < end) {
      findings.push_back({where(), "expected one use of it, found two"});
      return false;
    }
    for (u64 p = page; p < page + pages; ++p) {
      findings.step();
      expect(p % PageMap::kGroupPages != 0 && pages_.used(p), findings, where,
             "expected it to be marked as used");
    }
    in_use += pages;
    end = page + pages;
  }
  const u64 groups = (pages_.page_count() + PageMap::kGroupPages - 1) / PageMap::kGroupPages;
  if (in_use + groups + pages_.free_pages() != pages_.page_count()) {
    findings.push_back({"page map", "expected every page to be free or in use, found " +
                                        std::to_string(pages_.page_count() - groups - pages_.free_pages()) +
                                        " marked, " + std::to_string(in_use) + " in use"});
  }
  pages_.check(findings);
  return true;
}

}  // namespace emd
