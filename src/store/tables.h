// The two tables that say what a store holds: regions (region 0) and members (region 1). Both are
// regions themselves, so they commit, roll back and recover with what they describe. docs/format.md
#pragma once

#include <array>
#include <string>

#include "base/bytes.h"
#include "platform/file.h"
#include "store/journal.h"
#include "store/region.h"

namespace emd {

inline constexpr RegionId kRegionTable{0};
inline constexpr RegionId kMemberTable{1};
inline constexpr FileId kRegionTableFile{1};
inline constexpr FileId kMemberTableFile{2};
inline constexpr u64 kTableMagic = 0x454c424154444d45;  // "EMDTABLE"

struct RegionTableHeader {
  u64 magic;
  u64 next_file;  // file numbers are never used twice, so that an old frame cannot reach a new file
  u64 reserved[6];
};
static_assert(sizeof(RegionTableHeader) == 64);

struct RegionEntry {
  u64 file;
  u64 size;   // committed bytes
  u32 state;  // 0: free, 1: in use
  u32 reserved0;
  u64 reserved1;
};
static_assert(sizeof(RegionEntry) == 32);

constexpr u64 region_entry_offset(RegionId id) {
  return sizeof(RegionTableHeader) + static_cast<u64>(id) * sizeof(RegionEntry);
}

// That of a store without members: it names the two tables.
using FirstTable = std::array<u8, sizeof(RegionTableHeader) + 2 * sizeof(RegionEntry)>;
inline FirstTable first_region_table() {
  FirstTable table{};
  RegionTableHeader header{};
  header.magic = kTableMagic;
  header.next_file = static_cast<u64>(kMemberTableFile) + 1;
  store(table.data(), header);
  store(table.data() + region_entry_offset(kRegionTable),
        RegionEntry{static_cast<u64>(kRegionTableFile), table.size(), 1, 0, 0});
  store(table.data() + region_entry_offset(kMemberTable),
        RegionEntry{static_cast<u64>(kMemberTableFile), 0, 1, 0, 0});
  return table;
}

inline constexpr u64 kMaxMemberName = 200;

struct MemberEntry {
  u32 state;  // 0: free, 1: in use
  u32 kind;
  u32 region_count;
  u32 name_bytes;
  u32 regions[4];
  u8 reserved[24];
  char name[kMaxMemberName];  // UTF-8
};
static_assert(sizeof(MemberEntry) == 256);

// A table of `size` bytes is in its file, and not in a hole: it is held in memory. (A copying program may have made
// holes of its zeros: those that a page of dropped members leaves.) Errors: DamagedError.
void require_table_backed(platform::File& file, u64 size);

inline std::string region_file_name(FileId id) { return "region-" + std::to_string(static_cast<u64>(id)); }
inline std::string sums_file_name(FileId id) { return "sums-" + std::to_string(static_cast<u64>(id)); }

inline std::string file_name(LogFile file) {
  const FileId id{static_cast<u64>(file) >> 1};
  return is_sums(file) ? sums_file_name(id) : region_file_name(id);
}

}  // namespace emd
