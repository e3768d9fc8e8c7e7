// Journal: the redo log of byte ranges that makes a commit durable with one write and one sync.
//
// The file is a run of frames from offset 0, each a multiple of 512 bytes (a sector is written whole or
// not at all). A commit is one or more frames, the last of which says so. Each frame carries the
// generation and is chained to the one before by its checksum, the first to the generation's salt:
// a frame left over from an earlier use of the file is never taken for a new one. docs/format.md
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "platform/file.h"
#include "store/region.h"

namespace emd {

inline constexpr const char* kJournalName = "journal";
inline constexpr u64 kSectorSize = 512;

struct FrameHeader {
  u32 magic;
  u32 flags;  // bit 0: the last frame of its commit
  u64 generation;
  u64 sequence;  // number of the commit
  u64 previous;  // header checksum of the frame before; of the first: the salt
  u32 payload_bytes;
  u32 reserved;
  u64 payload_checksum;  // XXH3-64 seeded with `previous`
  u64 reserved2;
  u64 header_checksum;  // XXH3-64 of the bytes before, seeded with the salt
};
static_assert(sizeof(FrameHeader) == 64);
static_assert(offsetof(FrameHeader, header_checksum) == 56);

// The file that a range belongs to: a region file, or its page checksums.
enum class LogFile : u64 {};
constexpr LogFile log_file(FileId id) { return LogFile{static_cast<u64>(id) << 1}; }
constexpr LogFile log_sums(FileId id) { return LogFile{static_cast<u64>(id) << 1 | 1}; }
constexpr bool is_sums(LogFile file) { return static_cast<u64>(file) & 1; }

class Journal {
 public:
  // The size of a new journal; also the reserve that lets deletions commit on a full disk.
  static constexpr u64 kInitialBytes = 32768;

  explicit Journal(std::unique_ptr<platform::File> file);

  // Lays an empty journal of kInitialBytes into a new file (without syncing it).
  static void create(platform::File& file);

  // Starts to write from the beginning, for a new generation that is already durable.
  void restart(u64 generation, u64 salt, u64 sequence);

  // One commit: begin, add ranges, then finish (durable when it returns) or abandon.
  void begin();
  // Errors: SystemError (ENOSPC: abandon and go on).
  void add(LogFile file, u64 offset, Bytes bytes);
  // Writes what is left. After this only sync() stands between the commit and durability.
  void finish();
  // The commit point. Errors: SystemError; whether the commit is durable is then unknown until recovery.
  void sync();
  // Errors: SystemError if a frame of it may be on the disk and cannot be made void.
  void abandon();

  u64 used_bytes() const { return position_; }
  u64 capacity_bytes() const { return capacity_; }
  u64 sequence() const { return sequence_; }
  // After a checkpoint: gives back what a large commit made it grow to, or grows it for a stream of
  // small ones. Errors: none; it is an optimization.
  void resize_when_empty(bool closing);

  // A range read from the journal.
  using Visitor = std::function<void(LogFile file, u64 offset, Bytes bytes)>;
  struct Found {
    u64 commits = 0;         // complete ones
    u64 sequence = 0;        // of the last complete one
    u64 bytes = 0;           // up to the end of the last complete one
    bool leftovers = false;  // frames of this generation that belong to no complete commit
  };
  // Finds the complete commits of this generation. Errors: DamagedError if a commit that must have been durable
  // (a later one follows) cannot be read.
  // Reads no further than commit `last`.
  Found scan(u64 generation, u64 salt, u64 sequence, u64 last = ~u64{0});
  // Of a copy: what lies behind the complete commits found goes.
  void cut(const Found& found);
  // Writes the first `bytes` again and syncs: what scan() read may be in the page cache only, and a power cut
  // after applying it would leave half a commit.
  void write_again(u64 bytes);
  // Visits the ranges of the complete commits, in order: each lies within the largest file that there can be, and is
  // not empty. Precondition: scan() found them. Errors: DamagedError, also for a range that no writer makes.
  void replay(const Found& found, const Visitor& visit);

 private:
  bool read_frame(u64 offset, u64 previous, FrameHeader& header, std::vector<u8>& payload);
  bool plausible(const FrameHeader& header) const;
  void refuse_later_commit(u64 from, u64 last_sequence);
  void write_frame(bool last);
  void ensure_capacity(u64 end);

  std::unique_ptr<platform::File> file_;
  u64 capacity_ = 0;
  bool last_in_doubt_ = false;  // the writing of the commit's last frame has failed
  u64 generation_ = 0;
  u64 salt_ = 0;
  u64 sequence_ = 0;  // of the last commit
  // Where the last finished commit ends, and where the one being written stands.
  u64 position_ = 0;
  u64 previous_ = 0;
  u64 writing_position_ = 0;
  u64 writing_previous_ = 0;
  std::vector<u8> payload_;  // header room, then ranges
};

}  // namespace emd
