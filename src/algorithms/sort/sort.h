// Sorting a list under a memory budget. Both sorts are stable and build the new order beside the old one
// (List::reorder), so that whatever throws leaves the list as it was; anonymous memory stays within what the
// caller gives, the rest is file-backed.
//
// Threads: as the store's. Both make their own Operation; the general one only at its end, so that the code it calls
// may use the store.
#pragma once

#include <cstddef>
#include <span>

#include "structures/list/list.h"

namespace emd {

// `descending` keeps the order of equal elements, as Python's reverse=True does.
enum class Order { ascending, descending };

// Sorts the list if its words can be compared without their owner: all integers, reals (no NaN) and booleans, compared
// exactly, or all inline texts, compared by code points. Returns false, having changed nothing, if they cannot.
//
// Algorithm: runs of budget_bytes / 16 words by radix sort (Knuth, The Art of Computer Programming, volume 3, 5.2.5):
// parted by the first byte in which the keys differ until the parts fit the cache, these sorted by the last byte
// first; then one merge of the runs by a tree of losers (5.4.1).
// Cost: two sequential reads of the list, and at most two writes of it. A list in order is only read.
// Errors: SystemError, DamagedError; the list is as before.
bool sort_native(Store& store, List& list, Order order, u64 budget_bytes);

// The owner of a general sort's order. Its calls may run any code, also code that uses the store, and throw.
class RunSorter {
 public:
  virtual ~RunSorter() = default;
  // Sorts the run stably. The words are those of the list and stay a permutation of what they were.
  virtual void sort_run(std::span<Word> run) = 0;
  // Merging: `head` is now the first word left of `run`; what was loaded for this run before is done with.
  virtual void load(std::size_t run, Word head) = 0;
  // Merging: whether the head of a must come before that of b; false if they are equal.
  virtual bool less(std::size_t a, std::size_t b) = 0;
};

// External merge sort: sort_run() for each `run_words` words, then one merge of all runs, if there is more than one.
// The Store object, the member and the list outlive the call, whatever the sorter does; to close the store meanwhile is
// an error as below.
// Errors: what the sorter throws; StateError if the list was changed meanwhile, ClosedError if it is gone;
// SystemError. The list is as before.
// Cost: two sequential passes; the sorter holds one run at a time, then one element for each run.
void sort_general(Store& store, List& list, u64 run_words, RunSorter& sorter);

}  // namespace emd
