// The part of Content that deals with views: counting them, finding what was stored through them, and committing it
// while more may be stored.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/errors.h"
#include "platform/mapping.h"
#include "store/budget.h"
#include "store/content.h"
#include "store/exports.h"

namespace emd {

unsigned Content::view_count() const { return exports == nullptr ? 0 : exports->views; }
bool Content::stored_through() const { return exports != nullptr && exports->writers != 0; }

// Pages that no commit may let go of do not count: the budget could only ask for commits, again and again.
void Content::charge(u64 pages) {
  if (!stored_through()) budget.add_pages(pages);
}
void Content::discharge(u64 pages) {
  if (!stored_through()) budget.remove_pages(pages);
}

std::shared_ptr<Exports> Content::add_view(u64 end, bool writable) {
  if (exports == nullptr) exports = std::make_shared<Exports>(*this);
  if (writable && exports->writers == 0) discharge(copied.count());
  ++exports->views;
  exports->writers += writable;
  exports->end = std::max(exports->end, end);
  return exports;
}

void Content::end_view(bool writable) noexcept {
  --exports->views;
  if (!writable) return;
  if (exports->writers == 1) {
    try {
      find_stores();
    } catch (...) {
      return;
    }
  }
  --exports->writers;
  if (exports->writers == 0) charge(copied.count());
}

void Content::take_views(Content& undone) {
  EMD_CHECK(view_count() == 0 && dirty.count() == 0);
  const u64 end = undone.exports->end, room = undone.reserved;
  if (allocated > room) throw SystemError(ENOMEM, "no addresses for the views", file->path());
  if (end > allocated) allocate(end, end);  // so that a view which reaches past the end can be read
  dirty.resize(room >> kPageShift);
  copied.resize(room >> kPageShift);
  map_window(undone.window, room);
  discharge(copied.count());
  copied.clear();
  std::swap(window, undone.window);
  std::swap(reserved, undone.reserved);
  const u64 viewed = exports == nullptr ? 0 : exports->end;
  exports = std::move(undone.exports);
  exports->content = this;
  exports->end = std::max(end, viewed);
}

void Content::find_stores() {
  const u64 end = std::min(boundary, page_up(size)) >> kPageShift;
  const u8* const committed_bytes = base();
  for (const platform::PageRun& run : platform::copied_pages(window, boundary)) {
    for (u64 page = run.first; page < run.first + run.count; ++page) {
      const u64 offset = page << kPageShift;
      if (page >= end) {  // of a view longer than the content, whose growth was rolled back
        if (!dirty.contains(page)) platform::drop_private(window + offset, kPageSize);
        continue;
      }
      if (dirty.contains(page) || std::memcmp(window + offset, committed_bytes + offset, kPageSize) == 0)
        continue;
      add_dirty_page(page);
    }
  }
}

void Content::freeze() {
  frozen_runs_.clear();
  frozen_.resize(dirty.count() << kPageShift);
  u64 offset = 0;
  dirty.for_each_run([&](u64 first, u64 count) {
    frozen_runs_.push_back({first, offset});
    std::memcpy(frozen_.data() + offset, window + (first << kPageShift), count << kPageShift);
    offset += count << kPageShift;
  });
}

void Content::thaw() {
  frozen_runs_ = {};
  frozen_ = {};
}

const u8* Content::image(u64 page) const {
  if (frozen_runs_.empty()) return window + (page << kPageShift);
  const auto behind = std::upper_bound(frozen_runs_.begin(), frozen_runs_.end(), page,
                                       [](u64 of, const Frozen& run) { return of < run.page; });
  const Frozen& run = behind[-1];
  return frozen_.data() + run.offset + ((page - run.page) << kPageShift);
}

// The file may be cut behind what is committed, by the next writer too: what of the views lies there becomes zero, so
// that reading it does not fault.
void Content::leave_window_to_views() noexcept {
  exports->content = nullptr;
  exports->window = window;
  exports->reserved = reserved;
  const u64 sound = page_up(committed);
  if (exports->end <= sound) return;
  try {
    platform::map_zeros(window + sound, page_up(exports->end) - sound);
  } catch (...) {
    // No memory for the mapping itself: the bytes stay what they were as long as the file has them.
  }
}

}  // namespace emd
