// Readahead: whether a batch of look-ups asks for its pages before it touches them.
//
// A look-up whose page is not in memory waits for the disk, alone: some 12,000 a second. A batch that asks for all of
// its pages first has them read at the device's queue depth, eight times as fast. But asking costs a system call a
// page, for nothing where the page is there. So it is done only where pages are missing:
//  - resting, the thread's major faults are counted between batches: if there were any, it begins to ask;
//  - asking, a sample of the pages is looked up first: when none was missing for some batches, it rests. Each time that
//    turns out wrong, it takes more batches to believe it (the kernel does not tell everybody what is in memory).
//
//   const bool asks = readahead.begin_batch();
//   if (asks) for (key : batch) readahead.ask(place of key, bytes);
//   for (key : batch) ... read ...
//
// Threads: as the structures'; a wrong guess costs time only.
#pragma once

#include "base/bytes.h"

namespace emd {

class Readahead {
 public:
  // Before each group of 64 or more look-ups: whether to ask() for what they will read. Cost: a system call.
  bool begin_batch();
  // Whether it asks, as the last batch has left it.
  bool asking() const { return asking_; }
  // Has the pages of [at, at + length) read, which lie in a region's window. Cost: a system call unless it is the page
  // of the last call; does not wait.
  void ask(const u8* at, u64 length);

 private:
  void learn();

  bool asking_ = false;
  u64 faults_ = kUnknown;
  const u8* last_page_ = nullptr;
  u64 asked_ = 0;            // in this batch
  u64 sampled_missing_ = 0;  // in this batch
  u64 resident_batches_ = 0;
  u64 patience_ = 1;  // batches without a missing page before it rests
  static constexpr u64 kUnknown = ~u64{0};
};

}  // namespace emd
