// Verifier: compares every committed page of a store with its checksum, and looks at what the files begin with.
//
// Threads: as the store's. It changes nothing.
#pragma once

#include <vector>

#include "store/store_state.h"

namespace emd {

class Verifier {
 public:
  Verifier(Store& store, Findings& findings) : store_(store), state_(*store.state_), findings_(findings) {}

  // Cost: reads all region files once. Beside a writer a page that does not agree is read again before it is believed.
  void run();

 private:
  struct Committed {
    u32 region;
    FileId file;
    u64 size;
  };
  struct BadPage {
    u64 page;
    u32 expected, found;
  };
  std::vector<Committed> committed_regions() const;
  bool still_committed(Committed& region) const;
  void check_superblock();
  void check_region(Committed region);
  std::vector<BadPage> check_chunk(const Committed& region, u64 first_page);
  void read(LogFile file, u64 offset, std::vector<u8>& to) const;
  void report(const Committed& region, const std::vector<BadPage>& bad);

  Store& store_;
  Store::State& state_;
  Findings& findings_;
};

}  // namespace emd
