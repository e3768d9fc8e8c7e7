// Heap: blocks of bytes in a region, for values that do not fit where they are referred to.
//
// Size classes with persistent free lists (segregated fit, no coalescing): a freed block is reused by its
// class. Classes: 16, 24, then four a power of two (32, 40, 48, 56, 64, 80, ...) up to 2^47, so that a block
// wastes at most a fifth. The region begins with a header page that holds the list heads; an empty region
// is a valid empty heap, and gets its header at the first allocation.
//
//   | header page | block | block | ...      block: u64 tag(8) class(8) length(48) | bytes, or next free
//
// Threads: as the store's.
#pragma once

#include <vector>

#include "base/bytes.h"
#include "store/region.h"
#include "store/store.h"

namespace emd {

// A block: its offset in the region divided by 8. Zero is no block. Fits 45 bits.
enum class HeapRef : u64 {};

class Heap {
 public:
  explicit Heap(Region& region) : region_(region) {}

  // A block holding these bytes. Errors: SystemError, DamagedError; the heap is as before.
  // Precondition: `bytes` do not lie in this heap's region.
  HeapRef allocate(Bytes bytes);
  // A block of at least so many bytes, whose length is all that it has room for: for contents that grow in place. What
  // they are is not specified. Errors: as allocate().
  HeapRef allocate_room(u64 bytes);
  // Bytes of a block that are about to change: [offset, offset + length) of those that read() gives.
  // Errors: DamagedError if `ref` names no block, or one that is shorter; nothing has changed.
  u8* change(HeapRef ref, u64 offset, u64 length);
  // The bytes of a block. Errors: DamagedError if `ref` names none. Invalidated by any allocation.
  Bytes read(HeapRef ref) const;
  // The first bytes that read() will look at, to be fetched. Reads nothing: `ref` may be any, and none give no bytes.
  Bytes head(HeapRef ref) const;
  // Replaces the bytes in place if they fit the block; else returns false and changes nothing.
  // Errors: DamagedError if `ref` names no block; nothing has changed.
  bool replace(HeapRef ref, Bytes bytes);
  // Makes the next allocate() of at most `bytes` unable to fail for want of space. Errors: SystemError.
  void reserve(u64 bytes);
  // Errors: DamagedError if `ref` names no block; nothing has changed.
  void free(HeapRef ref);
  // Empties the heap. Errors: SystemError; the heap is as before.
  void clear();

  // Bytes of blocks in use and of free blocks, headers included.
  u64 live_bytes() const;
  u64 free_bytes() const;
  // Blocks tile the region, free lists hold just the free blocks, counters agree. Appends the live
  // blocks to `live`, in order of their offsets, if it is given. Cost: O(blocks).
  void check(Findings& findings, std::vector<HeapRef>* live = nullptr) const;

 private:
  struct Header;
  struct Block {
    u64 offset, size, length;
    unsigned size_class;
    bool live;
  };
  const Header& header() const;
  Header& change_header();
  void create_header();
  Block block_at(u64 offset) const;
  Block live_block(HeapRef ref) const;
  u64 pop_free(unsigned size_class);
  u64 take(unsigned size_class);
  void check_free_lists(u64 free_blocks, Findings& findings) const;
  [[noreturn]] void damaged(u64 offset, const std::string& expected, u64 found) const;

  Region& region_;
};

}  // namespace emd
