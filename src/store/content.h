// Content: one file of a region with its window and base, and what has changed in it. Region has one
// at a time; a rewrite gives it another, and the old one is kept until commit for the sake of rollback.
//
// Used by Region, its Rewrite and the Committer only.
#pragma once

#include <memory>
#include <vector>

#include "base/bytes.h"
#include "platform/file.h"
#include "store/budget.h"
#include "store/page_set.h"
#include "store/page_sums.h"
#include "store/region.h"

namespace emd {

struct Exports;

struct Content {
  enum class Origin {
    existing,  // a file with committed bytes
    created,   // a new file: everything in it is fresh
  };
  // Maps the file; private pages are counted in `budget`, which outlives it. `size` is the committed size. A writer's
  // file is cut to its committed pages: what lies behind them was never committed. Errors: DamagedError if the file is
  // shorter, SystemError.
  Content(StoreBudget& budget, std::unique_ptr<platform::File> file, std::unique_ptr<PageSums> sums,
          FileId id, u64 size, Origin origin);
  enum class Reading {
    live,      // the file as it is and will be: shared and read-only
    overlaid,  // a private copy of the committed bytes, which the opener may change
  };
  // A reader's. It has no checksums. Errors: as above.
  Content(StoreBudget& budget, std::unique_ptr<platform::File> file, FileId id, u64 size, Reading reading);
  // Of a temporary store that has no files yet: bytes in memory, at first none. It has neither file nor checksums, all
  // of it is fresh, and it takes as much memory as it has bytes, and a little. See memory_store.h.
  Content(StoreBudget& budget, FileId id);
  ~Content();
  Content(const Content&) = delete;
  Content& operator=(const Content&) = delete;

  bool in_memory() const { return file == nullptr; }
  // Of this process's anonymous memory.
  u64 private_bytes() const { return in_memory() ? reserved : copied.count() << kPageShift; }
  // Of one in memory: gives it room for `end` bytes; what is behind `size` is zero. Errors: bad_alloc.
  void grow_in_memory(u64 end);
  // Gives the file real blocks up to at least `end` (and some more, if there is room), and the addresses.
  void allocate(u64 end, u64 generous_end);
  // Moves to a larger reservation. Pointers into the window change. Precondition: there are no views.
  void relocate(u64 larger);
  // Makes [boundary, end) private; `end` is a multiple of the page size, at most `allocated`.
  void make_private(u64 end);
  // A live reader's: the writer has committed more bytes, which the reservation holds. Errors: DamagedError.
  void grow_to(u64 size);
  // The committed state, mapped when first asked for.
  const u8* base();
  // Forgets everything since the last commit: private pages go, fresh bytes become zero, the size is the old one.
  void roll_back();
  // Lets go of private pages that equal the file; none under a view to store through.
  void drop_clean_pages();
  void add_dirty_page(u64 page);
  // Whether pages of [offset, offset + length) are in memory, a byte each; returns how many bytes it has set.
  u64 resident(u64 offset, u64 length, u8* pages) const;
  // Bytes of the file that are in the page cache, as far as the window shows them: where it has a private copy, that is
  // not one. Cost: two system calls for each 4 MiB that is not a hole, and a byte for each page.
  u64 resident_bytes() const;
  // Takes pages of the file, not private copies, out of the page tables and of the page cache; fresh and changed ones
  // are written first, by and by. Nothing under a view to store through. Does not fail.
  void let_go(u64 offset, u64 length) noexcept;
  void forget_copied(u64 first, u64 count);
  // Bytes of a page that count, at this size.
  static Bytes used(const u8* bytes, u64 page, u64 size) {
    const u64 begin = page << kPageShift;
    return {bytes, size - begin < kPageSize ? size - begin : kPageSize};
  }

  // Views. While there are some to store through, stores come without writable(), at any time, from any thread: a
  // commit first finds the pages that have changed, then works on a copy of them.
  std::shared_ptr<Exports> add_view(u64 end, bool writable);
  // If it cannot look for what was stored, the content stays stored_through(), and the next commit looks.
  void end_view(bool writable) noexcept;
  // Views of another content, which a rollback has undone, show this one from now on, at their addresses. Precondition:
  // this one has no views, and is rolled back. Errors: SystemError, ViewError, bad_alloc; its file may be longer then,
  // and nothing else has changed.
  void take_views(Content& undone);
  unsigned view_count() const;
  bool stored_through() const;
  // Marks what was stored through views. Cost: a look at the page map, and a comparison a copied page.
  void find_stores();
  // Keeps a copy of the dirty pages, until thaw(). Errors: bad_alloc.
  void freeze();
  void thaw();
  // A page as it is committed: of the copy, or of the window.
  const u8* image(u64 page) const;
  bool changed() const { return dirty.count() != 0 || size != committed; }

  StoreBudget& budget;                   // counts `copied`
  std::shared_ptr<platform::File> file;  // shared with a sync in the background
  std::unique_ptr<PageSums> sums;
  FileId id;
  Origin origin;

  u8* window = nullptr;
  u64 reserved = 0;
  u64 size = 0;
  u64 committed = 0;         // size at the last commit
  u64 boundary = 0;          // private below, fresh above
  u64 fresh_begin = 0;       // boundary at the last commit: bytes from here on are in the file already
  u64 allocated = 0;         // size of the file, with real blocks
  u64 sync_asked = 0;        // fresh bytes below this are being synced in the background, or are synced
  u64 punched = 0;           // bytes below `size` without blocks, about
  bool overlaid = false;     // a reader's private copy, of which `copied` knows nothing
  u64 let_go_end = ~u64{0};  // appended pages below this have been let go; none yet
  u64 populated = 0;         // fresh pages below this are faulted in
  PageSet dirty;             // private pages changed since the last commit
  PageSet copied;            // private pages that are anonymous memory
  std::vector<u64> private_pieces;   // where each private mapping begins: mremap moves one at a time
  std::shared_ptr<Exports> exports;  // null if there never was a view

 private:
  struct Frozen {
    u64 page;  // the first of a run
    u64 offset;
  };
  void charge(u64 pages);
  void discharge(u64 pages);
  void leave_window_to_views() noexcept;
  u64 require_file_holds(u64 bytes) const;
  void reserve_window();
  // The file, over addresses that are reserved: private up to the boundary, shared behind it.
  void map_window(u8* at, u64 length);

  std::vector<Frozen> frozen_runs_;
  std::vector<u8> frozen_;
  u8* base_ = nullptr;
  u64 base_reserved_ = 0;
};

}  // namespace emd
