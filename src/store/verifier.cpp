// Verifier: pages against checksums in chunks; of a store that is being written, what has been committed meanwhile is
// passed over.
#include "store/verifier.h"

#include <algorithm>
#include <chrono>
#include <numeric>

#include "store/catalogue.h"
#include "store/findings.h"
#include "store/follower.h"

namespace emd {
namespace {

constexpr u64 kChunkPages = 256;
constexpr u64 kAhead = u64{4} << 20;
// A page that a writer is just writing agrees soon; a damaged one never.
constexpr unsigned kTries = 50;
constexpr std::chrono::milliseconds kPause{2};

[[noreturn]] void refuse_short(const platform::File& file, u64 offset, u64 length) {
  throw DamagedError(file.path() + ": the file is truncated: expected " + std::to_string(length) +
                         " bytes at offset " + std::to_string(offset) + "; restore the store from a backup",
                     file.path());
}

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

// A file as it counts: where the journal has later bytes, those.
class Verifier::Source {
 public:
  Source(const Store::State& state, LogFile which)
      : file_(state.directory->open(file_name(which), platform::Directory::Open::read_only)) {
    const auto found = state.overlay.find(which);
    if (found == state.overlay.end()) return;
    changes_ = &found->second;
    order_.resize(changes_->size());
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    std::stable_sort(order_.begin(), order_.end(),
                     [this](auto a, auto b) { return begin_of(a) < begin_of(b); });
  }

  platform::File& file() const { return *file_; }
  bool overlaid() const { return changes_ != nullptr; }

  // Where bytes begin that are not a hole of the file, at `offset` or behind it; `end` if there are none before.
  u64 next_data(u64 offset, u64 end) const {
    u64 data = file_->data_in(offset, end).begin;
    const std::size_t next = first_behind(offset);
    if (next < order_.size()) data = std::min(data, std::max(offset, begin_of(order_[next])));
    return data;
  }

  // Returns how many bytes the file had. The others are zero, or the journal's.
  u64 read(u64 offset, std::vector<u8>& to) const {
    const u64 present = file_->read(offset, to.data(), to.size());
    const u64 end = offset + to.size();
    std::vector<std::size_t> here;
    for (std::size_t i = first_behind(offset); i < order_.size() && begin_of(order_[i]) < end; ++i)
      here.push_back(order_[i]);
    std::sort(here.begin(), here.end());  // later ones win
    for (const std::size_t i : here) {
      const auto& [at, bytes] = (*changes_)[i];
      const u64 from = std::max(at, offset), until = std::min(at + bytes.size(), end);
      if (from < until) std::memcpy(to.data() + (from - offset), bytes.data() + (from - at), until - from);
    }
    return present;
  }

 private:
  u64 begin_of(std::size_t i) const { return (*changes_)[i].first; }
  // The first change, by offset, that may reach behind `offset`: none is longer than a page.
  std::size_t first_behind(u64 offset) const {
    const auto before = [this](std::size_t i, u64 at) { return begin_of(i) + kPageSize <= at; };
    return static_cast<std::size_t>(std::lower_bound(order_.begin(), order_.end(), offset, before) -
                                    order_.begin());
  }

  std::unique_ptr<platform::File> file_;
  const std::vector<std::pair<u64, std::vector<u8>>>* changes_ = nullptr;
  std::vector<std::size_t> order_;
};

struct Verifier::Sources {
  Source pages, sums;
};

void Verifier::check_region(Committed region) {
  Sources sources{Source(state_, log_file(region.file)), Source(state_, log_sums(region.file))};
  BadRun last{};
  const auto add = [&](const BadRun& run) {
    if (last.count != 0 && last.first + last.count == run.first) {
      last.count += run.count;
      return;
    }
    if (last.count != 0) report(region, last);
    last = run;
  };
  for (u64 page = 0; page << kPageShift < region.size && !is_full(findings_);) {
    Chunk chunk = check_chunk(region, page, sources);
    bool certain = !store_.live();
    for (unsigned tries = 0; !certain && !chunk.bad.empty() && tries < kTries; ++tries) {
      state_.pause(kPause);
      if (!still_committed(region)) return;
      chunk = check_chunk(region, page, sources);
      certain = state_.follower->current();  // the state that its size was taken from
    }
    if (certain) {
      for (const BadRun& run : chunk.bad) add(run);
    } else if (!chunk.bad.empty()) {
      findings_.push_back(
          {region_file_name(region.file) + " at " + std::to_string(page << kPageShift),
           "could not be read in one state, since a writer committed all the time; verify again"});
    }
    page = chunk.end;
  }
  if (last.count != 0) report(region, last);
}

Verifier::Chunk Verifier::check_chunk(const Committed& region, u64 first_page, Sources& sources) {
  const u64 all = page_up(region.size) >> kPageShift;
  const u64 known = sources.sums.next_data(first_page * sizeof(u32), all * sizeof(u32)) / sizeof(u32);
  if (known > first_page) {  // a hole has no checksums
    findings_.step();
    return {known, {{first_page, known - first_page, 0, 0}}};
  }
  Chunk chunk;
  chunk.end = std::min(all, first_page + kChunkPages);
  const u64 begin = first_page << kPageShift;
  std::vector<u8> sums((chunk.end - first_page) * sizeof(u32));
  // Checksums that are in the journal only have no room in their file yet; zero is none.
  if (sources.sums.read(first_page * sizeof(u32), sums) < sums.size() && !sources.sums.overlaid())
    refuse_short(sources.sums.file(), first_page * sizeof(u32), sums.size());
  const auto sum = [&](u64 page) { return load<u32>(sums.data() + (page - first_page) * sizeof(u32)); };
  std::vector<u8> data;
  for (u64 page = first_page; page < chunk.end && data.empty(); ++page) {
    if (sum(page) == PageSums::kDead) continue;
    data.resize(std::min(region.size - begin, (chunk.end - first_page) << kPageShift));
    platform::File& file = sources.pages.file();
    // A hole is zeros, without filling the page cache with them.
    if (file.size() >= begin + data.size() &&
        sources.pages.next_data(begin, begin + data.size()) >= begin + data.size())
      break;
    file.will_need(begin + data.size(), kAhead);
    if (sources.pages.read(begin, data) < data.size() && file.size() < begin + data.size())
      refuse_short(file, begin, data.size());
    // What was read of a large file makes room in the page cache, but for what somebody has mapped and used.
    if (region.size > 2 * store_.memory_budget()) file.let_go(begin, data.size());
  }
  for (u64 page = first_page; page < chunk.end; ++page) {
    findings_.step();
    if (sum(page) == PageSums::kDead) continue;
    const u64 at = (page - first_page) << kPageShift;
    check_page(region, page, sum(page), Bytes(data).subspan(at, std::min(kPageSize, data.size() - at)),
               chunk.bad);
  }
  return chunk;
}

void Verifier::check_page(const Committed& region, u64 page, u32 expected, Bytes bytes,
                          std::vector<BadRun>& bad) {
  const u32 found = PageSums::of(bytes, region.file, page);
  if (found == expected) return;
  if (!bad.empty() && bad.back().first + bad.back().count == page) {
    ++bad.back().count;
  } else {
    bad.push_back({page, 1, expected, found});
  }
}

void Verifier::report(const Committed& region, const BadRun& bad) {
  const std::string where = region_file_name(region.file) + " at " + std::to_string(bad.first << kPageShift);
  const std::string pages = bad.count == 1 ? "a damaged page" : std::to_string(bad.count) + " damaged pages";
  const std::string sums = bad.expected == 0 ? "no checksum is there"
                                             : "expected checksum " + std::to_string(bad.expected) +
                                                   ", found " + std::to_string(bad.found);
  add_while_room(findings_, {where, pages + ": " + sums +
                                        "; restore the store from a backup, or save what can be read"});
}

}  // namespace emd
