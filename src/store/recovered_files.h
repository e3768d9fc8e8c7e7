// RecoveredFiles: the files that a journal's commits are written to. All that it says is held against them before any
// of it is written: a journal may claim any offset, but gets no more of the disk than a page for each range.
//
// expect() for each range, make_room(), then write() for each.
#pragma once

#include <map>
#include <memory>
#include <unordered_map>

#include "platform/file.h"
#include "store/journal.h"

namespace emd {

class RecoveredFiles {
 public:
  explicit RecoveredFiles(platform::Directory& directory) : directory_(directory) {}

  // Errors, as of make_room(): DamagedError if the file is missing, or too short.
  void expect(LogFile target, u64 offset, u64 length);
  // Blocks of a region were given and synced before any frame named them; those of its checksums were only given, so
  // their file may have to be made longer: by pages of which the journal has checksums, one behind the other.
  void make_room();
  void write(LogFile target, u64 offset, Bytes bytes);
  void sync();

 private:
  struct Target {
    std::unique_ptr<platform::File> file;
    u64 size = 0;
    std::map<u64, u64> behind;  // pages of the file beyond its size: begin and end of each run
  };
  Target& target(LogFile which);

  platform::Directory& directory_;
  std::unordered_map<LogFile, Target> targets_;
};

}  // namespace emd
