// Content: mapping of the window and the base, growth of both, and copied pages: made, forgotten, and rolled back.
// Views are in content_views.cpp.
#include "store/content.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <utility>

#include "base/errors.h"
#include "platform/mapping.h"
#include "store/exports.h"

namespace emd {
namespace {

// Reservations by size class: small enough that thousands of regions share 128 TiB, large enough that
// a region moves three times in its life.
constexpr std::array<u64, 5> kReservations = {u64{64} << 20, u64{4} << 30, u64{256} << 30, u64{16} << 40,
                                              kMostRegionBytes};

u64 reservation_for(u64 bytes) {
  const auto fit =
      std::find_if(kReservations.begin(), kReservations.end(), [&](u64 r) { return r >= bytes; });
  if (fit == kReservations.end()) {
    throw SystemError(EFBIG,
                      "a region of " + std::to_string(bytes) + " bytes exceeds the largest reservation", "");
  }
  return *fit;
}

}  // namespace

// Returns the size of the file.
u64 Content::require_file_holds(u64 bytes) const {
  const u64 present = file->size();
  if (present >= bytes) return present;
  throw DamagedError(file->path() + ": the file is truncated: expected at least " + std::to_string(bytes) +
                         " bytes, found " + std::to_string(present) + "; restore the store from a backup",
                     file->path());
}

void Content::reserve_window() {
  reserved = reservation_for(allocated);
  window = platform::reserve(reserved);
}

Content::Content(StoreBudget& the_budget, std::unique_ptr<platform::File> the_file,
                 std::unique_ptr<PageSums> the_sums, FileId the_id, u64 the_size, Origin the_origin)
    : budget(the_budget),
      file(std::move(the_file)),
      sums(std::move(the_sums)),
      id(the_id),
      origin(the_origin) {
  size = committed = the_size;
  const u64 present = require_file_holds(size);
  allocated = page_up(size);
  if (present > allocated) file->truncate(allocated);
  if (present < allocated) file->allocate(present, allocated - present);
  boundary = fresh_begin = populated = allocated;
  punched = allocated - std::min(allocated, file->allocated());
  reserve_window();
  try {
    dirty.resize(reserved >> kPageShift);
    copied.resize(reserved >> kPageShift);
    map_window(window, reserved);
  } catch (...) {
    platform::unreserve(window, reserved);
    throw;
  }
}

void Content::map_window(u8* at, u64 length) {
  std::vector<u64> pieces{0};
  if (boundary != 0) file->map(at, 0, boundary, platform::File::Share::private_copy);
  file->map(at + boundary, boundary, length - boundary, platform::File::Share::shared);
  private_pieces = std::move(pieces);
}

Content::Content(StoreBudget& the_budget, std::unique_ptr<platform::File> the_file, FileId the_id,
                 u64 the_size, Reading reading)
    : budget(the_budget), file(std::move(the_file)), id(the_id), origin(Origin::existing) {
  using Share = platform::File::Share;
  size = committed = the_size;
  require_file_holds(size);
  allocated = page_up(size);
  boundary = fresh_begin = populated = allocated;
  reserve_window();
  try {
    if (reading == Reading::live) {
      file->map(window, 0, reserved, Share::shared_read_only);
    } else if (allocated != 0) {
      overlaid = true;
      file->map(window, 0, allocated, Share::private_copy);
    }
  } catch (...) {
    platform::unreserve(window, reserved);
    throw;
  }
}

Content::Content(StoreBudget& the_budget, FileId the_id)
    : budget(the_budget), id(the_id), origin(Origin::created) {}

namespace {

constexpr std::align_val_t kInMemory{64};  // as structures expect their buckets to be

u64 pages_of(u64 bytes) { return page_up(bytes) >> kPageShift; }

}  // namespace

void Content::grow_in_memory(u64 end) {
  if (end <= reserved) return;
  const u64 room = round_up(std::max(end, std::min(2 * reserved, end + end / 2)), 64);
  u8* const larger = static_cast<u8*>(::operator new(room, kInMemory));
  if (size != 0) std::memcpy(larger, window, size);
  std::memset(larger + size, 0, room - size);
  budget.add_pages(pages_of(room) - pages_of(reserved));
  ::operator delete(window, kInMemory);
  window = larger;
  reserved = allocated = populated = room;
}

void Content::grow_to(u64 bytes) {
  require_file_holds(bytes);
  size = committed = bytes;
  allocated = boundary = fresh_begin = populated = page_up(bytes);
}

Content::~Content() {
  if (in_memory()) {
    budget.remove_pages(pages_of(reserved));
    ::operator delete(window, kInMemory);
    return;
  }
  discharge(copied.count());
  if (view_count() != 0) {
    leave_window_to_views();
  } else {
    platform::unreserve(window, reserved);
  }
  if (base_ != nullptr) platform::unreserve(base_, base_reserved_);
}

void Content::allocate(u64 end, u64 generous_end) {
  if (generous_end > reserved && view_count() != 0) {
    if (end > reserved) {
      throw ViewError(file->path() + ": cannot grow past " + std::to_string(reserved) + " bytes while " +
                      std::to_string(view_count()) + " views exist: delete them first");
    }
    generous_end = reserved;
  }
  if (generous_end > reserved) relocate(reservation_for(generous_end));
  // Room for the checksums now: the commit of what has grown must not need any, or deleting would fail on a full disk.
  sums->allocate(end);
  u64 wanted = page_up(generous_end);
  try {
    file->allocate(allocated, wanted - allocated);
  } catch (const SystemError&) {
    wanted = page_up(end);
    if (wanted > allocated) file->allocate(allocated, wanted - allocated);
  }
  allocated = std::max(allocated, wanted);
}

void Content::relocate(u64 larger) {
  dirty.resize(larger >> kPageShift);
  copied.resize(larger >> kPageShift);
  private_pieces.reserve(private_pieces.size() + 1);
  u8* const target = platform::reserve(larger);
  try {
    file->map(target + reserved, reserved, larger - reserved, platform::File::Share::shared);
    // From here on the window is in two places; a failure would leave it so, but moving a mapping onto
    // reserved addresses needs no memory beyond page tables.
    for (std::size_t i = 0; i < private_pieces.size(); ++i) {
      const u64 from = private_pieces[i];
      const u64 to = i + 1 < private_pieces.size() ? private_pieces[i + 1] : boundary;
      if (to > from) platform::move(window + from, target + from, to - from);
    }
    platform::move(window + boundary, target + boundary, reserved - boundary);
  } catch (...) {
    platform::unreserve(target, larger);
    throw;
  }
  window = target;
  reserved = larger;
}

void Content::make_private(u64 end) {
  private_pieces.push_back(boundary);
  file->map(window + boundary, boundary, end - boundary, platform::File::Share::private_copy);
  boundary = end;
}

const u8* Content::base() {
  if (base_ == nullptr || base_reserved_ < reserved) {
    u8* const fresh = platform::reserve(reserved);
    file->map(fresh, 0, reserved, platform::File::Share::shared_read_only);
    if (base_ != nullptr) platform::unreserve(base_, base_reserved_);
    base_ = fresh;
    base_reserved_ = reserved;
  }
  return base_;
}

void Content::add_dirty_page(u64 page) {
  dirty.add(page);
  if (!copied.contains(page)) {
    copied.add(page);
    charge(1);
  }
}

void Content::forget_copied(u64 first, u64 count) {
  const u64 before = copied.count();
  for (u64 page = first; page < first + count; ++page) copied.remove(page);
  discharge(before - copied.count());
}

void Content::roll_back() {
  if (stored_through()) {
    platform::drop_private(window, boundary);  // stores of nobody knows where
    discharge(copied.count());
    copied.clear();
  }
  dirty.for_each_run([&](u64 first, u64 count) {
    platform::drop_private(window + (first << kPageShift), count << kPageShift);
    forget_copied(first, count);
  });
  dirty.clear();
  if (size > fresh_begin) file->zero(fresh_begin, page_up(size) - fresh_begin);
  size = committed;
}

void Content::drop_clean_pages() {
  if (in_memory() || stored_through()) return;  // a store may just be coming
  copied.for_each_run([&](u64 first, u64 count) {
    // Runs of clean pages within the run of copied ones.
    for (u64 page = first; page < first + count;) {
      u64 end = page;
      while (end < first + count && !dirty.contains(end)) ++end;
      if (end > page) {
        platform::drop_private(window + (page << kPageShift), (end - page) << kPageShift);
        discharge(end - page);
      }
      page = end + 1;
    }
  });
  PageSet still_copied;
  still_copied.resize(reserved >> kPageShift);
  dirty.for_each_run([&](u64 first, u64 count) {
    for (u64 page = first; page < first + count; ++page) still_copied.add(page);
  });
  copied = std::move(still_copied);
}

// ---- What is in memory

u64 Content::resident(u64 offset, u64 length, u8* pages) const {
  const u64 end = std::min(offset + length, allocated);
  if (in_memory() || offset >= end || !platform::resident(window + offset, end - offset, pages)) return 0;
  return page_up(end - offset) >> kPageShift;
}

u64 Content::resident_bytes() const {
  if (in_memory()) return 0;
  constexpr u64 kChunk = u64{1024} << kPageShift;
  std::vector<u8> pages(std::min(allocated, kChunk) >> kPageShift);
  u64 count = 0;
  for (u64 offset = 0, end = 0; offset < allocated; offset = end) {
    // Of a large hole nothing is in memory that counts.
    offset = page_down(file->data_in(offset, allocated).begin);
    end = std::min(allocated, offset + kChunk);
    const u64 found = resident(offset, end - offset, pages.data());
    for (u64 i = 0; i < found; ++i) {
      count += (pages[i] & 1) != 0 &&
               (overlaid || copied.count() == 0 || !copied.contains((offset >> kPageShift) + i));
    }
  }
  return count * kPageSize;
}

void Content::let_go(u64 offset, u64 length) noexcept {
  const u64 begin = page_up(offset), end = std::min(page_down(offset + length), allocated);
  if (in_memory() || overlaid || begin >= end || stored_through())
    return;  // under such a view private copies are not known
  const u64 last = end >> kPageShift;
  for (u64 first = begin >> kPageShift; first < last;) {
    u64 next = first;
    while (next < last && (copied.count() == 0 || !copied.contains(next))) ++next;
    if (next > first) platform::unmap_clean(window + (first << kPageShift), (next - first) << kPageShift);
    first = next + 1;
  }
  if (base_ != nullptr && end <= base_reserved_) platform::unmap_clean(base_ + begin, end - begin);
  // In one: the page cache holds many pages as a whole, which goes as a whole. Private copies are not part of it.
  file->let_go(begin, end - begin);
}

}  // namespace emd
