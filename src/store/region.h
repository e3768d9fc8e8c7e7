// Region: a growable byte array in one file, read and written in place through a window.
//
//  0                 committed size     + headroom              allocated        reserved end
//  |------------------- private window -----|---- fresh window ----|...............|
//    MAP_PRIVATE: writes stay in this         MAP_SHARED: writes go straight
//    process until commit                     to the file, nothing refers to them yet
//
// What a structure must know:
//  - Reading is a plain load through data() or, for offsets that came from disk, at().
//  - Before changing existing bytes it calls writable(offset, length), which marks their pages.
//  - New bytes come from extend(), and are zero. reserve() makes a later extend() unable to fail.
//  - extend(), reserve() and rewrite() may move the window: pointers do not survive them.
// Commit, rollback and recovery are the store's business (store/store.h).
//
// Threads: none of this is synchronized; one thread at a time works on a store.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"

namespace emd {

namespace platform {
class File;
}
class Store;
struct Content;
struct Exports;

// The number of a region's entry in the store's region table.
enum class RegionId : u32 {};
// The number of a file in the store's directory; never used twice.
enum class FileId : u64 {};

// The largest region: addresses are reserved for it.
inline constexpr u64 kMostRegionBytes = u64{64} << 40;

// How a region is mostly read: the hint given to the kernel.
enum class Access { random, sequential };

class Region {
 public:
  // A new content for the region, built beside it in a file of its own and swapped in by
  // Region::finish(). Destroying it unfinished removes the file.
  class Rewrite;
  // Bytes of the window, handed out to code that knows nothing of regions.
  class View;

  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;
  ~Region();

  RegionId id() const { return id_; }
  // Bytes, uncommitted growth included.
  u64 size() const { return size_; }
  // The window's first byte. Invalidated by extend(), reserve(), finish(), commit, rollback.
  const u8* data() const { return window_; }

  // Reads at an offset that came from disk. Errors: DamagedError if it does not lie within size().
  const u8* at(u64 offset, u64 length) const {
    if (__builtin_expect(offset > size_ || length > size_ - offset, 0)) out_of_bounds(offset, length);
    return window_ + offset;
  }

  // Says that [offset, offset + length) is about to change, and returns where.
  // Precondition: the range lies within size(). Cost: a bit test a page; a page's first mark since
  // the last commit costs a page fault and a copy (1.5 to 3 us) unless it is fresh.
  u8* writable(u64 offset, u64 length) {
    EMD_DCHECK(offset <= size_ && length <= size_ - offset);
    if (offset < boundary_ && length != 0) mark(offset, length);
    return window_ + offset;
  }
  template <class T>
  T* writable_as(u64 offset) {
    return reinterpret_cast<T*>(writable(offset, sizeof(T)));
  }

  // Makes extend() calls of together `bytes` unable to fail. Errors: SystemError (ENOSPC, ...); the
  // region is as before.
  void reserve(u64 bytes) {
    if (__builtin_expect(bytes > ready_ - size_, 0)) grow(bytes, true);
  }
  // Adds `bytes` zero bytes at the end and returns the offset of the first. Errors: as reserve().
  u64 extend(u64 bytes) {
    reserve(bytes);
    const u64 offset = size_;
    size_ += bytes;
    return offset;
  }
  // The same without faulting the bytes in, for many of which most are not written soon.
  u64 extend_untouched(u64 bytes);
  // Adds these bytes at the end; large amounts go by pwrite rather than by page faults (5 GB/s
  // against 3). Returns the offset of the first. Errors: as reserve().
  u64 append(Bytes bytes);

  // How many bytes of the range a change would have to mark and journal; the rest is fresh. Lets a
  // structure choose between changing in place and rewrite().
  u64 private_bytes(u64 offset, u64 length) const {
    return offset >= boundary_ ? 0 : (offset + length < boundary_ ? length : boundary_ - offset);
  }

  // Begins a new content of `bytes` zero bytes; all of it is fresh. The old content stays readable
  // until finish(). Errors: SystemError; the region is as before.
  Rewrite rewrite(u64 bytes);
  // The rewritten content becomes the region's, as one change of the running operation: rollback and
  // recovery bring the old one back. Does not fail.
  void finish(Rewrite&& rewrite);

  // Bytes that stay at their addresses through growth, commit and rollback, as long as the view lives. Through a
  // writable one may be stored at any time, without writable(): a commit takes what is there, a rollback takes it back.
  // The first view of a region moves its window to where it can grow to a terabyte, or to four times its size.
  // When the content goes (close, drop), the addresses stay readable; what is stored there goes nowhere.
  // Precondition: the range lies within size(); writable: the store is. Errors: bad_alloc.
  View view(u64 offset, u64 length, bool writable);
  // Views that live, and the end of all that ever did: bytes beyond size() and before it need not be zero.
  unsigned view_count() const;
  u64 viewed_end() const;
  // Errors: ViewError if there are views, saying that `what` ("compact") must wait.
  void require_no_views(const char* what) const;

  // Nobody will read or write [offset, offset + length) again: its whole pages are given back to the disk at a
  // checkpoint after the next commit, and have no checksum from that commit on.
  void note_dead(u64 offset, u64 length);

  // How what is committed is mostly read. New bytes are not meant: those are faulted in many at a time.
  void advise(Access access);
  // Its bytes are read here and there: where it is large, or is at a later commit, a read that misses brings in its
  // page alone, since what lies around it would push out what is needed.
  void expect_points();
  // It grows at its end, and what was appended long ago is read seldom: where it is large, commits let go of all but
  // the newest of what they have made durable, so that bulk growth leaves the page cache to others.
  void let_appended_go();
  // Whether the disk gets new bytes in the background before a commit asks for them, as it does unless told otherwise.
  // Not worth it where pages are changed again and again until then: all of them would be written each time, and the
  // first change of each page after that costs a page fault.
  void sync_ahead(bool wanted);

  // For Scan. Whether it is too large to stay in memory beside all else: more than twice the store's budget.
  bool large() const;
  // Whether pages are in memory, a byte each (its low bit); returns how many bytes it has set.
  u64 resident(u64 offset, u64 length, u8* pages) const;
  // Hints: pages that will be read soon; pages that will not for long, which leave the page cache unless they are
  // private copies.
  void will_need(u64 offset, u64 length);
  void let_go(u64 offset, u64 length);
  // Where the region lies, for messages.
  std::string path() const;

 private:
  friend class Store;
  friend class Committer;
  friend class Catalogue;
  friend class Follower;
  friend class Verifier;
  friend class MemoryStore;
  // A region over this content. Made by the store.
  Region(Store& store, RegionId id, std::unique_ptr<Content> content);

  void mark(u64 offset, u64 length) {
    const u64 last = (offset + length < boundary_ ? offset + length - 1 : boundary_ - 1) >> kPageShift;
    for (u64 page = offset >> kPageShift; page <= last; ++page) {
      if (__builtin_expect(!(dirty_bits_[page >> 6] >> (page & 63) & 1), 0)) mark_page(page);
    }
  }
  void mark_page(u64 page);
  void grow(u64 bytes, bool populate);
  void move_to_file();
  void allocate_to(u64 end);
  // The hot fields below and the content's: written back before the store looks, taken over after.
  void save();
  void adopt();
  [[noreturn]] void out_of_bounds(u64 offset, u64 length) const;

  // Hot: read by every operation.
  u8* window_ = nullptr;
  u64 size_ = 0;
  u64 boundary_ = 0;  // private below, fresh above; a multiple of the page size
  u64 ready_ = 0;     // extend() up to here needs no call to the kernel
  u64* dirty_bits_ = nullptr;
  struct State;  // the rest: store/region_state.h
  std::unique_ptr<State> state_;
  RegionId id_;
};

class Region::Rewrite {
 public:
  Rewrite(Rewrite&&) noexcept;
  Rewrite& operator=(Rewrite&&) noexcept;
  ~Rewrite();
  u8* data() const;
  u64 size() const;
  // Writes through the file instead of the mapping: the fast way for large runs.
  void write(u64 offset, Bytes bytes);

 private:
  friend class Region;
  struct State;
  explicit Rewrite(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

class Region::View {
 public:
  View(View&&) noexcept;
  View& operator=(View&&) noexcept;
  // Marks what was stored through it.
  ~View();
  u8* data() const { return data_; }
  u64 size() const { return size_; }

 private:
  friend class Region;
  View(Store& store, std::shared_ptr<Exports> exports, u8* data, u64 size, bool writable);

  Store* store_;
  std::shared_ptr<Exports> exports_;
  u8* data_;
  u64 size_;
  bool writable_;
};

}  // namespace emd
