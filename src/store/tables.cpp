// A table that its file does not have, or has as a hole, is found before it is read into memory.
#include "store/tables.h"

#include "base/errors.h"

namespace emd {

// Room for the free entries of half a million regions.
constexpr u64 kMostHoleBytes = u64{16} << 20;

void require_table_backed(platform::File& file, u64 size) {
  const u64 present = file.size();
  if (present < size) {
    throw DamagedError(file.path() + ": the file is truncated: expected at least " + std::to_string(size) +
                           " bytes, found " + std::to_string(present) + "; restore the store from a backup",
                       file.path());
  }
  u64 holes = 0;
  for (u64 at = 0; at < size && holes <= kMostHoleBytes;) {
    const platform::File::Extent data = file.data_in(at, size);
    holes += data.begin - at;
    at = data.end;
  }
  if (holes <= kMostHoleBytes) return;
  throw DamagedError(file.path() + ": expected a table of " + std::to_string(size) +
                         " bytes, found a hole of " + std::to_string(holes) +
                         " bytes in its file; restore the store from a backup",
                     file.path());
}

}  // namespace emd
