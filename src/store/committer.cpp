// Committer: commit and rollback, in the order of ARCHITECTURE.md, "The life of a commit". The checkpoint is in
// committer_checkpoint.cpp.
#include "store/committer.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <span>

#include "base/errors.h"
#include "platform/mapping.h"
#include "store/catalogue.h"
#include "store/memory_store.h"

namespace emd {
namespace {

// Private room kept behind the end of a region, so that small growth needs no mapping call.
constexpr u64 kLeastHeadroom = u64{16} << 10;
constexpr u64 kMostHeadroom = u64{1} << 20;
// Differences closer than this are journaled as one range: a range's head takes about as much.
constexpr u64 kMergeGap = 16;
// Appended pages are let go at least so many bytes at a time.
constexpr u64 kLeastLetGo = u64{4} << 20;
// And once more those before them: what was not on the disk yet, or a private copy, is by then.
constexpr u64 kLetGoAgain = u64{64} << 20;
// Pages that are read from the disk together, where they are missing.
constexpr std::size_t kAskedTogether = 512;

// Calls f(begin, end) for the byte ranges of [0, length) in which a and b differ, in whole words.
// Precondition: length is a multiple of 8.
template <class F>
bool for_each_difference(const u8* a, const u8* b, u64 length, F&& f) {
  u64 begin = 0, end = 0;  // the range being collected; empty at first
  for (u64 at = 0; at < length; at += 8) {
    if (at % 64 == 0 && at + 64 <= length && std::memcmp(a + at, b + at, 64) == 0) {
      at += 56;
      continue;
    }
    if (load<u64>(a + at) == load<u64>(b + at)) continue;
    if (end != 0 && at - end > kMergeGap) {
      f(begin, end);
      end = 0;
    }
    if (end == 0) begin = at;
    end = at + 8;
  }
  if (end != 0) f(begin, end);
  return end != 0;
}

}  // namespace

std::vector<Region*> Committer::changed_regions() {
  std::vector<Region*> changed;
  for (const auto& [id, region] : state_.regions) {
    region->save();
    const Region::State& state = *region->state_;
    if (state.content->changed() || state.content->origin == Content::Origin::created)
      changed.push_back(region.get());
  }
  // The same order in every run: crash tests replay by number of call.
  std::sort(changed.begin(), changed.end(),
            [](const Region* a, const Region* b) { return a->id() < b->id(); });
  return changed;
}

void Committer::find_stores() {
  for (const auto& [id, region] : state_.regions) {
    region->save();
    if (region->state_->content->stored_through()) region->state_->content->find_stores();
  }
}

bool Committer::stored_through() const {
  return std::any_of(state_.regions.begin(), state_.regions.end(),
                     [](const auto& one) { return one.second->state_->content->stored_through(); });
}

bool Committer::nothing_changed() {
  find_stores();
  if (!state_.dropped_regions.empty()) return false;
  return std::all_of(state_.regions.begin(), state_.regions.end(), [](const auto& one) {
    one.second->save();
    const Content& content = *one.second->state_->content;
    return !content.changed() && content.origin == Content::Origin::existing;
  });
}

// Entries of regions whose size or file is not what the table says.
void Committer::update_entries() {
  Region& table = state_.region_table();
  for (Region* region : changed_regions()) {
    const Content& content = *region->state_->content;
    const u64 offset = region_entry_offset(region->id());
    auto entry = load<RegionEntry>(table.at(offset, sizeof(RegionEntry)));
    if (entry.size == content.size && entry.file == static_cast<u64>(content.id)) continue;
    entry.size = content.size;
    entry.file = static_cast<u64>(content.id);
    store(table.writable(offset, sizeof entry), entry);
  }
}

void Committer::sync_or_fail(platform::File& file) {
  or_fail([&] { file.sync(); });
}

void Committer::settle_fresh_bytes(const std::vector<Region*>& changed) {
  for (Region* region : changed) {
    Content& content = *region->state_->content;
    content.sums->allocate(content.size);
    if (content.size > content.committed) mark_grown_pages(content);
    if (content.size > content.boundary) {
      const u64 headroom = std::clamp(page_up(content.size / 8), kLeastHeadroom, kMostHeadroom);
      content.make_private(std::min(content.allocated, page_up(content.size) + headroom));
      region->adopt();
    }
  }
  if (state_.new_files) {
    or_fail([&] { state_.directory->sync(); });
    state_.new_files = false;
  }
  for (Region* region : changed) {
    Content& content = *region->state_->content;
    if (content.size <= content.fresh_begin) continue;
    or_fail([&] { state_.background.settle(*content.file); });
    sync_or_fail(*content.file);
  }
}

// To look which pages are private takes 2 ms a GiB, at each commit.
constexpr u64 kMostLookedThrough = u64{4} << 30;

void Committer::check_unmarked(const Region& region) const {
  Content& content = *region.state_->content;
  if (content.stored_through()) return;  // without a mark, and perhaps just now
  if (content.boundary > kMostLookedThrough) return;
  const u8* const base = content.base();
  // Only private copies can differ.
  for (const platform::PageRun& run : platform::copied_pages(content.window, content.boundary)) {
    for (u64 page = run.first; page < run.first + run.count; ++page) {
      const u64 offset = page << kPageShift;
      if (content.dirty.contains(page) || std::memcmp(content.window + offset, base + offset, kPageSize) == 0)
        continue;
      throw CheckError(region.path() + ": page " + std::to_string(page) + " was changed without writable()");
    }
  }
}

// The page that the committed size ends in, and those behind it in the headroom, get new checksums, so they count as
// dirty; fresh pages have their checksums made on their own.
void Committer::mark_grown_pages(Content& content) {
  const u64 end = std::min(page_up(content.size), content.fresh_begin) >> kPageShift;
  for (u64 page = content.committed >> kPageShift; page < end; ++page) {
    if (!content.dirty.contains(page)) content.add_dirty_page(page);
  }
}

// A page that is damaged on the disk must not get the checksum of a sound one.
void Committer::require_sound(Content& content, u64 page) const {
  if (page << kPageShift >= content.committed) return;
  const u32 expected = content.sums->get(page);
  if (expected == PageSums::kDead) return;
  const u32 found = PageSums::of(
      Content::used(content.base() + (page << kPageShift), page, content.committed), content.id, page);
  if (found == expected) return;
  throw DamagedError(content.file->path() + ": the page at offset " + std::to_string(page << kPageShift) +
                         " was damaged on the disk: expected checksum " + std::to_string(expected) +
                         ", found " + std::to_string(found) +
                         "; the changes cannot be committed: close the store, and restore it from a backup",
                     content.file->path());
}

// Stages and journals the checksum of a dirty page, if it is another one now.
bool Committer::renew_sum(Content& content, u64 page) {
  const u32 sum = PageSums::of(Content::used(content.image(page), page, content.size), content.id, page);
  if (page << kPageShift < content.committed && sum == content.sums->get(page)) return false;
  content.sums->stage(page, sum);
  state_.journal->add(log_sums(content.id), page * sizeof sum,
                      {reinterpret_cast<const u8*>(&sum), sizeof sum});
  return true;
}

// Those of fresh pages are written at once, since nothing refers to them yet, and journaled, which costs less than a
// sync of their file.
bool Committer::renew_fresh_sums(Content& content) {
  constexpr u64 kChunk = 16384;
  const u64 end = page_up(content.size) >> kPageShift;
  std::vector<u32> sums;
  u64 page = content.fresh_begin >> kPageShift;
  if (page >= end) return false;
  // What is stored through views by now belongs to the next commit, and is not in the file; nor is what was changed
  // after a commit that failed.
  const u8* const from = content.stored_through() ? content.base() : content.window;
  while (page < end) {
    sums.clear();
    for (u64 at = page; at < std::min(end, page + kChunk); ++at) {
      const u8* const bytes = content.dirty.contains(at) ? content.image(at) : from + (at << kPageShift);
      sums.push_back(PageSums::of(Content::used(bytes, at, content.size), content.id, at));
    }
    content.sums->write(page, sums);
    state_.journal->add(log_sums(content.id), page * sizeof(u32),
                        {reinterpret_cast<const u8*>(sums.data()), sums.size() * sizeof(u32)});
    page += sums.size();
  }
  return true;
}

bool Committer::mark_dead_pages(const Region& region) {
  Content& content = *region.state_->content;
  for (const DeadRange& range : region.state_->dead) {
    const u64 first = range.offset >> kPageShift, count = range.length >> kPageShift;
    const std::vector<u32> dead(count, PageSums::kDead);
    for (u64 page = first; page < first + count; ++page) content.sums->stage(page, PageSums::kDead);
    state_.journal->add(log_sums(content.id), first * sizeof(u32),
                        {reinterpret_cast<const u8*>(dead.data()), count * sizeof(u32)});
  }
  return !region.state_->dead.empty();
}

// Journals what of a dirty page the file does not have: below the committed size what differs from the base; beyond it,
// in the headroom, all of it, since what the file holds there was never synced.
bool Committer::journal_page(Content& content, u64 page) {
  const u64 begin = page << kPageShift;
  const u64 end = std::min(begin + kPageSize, page_up(content.size));
  const u64 whole = begin < content.fresh_begin ? std::clamp(content.committed, begin, end) : end;
  const u64 diff_end = round_down(whole, 8);
  const u8* const bytes = content.image(page);
  const u8* const base = content.base() + begin;
  bool any = for_each_difference(bytes, base, diff_end - begin, [&](u64 from, u64 to) {
    state_.journal->add(log_file(content.id), begin + from, {bytes + from, to - from});
  });
  const u64 used_end = std::min(end, content.size);
  if (used_end > diff_end) {
    state_.journal->add(log_file(content.id), diff_end, {bytes + (diff_end - begin), used_end - diff_end});
    any = true;
  }
  return any;
}

// The file's pages that these are compared with may have left memory since they were copied: then all are read at once.
void Committer::ask_for_bases(Content& content, std::span<const u64> pages) {
  if (!state_.bases.begin_batch()) return;
  for (const u64 page : pages) {
    const u64 begin = page << kPageShift;
    if (begin < content.committed) state_.bases.ask(content.base() + begin, kPageSize);
  }
}

bool Committer::journal_pages(Content& content) {
  std::vector<u64> dirty;
  dirty.reserve(content.dirty.count());
  content.dirty.for_each_run([&](u64 first, u64 count) {
    for (u64 page = first; page < first + count; ++page) dirty.push_back(page);
  });
  bool any = false;
  const std::span<const u64> pages = dirty;
  for (std::size_t i = 0; i < pages.size(); ++i) {
    if (i % kAskedTogether == 0) {
      ask_for_bases(content, pages.subspan(i, std::min(kAskedTogether, pages.size() - i)));
    }
    require_sound(content, pages[i]);
    any |= journal_page(content, pages[i]);
    any |= renew_sum(content, pages[i]);
  }
  return any;
}

bool Committer::journal_changes(const std::vector<Region*>& changed) {
  bool any = false;
  for (const Region* region : changed) {
    Content& content = *region->state_->content;
    content.sums->drop_staged();
    if (region->state_->access == Access::random && content.dirty.count() != 0) {
      platform::advise(content.base(), page_up(content.committed), platform::Pattern::random);
    }
    any |= journal_pages(content);
    any |= renew_fresh_sums(content);
    any |= mark_dead_pages(*region);
  }
  return any;
}

// Writes the commit's frames, unsynced. False if nothing differs.
bool Committer::write_journal(const std::vector<Region*>& changed) {
  state_.journal->begin();
  try {
    const bool any = journal_changes(changed);
    if (any) state_.journal->finish();
    return any;
  } catch (...) {
    or_fail([&] { state_.journal->abandon(); });
    throw;
  }
}

// On a full disk a journal that cannot grow begins anew, so that what makes room can be committed.
bool Committer::write_journal_with_room(const std::vector<Region*>& changed) {
  try {
    return write_journal(changed);
  } catch (const SystemError& error) {
    const bool full = error.error() == ENOSPC || error.error() == EDQUOT;
    if (!full || state_.journal->used_bytes() == 0 || !restart_journal()) throw;
  }
  return write_journal(changed);
}

void Committer::commit() {
  if (!store_.dirty_) return;
  if (state_.memory != nullptr) return MemoryStore(store_).commit();
  if (state_.options.check_unmarked_writes) {
    for (const auto& [id, region] : state_.regions) check_unmarked(*region);
  }
  if (nothing_changed()) {
    store_.become_clean(stored_through());
    return;
  }
  checkpoint_before();
  update_entries();
  const std::vector<Region*> changed = changed_regions();
  settle_fresh_bytes(changed);
  for (const Region* region : changed) {
    Content& content = *region->state_->content;
    content.thaw();  // of a commit that has failed
    if (content.stored_through()) content.freeze();
  }
  {
    const ReaderTable::IntentGuard intent(*state_.readers,
                                          state_.patience(state_.options.snapshot_timeout_seconds));
    if (write_journal_with_room(changed)) {
      or_fail([&] { state_.journal->sync(); });  // the commit point
      or_fail([&] { apply(changed); });
    }
  }
  for (Region* region : changed) forget_changes(*region);
  for (const auto& region : state_.dropped_regions) {
    retire(region->state_->content.get());
    retire(region->state_->before.get());
  }
  if (!state_.dropped_regions.empty()) {
    state_.dropped_regions.clear();
    Catalogue(store_).load_free_entries();
  }
  store_.become_clean(stored_through());
  store_.dirty_pages_ = 0;
  ++state_.commits;
  unmap_released();
  if (state_.budget.exceeded()) drop_clean_pages();
  checkpoint_after();
  sync_in_background();
}

// From here on the commit is durable; if the files cannot be written, recovery will do it.
void Committer::apply(const std::vector<Region*>& changed) {
  state_.readers->begin_change();
  for (Region* region : changed) {
    Content& content = *region->state_->content;
    content.dirty.for_each_run([&](u64 first, u64 count) {
      content.file->write(first << kPageShift, content.image(first), count << kPageShift);
    });
    state_.applied_bytes += content.dirty.count() << kPageShift;
    content.sums->write_staged();
    if (content.dirty.count() != 0) region->state_->unsynced = true;
  }
  state_.readers->end_change(state_.journal->sequence());
}

// The newest quarter of the budget stays: what was just inserted is what is read.
void Committer::let_appended_go(const Region& region) {
  Content& content = *region.state_->content;
  if (!region.state_->lets_appended_go || !region.large()) return;
  const u64 keep = state_.budget.bytes() / 4;
  const u64 end = page_down(content.committed - std::min(content.committed, keep));
  content.let_go_end = std::min(content.let_go_end, page_down(content.fresh_begin));
  if (end < content.let_go_end + kLeastLetGo) return;
  const u64 begin = content.let_go_end - std::min(content.let_go_end, kLetGoAgain);
  content.let_go(begin, end - begin);
  content.let_go_end = end;
}

void Committer::forget_changes(Region& region) {
  Region::State& state = *region.state_;
  Content& content = *state.content;
  const bool grown = content.size > content.fresh_begin;
  content.committed = content.size;
  if (grown) {
    if (state.expects_points && region.large())
      region.advise(Access::random);  // what was fresh is mapped anew
    let_appended_go(region);
  }
  content.fresh_begin = content.boundary;
  content.dirty.clear();
  content.thaw();
  content.origin = Content::Origin::existing;
  retire(state.before.get());
  state.before.reset();
  state.committed_dead.insert(state.committed_dead.end(), state.dead.begin(), state.dead.end());
  state.dead.clear();
}

// Its file was replaced or dropped: it goes at the next checkpoint, which comes the sooner the more there is of them.
void Committer::retire(const Content* content) {
  if (content == nullptr) return;
  state_.obsolete_files.push_back(content->id);
  // With its checksums, and what a filesystem keeps for a file.
  state_.dead_bytes += content->allocated + 2 * kPageSize;
}

// Brings the region's committed state back. Returns false if it had none: it was created since.
bool Committer::restore(Region& region) {
  Region::State& state = *region.state_;
  region.save();
  if (state.content->origin == Content::Origin::created) store_.discard_file(state.content->id);
  std::unique_ptr<Content> undone;
  if (state.before != nullptr) {
    undone = std::exchange(state.content, std::move(state.before));
  } else if (state.content->origin == Content::Origin::created) {
    return false;
  }
  state.content->roll_back();
  const bool viewed = undone != nullptr && undone->view_count() != 0;
  if (viewed) {
    try {
      state.content->take_views(*undone);
    } catch (const std::exception&) {
      // No room for it, on the disk or in memory: the views are left behind, as by close().
    }
  }
  state.dead.clear();
  region.adopt();
  if (viewed) region.advise(state.access);
  return true;
}

void Committer::roll_back() {
  if (state_.memory != nullptr) return MemoryStore(store_).roll_back();
  ++store_.changes_;
  or_fail([&] {
    std::erase_if(state_.regions, [this](const auto& one) { return !restore(*one.second); });
    for (auto& region : std::exchange(state_.dropped_regions, {})) {
      if (restore(*region)) state_.regions[static_cast<u32>(region->id())] = std::move(region);
    }
  });
  state_.new_files = false;
  store_.become_clean(stored_through());
  store_.dirty_pages_ = 0;
  Catalogue(store_).reload();
  for (const auto& [owner, callback] : state_.rollback_callbacks) callback();
}

void Committer::drop_clean_pages() {
  for (const auto& [id, region] : state_.regions) region->state_->content->drop_clean_pages();
}

u64 Committer::dirty_pages() {
  find_stores();
  u64 pages = 0;
  for (const auto& [id, region] : state_.regions) pages += region->state_->content->dirty.count();
  return pages;
}

void Committer::unmap_released() {
  for (const auto& member : std::exchange(state_.released, {})) {
    if (member->users != 0 || !member->live) continue;
    if (std::any_of(member->regions, member->regions + member->region_count, has_space_to_give_back)) {
      state_.released.push_back(member);  // stays mapped until the checkpoint that does so
    } else {
      unmap(*member);
    }
  }
}

bool Committer::has_space_to_give_back(const Region* region) {
  return region != nullptr && !region->state_->committed_dead.empty();
}

void Committer::unmap(Member& member) {
  for (unsigned i = 0; i < member.region_count; ++i) {
    Region* const region = std::exchange(member.regions[i], nullptr);
    if (region == nullptr) continue;
    sync_applied(*region);
    trim(*region->state_->content);
    state_.regions.erase(static_cast<u32>(region->id()));
  }
}

void Committer::trim(Content& content) {
  const u64 used = page_up(content.committed);
  if (content.allocated > used) content.file->truncate(used);
  content.sums->trim(content.committed);
}

void Committer::trim() {
  for (const auto& [id, region] : state_.regions) trim(*region->state_->content);
  state_.journal->resize_when_empty(true);
}

}  // namespace emd
