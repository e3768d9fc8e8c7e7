// Heap: blocks of bytes in a region, for values that do not fit where they are referred to.
//
// Size classes with persistent free lists (segregated fit); a freed block is reused by its class. The region
// begins with a header page that holds the list heads; an empty region is a valid empty heap, and
// gets its header at the first allocation.
//
// Threads: as the store's.
#pragma once

#include "base/bytes.h"
#include "store/region.h"
#include "store/store.h"

namespace emd {

// A block: its offset in the region divided by 8. Zero is no block. Fits 45 bits.
enum class HeapRef : u64 {};

class Heap {
 public:
  explicit Heap(Region& region) : region_(region) {}

  // A block holding these bytes. Errors: SystemError; the heap is as before.
  HeapRef allocate(Bytes bytes);
  // The bytes of a block. Errors: DamagedError if `ref` names none. Invalidated by any allocation.
  Bytes read(HeapRef ref) const;
  // Replaces the bytes in place if they fit the block; else returns false and changes nothing.
  bool replace(HeapRef ref, Bytes bytes);
  // Makes the next allocate() of at most `bytes` unable to fail.
  void reserve(u64 bytes);
  void free(HeapRef ref);
  // Empties the heap. Errors: SystemError; the heap is as before.
  void clear();

  u64 live_bytes() const;
  u64 free_bytes() const;
  void check(Findings& findings) const;

 private:
  Region& region_;
};

}  // namespace emd
