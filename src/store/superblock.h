// Superblock: what must be known before anything else of a store can be read. docs/format.md
//
// Two slots, written in turn, each with its checksum: a torn write leaves the other. The newer valid
// one counts. A new generation makes all frames of older ones in the journal void.
#pragma once

#include <string>

#include "base/bytes.h"
#include "platform/file.h"
#include "store/store.h"

namespace emd {

inline constexpr u32 kFormatVersion = 2;
inline constexpr u32 kEndianMark = 0x01020304;
inline constexpr const char* kSuperblockName = "superblock";

struct SuperblockSlot {
  char magic[8];
  u32 endian_mark;
  u32 format_version;
  u32 page_size;
  u32 reserved0;
  u64 generation;
  u64 salt;      // seeds the checksums of this generation's frames
  u64 sequence;  // number of the last commit that is wholly in the region files
  u64 seed;      // for hashing keys; chosen at creation
  u8 reserved1[448];
  u64 checksum;  // XXH3-64 of the bytes before
};
static_assert(sizeof(SuperblockSlot) == 512);
static_assert(offsetof(SuperblockSlot, generation) == 24);
static_assert(offsetof(SuperblockSlot, checksum) == 504);

class Superblock {
 public:
  // Reads the newer valid slot. Errors: FormatError (not a store, newer version, other byte order),
  // DamagedError (truncated, or no valid slot).
  static Superblock read(platform::File& file);
  // Adds what is wrong; both: neither slot may be torn.
  static void verify(platform::File& file, bool both, Findings& findings);
  // A first generation with random salt and seed.
  static Superblock fresh();

  u64 generation() const { return slot_.generation; }
  u64 salt() const { return slot_.salt; }
  u64 sequence() const { return slot_.sequence; }
  u64 seed() const { return slot_.seed; }

  // Makes a new generation with a new salt durable. Errors: SystemError; then nobody can say which
  // generation counts, and the store must be reopened. DamagedError, with nothing changed, where counting on would make
  // one that nobody reads.
  void advance(platform::File& file, u64 sequence);
  // Makes the slot that was read durable: it may be in the page cache only, written by a process that was killed
  // before its sync, or after a sync that failed. Errors: SystemError.
  void write_again(platform::File& file);
  // Writes both slots of a new store.
  void write_new(platform::File& file);

 private:
  void write_slot(platform::File& file);
  SuperblockSlot slot_{};
};

}  // namespace emd
