// PageMap: how runs of free pages are found among the bits, how the map grows at its end, and check().
#include "alloc/page_map.h"

#include <algorithm>
#include <bit>

#include "store/findings.h"

namespace emd {

namespace {
// A search looks at no more pages than this (1 GiB of region) before it takes new ones at the end.
constexpr u64 kSearchPages = u64{1} << 18;
constexpr u64 kNone = ~u64{0};

// The bits with which `count` ones begin.
template <class Bits>
Bits run_starts(Bits ones, u64 count) {
  for (u64 known = 1; known < count && ones != 0;) {
    const u64 more = std::min(known, count - known);
    ones &= ones >> more;
    known += more;
  }
  return ones;
}
}  // namespace

void PageMap::format(u8* page0, u64 state_offset, u64 used) {
  store(page0 + state_offset, PageMapState{0, used});
  for (u64 page = 0; page < used; ++page) page0[kBitsOffset + page / 8] |= static_cast<u8>(1u << (page % 8));
}

u64 PageMap::word(u64 page) const {
  return load<u64>(region_.data() + bits_offset(page) + (page % kGroupPages) / 64 * 8);
}

bool PageMap::used(u64 page) const { return word(page) >> (page % 64) & 1; }

u64 PageMap::free_pages() const { return state().free_pages; }

void PageMap::assign(u64 page, u64 count, bool used) {
  while (count != 0) {
    const u64 first = page % 64;
    const u64 n = std::min(count, 64 - first);
    const u64 mask = (n == 64 ? ~u64{0} : (u64{1} << n) - 1) << first;
    u64& bits = *region_.writable_as<u64>(bits_offset(page) + (page % kGroupPages) / 64 * 8);
    bits = used ? bits | mask : bits & ~mask;
    page += n;
    count -= n;
  }
}

// The first page from `page` on whose bit is as asked, or `limit`.
u64 PageMap::next(u64 page, u64 limit, bool used) const {
  while (page < limit) {
    const u64 bits = (used ? word(page) : ~word(page)) >> (page % 64);
    if (bits != 0) return std::min(limit, page + static_cast<u64>(std::countr_zero(bits)));
    page = round_down(page, 64) + 64;
  }
  return limit;
}

u64 PageMap::find_run(u64 from, u64 limit, u64 count) const {
  if (count <= 64) return find_short_run(from, limit, count);
  while (from < limit) {
    const u64 start = next(from, limit, false);
    const u64 end = next(start, std::min(limit, start + count), true);
    if (end - start == count) return start;
    from = end + 1;
  }
  return kNone;
}

// Of up to 64 pages: where in each word a run begins, at once, however many short ones lie there.
u64 PageMap::find_short_run(u64 from, u64 limit, u64 count) const {
  __extension__ using Bits = unsigned __int128;  // the word and that behind it, into which a run may reach
  if (from >= limit) return kNone;
  u64 at = round_down(from, 64);
  Bits free = static_cast<u64>(~word(at)) & ~u64{0} << from % 64;
  for (; at < limit; at += 64) {
    if (at + 64 < limit) free |= Bits{static_cast<u64>(~word(at + 64))} << 64;
    if (limit - at < 128) free &= (Bits{1} << (limit - at)) - 1;
    const u64 starts = static_cast<u64>(run_starts(free, count));
    if (starts != 0) return at + static_cast<u64>(std::countr_zero(starts));
    free >>= 64;
  }
  return kNone;
}

u64 PageMap::allocate(u64 count) {
  EMD_CHECK(count != 0 && count <= kMaxRun);
  if (state().free_pages >= count) {
    const u64 pages = page_count();
    const u64 rover = state().rover < pages ? state().rover : 0;
    u64 found = find_run(rover, std::min(pages, rover + kSearchPages), count);
    if (found == kNone) found = find_run(0, std::min({pages, rover + count, kSearchPages}), count);
    if (found != kNone) {
      // The map's own pages are never free: handing one out would write over the header.
      if (round_up(found, kGroupPages) < found + count) {
        throw DamagedError(region_.path() + ": expected the page map's own pages to be in use, found page " +
                               std::to_string(round_up(found, kGroupPages)) + " free",
                           region_.path());
      }
      assign(found, count, true);
      PageMapState& changed = change_state();
      changed.free_pages -= std::min(changed.free_pages, count);
      changed.rover = found + count;
      return found;
    }
  }
  return allocate_at_end(count);
}

u64 PageMap::allocate_at_end(u64 count) {
  const u64 pages = page_count();
  const bool crosses = pages % kGroupPages == 0 || pages % kGroupPages + count > kGroupPages;
  const u64 group = crosses ? round_up(pages, kGroupPages) : 0;
  const u64 start = crosses ? group + 1 : pages;
  region_.extend((start + count - pages) << kPageShift);
  if (crosses) {
    assign(group, 1, true);
    change_state().free_pages += group - pages;
  }
  assign(start, count, true);
  return start;
}

void PageMap::free(u64 page, u64 count) {
  if (page == 0 || page >= page_count() || count > page_count() - page) return;
  assign(page, count, false);
  change_state().free_pages += count;
}

void PageMap::check(Findings& findings) const {
  u64 free = 0;
  for (u64 page = 0; page < page_count(); ++page) {
    if (is_full(findings)) return findings.push_back(list_ends("page map"));
    findings.step();
    free += !used(page);
    if (page % kGroupPages == 0 && !used(page)) {
      findings.push_back(
          {"page " + std::to_string(page), "expected the map's own page to be in use, found it free"});
    }
  }
  if (free != free_pages()) {
    findings.push_back({"page map", "expected " + std::to_string(free) + " free pages, found a count of " +
                                        std::to_string(free_pages())});
  }
}

}  // namespace emd
