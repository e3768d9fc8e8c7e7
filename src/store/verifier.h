// Verifier: compares every committed page of a store with its checksum, and looks at what the files begin with.
//
// Threads: as the store's. It changes nothing. What ends it early is Findings::on_step.
#pragma once

#include <vector>

#include "store/store_state.h"

namespace emd {

class Verifier {
 public:
  Verifier(Store& store, Findings& findings) : store_(store), state_(*store.state_), findings_(findings) {}

  // Cost: reads all region files once, but for dead pages and those that have no checksums, and so no more than a
  // thousand times what is in the files of checksums, however large a hole a region is. Beside a writer a page that
  // does not agree is read again before it is believed.
  void run();

 private:
  struct Committed {
    u32 region;
    FileId file;
    u64 size;
  };
  // Pages one behind the other that do not agree.
  struct BadRun {
    u64 first, count;
    u32 expected, found;  // of the first
  };
  struct Chunk {
    u64 end = 0;  // the page behind it
    std::vector<BadRun> bad;
  };
  // A file with what the journal lays over it.
  class Source;
  struct Sources;
  std::vector<Committed> committed_regions() const;
  bool still_committed(Committed& region) const;
  void check_superblock();
  void check_region(Committed region);
  Chunk check_chunk(const Committed& region, u64 first_page, Sources& sources);
  void check_page(const Committed& region, u64 page, u32 expected, Bytes bytes, std::vector<BadRun>& bad);
  void report(const Committed& region, const BadRun& bad);

  Store& store_;
  Store::State& state_;
  Findings& findings_;
};

}  // namespace emd
