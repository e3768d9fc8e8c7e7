// PageSums: the checksums of a region file's committed pages, in a file of its own beside it.
//
// One 32-bit checksum a page: XXH3-64 of those bytes of the page that lie below the region's size, cut to its low
// half, seeded with the file's number and the page's, so that a page in another's place is found as well. All ones
// say that the page is dead: nobody reads it, and it may be a hole. Zero is not a checksum: nobody has made one.
//
// A commit renews the checksums of the pages it changes through the journal, so that a page and its checksum change
// together; a page is tested before it is changed, so that damage is not sealed as sound. docs/format.md
//
// Threads: as the store's.
#pragma once

#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "platform/file.h"
#include "store/region.h"

namespace emd {

class PageSums {
 public:
  static constexpr u32 kDead = ~u32{0};
  static u32 of(Bytes bytes, FileId file, u64 page);
  static constexpr u64 bytes_for(u64 region_bytes) {
    return (page_up(region_bytes) >> kPageShift) * sizeof(u32);
  }

  // `region_bytes`: the committed size. Errors: DamagedError if the file is shorter than they need.
  PageSums(std::shared_ptr<platform::File> file, u64 region_bytes);
  ~PageSums();
  PageSums(const PageSums&) = delete;
  PageSums& operator=(const PageSums&) = delete;

  // The checksum in the file. Precondition: the page was committed.
  u32 get(u64 page);
  // Gives the file blocks for a region of so many bytes. Errors: SystemError (ENOSPC); it is as before.
  void allocate(u64 region_bytes);
  void write(u64 first_page, std::span<const u32> sums);

  // Checksums that become the file's when the commit being made has become durable; later ones win.
  void stage(u64 page, u32 sum) { staged_.emplace_back(page, sum); }
  void write_staged();
  void drop_staged() { staged_.clear(); }

  bool unsynced() const { return unsynced_; }
  void sync();
  // The file, if it has to be synced; who takes it does so.
  std::shared_ptr<platform::File> take_unsynced() {
    return std::exchange(unsynced_, false) ? file_ : nullptr;
  }
  // Cuts the file to what a region of so many bytes needs.
  void trim(u64 region_bytes);

 private:
  std::shared_ptr<platform::File> file_;
  u64 allocated_;
  const u8* window_ = nullptr;  // the file, read-only
  u64 mapped_ = 0;
  bool unsynced_ = false;
  std::vector<std::pair<u64, u32>> staged_;
};

}  // namespace emd
