// RecoveredFiles: first all ranges are held against the files, then they are written, then all files are synced.
#include "store/recovered_files.h"

#include <algorithm>

#include "base/errors.h"
#include "store/tables.h"

namespace emd {
namespace {

[[noreturn]] void refuse(const platform::File& file, u64 offset, u64 length, u64 size) {
  throw DamagedError(file.path() + ": the journal writes " + std::to_string(length) + " bytes at offset " +
                         std::to_string(offset) + ", but the file has " + std::to_string(size) +
                         " bytes; restore the store from a backup",
                     file.path());
}

}  // namespace

RecoveredFiles::Target& RecoveredFiles::target(LogFile which) {
  Target& target = targets_[which];
  if (target.file != nullptr) return target;
  const std::string name = file_name(which);
  if (!directory_.exists(name)) {
    throw DamagedError(directory_.path() + ": the journal names the file " + name +
                           ", which is missing; restore the store from a backup",
                       directory_.path());
  }
  target.file = directory_.open(name, platform::Directory::Open::read_write);
  target.size = target.file->size();
  return target;
}

void RecoveredFiles::expect(LogFile which, u64 offset, u64 length) {
  Target& its = target(which);
  const u64 end = offset + length;  // of a possible range: it does not wrap
  if (end <= its.size) return;
  if (!is_sums(which)) refuse(*its.file, offset, length, its.size);
  const u64 begin = page_down(offset);
  u64& known = its.behind[begin];
  known = std::max(known, page_up(end));
}

void RecoveredFiles::make_room() {
  for (auto& [which, its] : targets_) {
    if (its.behind.empty()) continue;
    u64 end = page_up(its.size);
    for (const auto& [begin, run_end] : its.behind) {
      if (begin > end) refuse(*its.file, begin, run_end - begin, end);
      end = std::max(end, run_end);
    }
    its.file->allocate(its.size, end - its.size);
    its.size = end;
  }
}

void RecoveredFiles::write(LogFile which, u64 offset, Bytes bytes) {
  targets_.at(which).file->write(offset, bytes.data(), bytes.size());
}

void RecoveredFiles::sync() {
  for (const auto& [which, its] : targets_) its.file->sync();
}

}  // namespace emd
