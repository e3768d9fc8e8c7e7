// The sound image, and each damage that an input can do to it.
#include "store_image.h"

#include <filesystem>
#include <fstream>
#include <optional>

#include "base/hash.h"
#include "frames.h"
#include "patches.h"
#include "store/page_sums.h"
#include "store/superblock.h"
#include "store/tables.h"

namespace emd::fuzz {
namespace {

namespace fs = std::filesystem;

// A file of a store grows to this at most, so that a run stays short.
constexpr u64 kMaxFileBytes = u64{1} << 20;

std::vector<u8> read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

Files::iterator pick(Input& input, Files& files) {
  return std::next(files.begin(), static_cast<i64>(input.byte() % files.size()));
}

SuperblockSlot slot_at(const std::vector<u8>& superblock, u64 at) {
  SuperblockSlot slot{};
  if (superblock.size() >= at + sizeof slot) slot = load<SuperblockSlot>(superblock.data() + at);
  return slot;
}

// Sets a word of a slot of the superblock, and its checksum.
void forge_superblock(Input& input, std::vector<u8>& superblock) {
  const u8 where = input.byte();
  const u64 at = (where & 1) * kPageSize;
  if (superblock.size() < at + sizeof(SuperblockSlot)) return;
  SuperblockSlot slot = slot_at(superblock, at);
  u8* const bytes = reinterpret_cast<u8*>(&slot);
  const u64 field = (where >> 1) % 8 * 8;
  store(bytes + field, where & 0x80 ? load<u64>(bytes + field) + input.byte() : input.magnitude());
  slot.checksum = hash64({bytes, offsetof(SuperblockSlot, checksum)}, 0);
  store(superblock.data() + at, slot);
}

// Where the frames of the present generation end, and a writer that goes on there.
FrameWriter frames_of(const Files& files, std::vector<u8>& journal) {
  const std::vector<u8>& superblock = files.at(kSuperblockName);
  const SuperblockSlot a = slot_at(superblock, 0), b = slot_at(superblock, kPageSize);
  const SuperblockSlot& slot = a.generation > b.generation ? a : b;
  FrameWriter writer(journal, 0, slot.generation, slot.salt, slot.sequence);
  for (u64 at = 0; at + sizeof(FrameHeader) <= journal.size();) {
    const FrameHeader header = load<FrameHeader>(journal.data() + at);
    if (header.magic != kFrameMagic || header.generation != slot.generation ||
        header.header_checksum != header_checksum(header, slot.salt)) {
      break;
    }
    at += round_up(sizeof header + u64{header.payload_bytes}, kSectorSize);
    writer.follow(header, at);
  }
  return writer;
}

// A commit behind those of the journal, of ranges that the input chooses.
void forge_commit(Input& input, Files& files) {
  std::vector<u8>& journal = files.at(kJournalName);
  FrameWriter writer = frames_of(files, journal);
  if (writer.at() > kMaxFileBytes) return;
  std::vector<u8> payload;
  const u8 how = input.byte();
  for (unsigned ranges = how % 4; ranges != 0; --ranges) {
    u8 head[3 * kVarintMax];
    u8* end = put_varint(head, how & 0x10 ? input.magnitude() : input.byte() % 64);
    end = put_varint(end, how & 0x20 ? input.magnitude() : input.number<u16>());
    const Bytes bytes = input.bytes(input.byte() % 40);
    end = put_varint(end, bytes.size());
    payload.insert(payload.end(), head, end);
    payload.insert(payload.end(), bytes.begin(), bytes.end());
  }
  FrameHeader header = writer.next(payload, !(how & 0x40));
  if (how & 0x80) store(reinterpret_cast<u8*>(&header) + input.byte() % 7 * 8, input.magnitude());
  writer.write(header, payload);
}

RegionEntry entry_of(const std::vector<u8>& table, u64 i) {
  const u64 at = region_entry_offset(RegionId{static_cast<u32>(i)});
  return at + sizeof(RegionEntry) <= table.size() ? load<RegionEntry>(table.data() + at) : RegionEntry{};
}

// Makes the page checksums of a region right, as far as both its files go; dead pages stay so.
void seal(Files& files, const RegionEntry& entry) {
  const FileId id{entry.file};
  const auto data = files.find(region_file_name(id)), sums = files.find(sums_file_name(id));
  if (data == files.end() || sums == files.end()) return;
  const u64 size = std::min<u64>(entry.size, data->second.size());
  for (u64 page = 0; page << kPageShift < size; ++page) {
    const u64 at = page * sizeof(u32), begin = page << kPageShift;
    if (at + sizeof(u32) > sums->second.size()) return;
    if (load<u32>(sums->second.data() + at) == PageSums::kDead) continue;
    const Bytes bytes = Bytes(data->second).subspan(begin, std::min(kPageSize, size - begin));
    store(sums->second.data() + at, PageSums::of(bytes, id, page));
  }
}

// A change of a table or of another region that no checksum tells: a word is another, or one row is where another was.
void forge_region(Input& input, Files& files) {
  const std::string table = region_file_name(kRegionTableFile);
  if (!files.contains(table)) return;
  const u8 how = input.byte();
  const u64 entries = files[table].size() / sizeof(RegionEntry);
  const u64 region = how & 1 ? input.byte() % 2 : input.below(std::max<u64>(entries, 1));
  const RegionEntry entry = entry_of(files[table], region);
  const auto found = files.find(region_file_name(FileId{entry.file}));
  if (found == files.end() || found->second.empty()) return;
  std::vector<u8>& bytes = found->second;
  if (how & 2) {
    const u64 row = u64{8} << input.byte() % 6;  // as long as an entry of a table, a bucket, a slot
    const u64 rows = std::max<u64>(bytes.size() / row, 1);
    const u64 from = input.below(rows) * row, to = input.below(rows) * row;
    if (std::max(from, to) + row <= bytes.size()) std::memmove(bytes.data() + to, bytes.data() + from, row);
  } else if (how & 4) {
    patch_header(input, bytes, 64);
  } else {
    apply_patch(input, bytes);
  }
  seal(files, entry_of(files[table], region));
  if (region != 0) seal(files, entry_of(files[table], 0));
}

void damage_names(Input& input, Files& files) {
  const auto file = pick(input, files);
  const std::vector<u8> bytes = file->second;
  switch (input.byte() % 4) {
    case 0:
      files.erase(file);
      break;
    case 1:  // the content of another
      pick(input, files)->second = bytes;
      break;
    case 2:  // one more of its kind
      files[file->first.substr(0, file->first.find('-')) + "-" + std::to_string(input.byte() % 32)] = bytes;
      break;
    default:
      files[input.text(input.byte() % 4 + 1) + "x"] = bytes;
  }
}

}  // namespace

Files read_directory(const std::string& path) {
  Files files;
  for (const fs::directory_entry& entry : fs::directory_iterator(path))
    files[entry.path().filename().string()] = read_file(entry.path());
  return files;
}

void write_directory(const std::string& path, const Files& files) {
  fs::create_directories(path);
  for (const fs::directory_entry& entry : fs::directory_iterator(path)) fs::remove_all(entry.path());
  for (const auto& [name, bytes] : files) {
    std::ofstream out(fs::path(path) / name, std::ios::binary);
    out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
}

Damage damage(Input& input, Files& files) {
  Damage damage = Damage::none;
  for (unsigned count = input.byte() % 10; count != 0; --count) {
    if (files.empty()) return damage;
    damage = std::max(damage, Damage::bytes);
    const u8 kind = input.byte() % 10;
    const bool parts = files.contains(kSuperblockName) && files.contains(kJournalName);
    if (kind < 3) {
      apply_patch(input, pick(input, files)->second);
    } else if (kind == 3) {
      patch_header(input, pick(input, files)->second, 64);
    } else if (kind == 4) {
      resize(input, pick(input, files)->second, input.byte() % 2 ? kPageSize : 1);
    } else if (kind == 5) {
      damage_names(input, files);
    } else if (parts) {
      damage = Damage::forged;
      if (kind == 6) {
        forge_superblock(input, files[kSuperblockName]);
      } else if (kind == 7) {
        forge_commit(input, files);
      } else {
        forge_region(input, files);
      }
    }
  }
  // Names have no slashes, and patches do not make files larger than this.
  for (auto& [name, bytes] : files) {
    if (bytes.size() > kMaxFileBytes) bytes.resize(kMaxFileBytes);
  }
  files.erase("");
  return damage;
}

}  // namespace emd::fuzz
