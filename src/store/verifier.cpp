#include "store/verifier.h"

#include <algorithm>
#include <chrono>

#include "store/catalogue.h"
#include "store/follower.h"

namespace emd {
namespace {

constexpr u64 kChunkPages = 256;
constexpr u64 kAhead = u64{4} << 20;
// A page that a writer is just writing agrees soon; a damaged one never.
constexpr unsigned kTries = 50;
constexpr std::chrono::milliseconds kPause{2};

}  // namespace

void Verifier::run() {
  if (state_.memory != nullptr) return;  // it has no files
  check_superblock();
  Catalogue(store_).verify(findings_);
  for (const Committed& region : committed_regions()) {
    try {
      check_region(region);
    } catch (const Error& error) {
      findings_.push_back({region_file_name(region.file), error.what()});
    }
  }
}

// A writer leaves both slots whole: recovery writes the one that a power cut has torn.
void Verifier::check_superblock() {
  const bool settled = !store_.read_only();
  for (unsigned tries = 0;; ++tries) {
    Findings found;
    const auto file = state_.directory->open(kSuperblockName, platform::Directory::Open::read_only);
    Superblock::verify(*file, settled, found);
    if (found.empty()) return;
    if (store_.live() && tries < kTries) {
      state_.pause(kPause);
      continue;
    }
    findings_.insert(findings_.end(), found.begin(), found.end());
    return;
  }
}

// What is in the files, whatever is pending in memory.
std::vector<Verifier::Committed> Verifier::committed_regions() const {
  std::vector<Committed> all;
  const auto add = [&](u32 id, const Content* content) {
    if (content != nullptr && content->origin == Content::Origin::existing)
      all.push_back({id, content->id, content->committed});
  };
  const Catalogue catalogue(store_);
  for (u32 id = 0; id < catalogue.region_count(); ++id) {
    const auto mapped = store_.read_only() ? state_.regions.end() : state_.regions.find(id);
    if (mapped == state_.regions.end()) {
      const RegionEntry entry = catalogue.region_entry(id);
      if (entry.state == 1) all.push_back({id, FileId{entry.file}, entry.size});
    } else {
      add(id, mapped->second->state_->content.get());
      add(id, mapped->second->state_->before.get());
    }
  }
  for (const auto& region : state_.dropped_regions) {
    add(static_cast<u32>(region->id()), region->state_->content.get());
    add(static_cast<u32>(region->id()), region->state_->before.get());
  }
  return all;
}

// Takes over what a writer has committed meanwhile. False if the region is gone or in another file.
bool Verifier::still_committed(Committed& region) const {
  store_.follow();
  const Catalogue catalogue(store_);
  if (region.region >= catalogue.region_count()) return false;
  const RegionEntry entry = catalogue.region_entry(region.region);
  if (entry.state != 1 || FileId{entry.file} != region.file || entry.size < region.size) return false;
  region.size = entry.size;
  return true;
}

void Verifier::check_region(Committed region) {
  std::vector<BadPage> bad;
  for (u64 page = 0; page << kPageShift < region.size; page += kChunkPages) {
    std::vector<BadPage> here = check_chunk(region, page);
    bool certain = !store_.live();
    for (unsigned tries = 0; !certain && !here.empty() && tries < kTries; ++tries) {
      state_.pause(kPause);
      if (!still_committed(region)) return;
      here = check_chunk(region, page);
      certain = state_.follower->current();  // the state that its size was taken from
    }
    if (certain) {
      bad.insert(bad.end(), here.begin(), here.end());
    } else if (!here.empty()) {
      findings_.push_back(
          {region_file_name(region.file) + " at " + std::to_string(page << kPageShift),
           "could not be read in one state, since a writer committed all the time; verify again"});
    }
  }
  report(region, bad);
}

std::vector<Verifier::BadPage> Verifier::check_chunk(const Committed& region, u64 first_page) {
  const u64 begin = first_page << kPageShift;
  const u64 bytes = std::min(region.size - begin, kChunkPages << kPageShift);
  const u64 pages = page_up(bytes) >> kPageShift;
  std::vector<u8> data(bytes), sums(pages * sizeof(u32));
  read(log_file(region.file), begin, data);
  read(log_sums(region.file), first_page * sizeof(u32), sums);
  std::vector<BadPage> bad;
  for (u64 i = 0; i < pages; ++i) {
    const u32 expected = load<u32>(sums.data() + i * sizeof(u32));
    if (expected == PageSums::kDead) continue;
    const Bytes page = Bytes(data).subspan(i << kPageShift, std::min(kPageSize, bytes - (i << kPageShift)));
    const u32 found = PageSums::of(page, region.file, first_page + i);
    if (found != expected) bad.push_back({first_page + i, expected, found});
  }
  return bad;
}

void Verifier::read(LogFile which, u64 offset, std::vector<u8>& to) const {
  const auto file = state_.directory->open(file_name(which), platform::Directory::Open::read_only);
  file->will_need(offset + to.size(), kAhead);
  const u64 present = file->read(offset, to.data(), to.size());
  // What was read of a large file makes room in the page cache, but for what somebody has mapped and used.
  if (!is_sums(which) && file->size() > 2 * store_.memory_budget()) file->let_go(offset, to.size());
  // Checksums that are in the journal only have no room in their file yet; zero is none.
  const bool may_be_short = is_sums(which) && state_.overlay.contains(which);
  if (present < to.size() && !may_be_short) {
    throw DamagedError(file->path() + ": expected " + std::to_string(to.size()) + " bytes at offset " +
                           std::to_string(offset) + ", found " + std::to_string(present),
                       file->path());
  }
  const auto changes = state_.overlay.find(which);
  if (changes == state_.overlay.end()) return;
  for (const auto& [at, bytes] : changes->second) {
    const u64 from = std::max(at, offset), end = std::min(at + bytes.size(), offset + to.size());
    if (from < end) std::memcpy(to.data() + (from - offset), bytes.data() + (from - at), end - from);
  }
}

void Verifier::report(const Committed& region, const std::vector<BadPage>& bad) {
  for (std::size_t i = 0; i < bad.size();) {
    std::size_t end = i + 1;
    while (end < bad.size() && bad[end].page == bad[end - 1].page + 1) ++end;
    const std::string where =
        region_file_name(region.file) + " at " + std::to_string(bad[i].page << kPageShift);
    const std::string pages = end - i == 1 ? "a damaged page" : std::to_string(end - i) + " damaged pages";
    findings_.push_back({where, pages + ": expected checksum " + std::to_string(bad[i].expected) +
                                    ", found " + std::to_string(bad[i].found) +
                                    "; restore the store from a backup, or save what can be read"});
    i = end;
  }
}

}  // namespace emd
