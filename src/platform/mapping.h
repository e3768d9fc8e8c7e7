// Ranges of addresses: reserved beforehand, filled by File::map, moved when outgrown.
//
// Threads: any; the calls are the kernel's. Errors: SystemError.
// Other systems: reserve is VirtualAlloc(MEM_RESERVE) on Windows and mmap on macOS and the BSDs;
// populate_write and move have no counterpart there: the first may do nothing, the second must map anew. macOS and the
// BSDs have mincore and madvise; Windows has OfferVirtualMemory for neither: unmap_clean may do nothing, and resident
// asks QueryWorkingSetEx.
#pragma once

#include <vector>

#include "base/bytes.h"

namespace emd::platform {

// Reserves addresses without memory or disk behind them.
u8* reserve(u64 length);
void unreserve(u8* address, u64 length);

// Lays zeros, in memory of this process alone, over a part of a reservation.
void map_zeros(u8* address, u64 length);

struct PageRun {
  u64 first;  // counted from the address asked about
  u64 count;
};
// Which pages of a private mapping are copies in this process's memory. Some that are not may be among them: where the
// system does not tell, all are. Cost: 8 bytes read a page, some 2 ms a GiB.
// Other systems: macOS tells by mincore(MINCORE_COPIED), Windows by QueryWorkingSetEx; else all of them.
std::vector<PageRun> copied_pages(const u8* address, u64 length);

// Lets private pages go: the range shows the file again.
void drop_private(u8* address, u64 length);
// Has clean pages of a file taken out of this process's page tables; they stay in the page cache. Precondition: none of
// them is a private copy, which would be lost. A hint: does not fail.
void unmap_clean(u8* address, u64 length);
// Whether the pages of a mapping are in memory: the low bit of a byte each. Where that cannot be known (a file that
// this process may not write, of another user), they are said to be. False, with nothing told, if the call failed.
bool resident(const u8* address, u64 length, u8* pages);
// Faults pages in for writing, many at a time (3 GB/s, against 0.4 one by one). Does nothing where the kernel cannot.
void populate_write(u8* address, u64 length);
// Says how the range is going to be read.
enum class Pattern { normal, random, sequential };
void advise(const u8* address, u64 length, Pattern pattern);
// Asks for the pages of a file mapping to be read soon, without waiting. A hint: errors are none.
void will_need(const u8* address, u64 length);
// Moves a mapping with its private pages to another reserved place.
void move(u8* from, u8* to, u64 length);

// Bytes of memory this process may use: the machine's, or its cgroup's limit if that is less.
u64 memory_limit();
// Page faults of this thread that had to wait for a disk, so far. Other systems: those of the process.
u64 major_faults();
// Seconds on a steady clock that is cheap to read (some 5 ns) and a few milliseconds coarse.
double coarse_seconds();

}  // namespace emd::platform
