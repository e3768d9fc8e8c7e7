// Superblock: its two slots, which of them counts, and what is said of one that does not.
#include "store/superblock.h"

#include <algorithm>
#include <optional>

#include "base/errors.h"
#include "base/hash.h"
#include "platform/random.h"

namespace emd {
namespace {

constexpr char kMagic[8] = {'E', 'M', 'D', 'S', 'T', 'O', 'R', 'E'};
constexpr u64 kSlotStride = kPageSize;  // a torn write of one never reaches the other
// No writer counts generations or commits up to here; a slot that says so was made up, and counting on from it would
// wrap to zero.
constexpr u64 kCountLimit = u64{1} << 63;

u64 checksum_of(const SuperblockSlot& slot) {
  return hash64({reinterpret_cast<const u8*>(&slot), offsetof(SuperblockSlot, checksum)}, 0);
}

bool has_magic(const SuperblockSlot& slot) { return std::equal(kMagic, kMagic + 8, slot.magic); }

// What both slots together tell when neither is valid.
[[noreturn]] void refuse(const SuperblockSlot (&slots)[2], const std::string& path) {
  for (const SuperblockSlot& slot : slots) {
    if (!has_magic(slot)) continue;
    if (slot.endian_mark == __builtin_bswap32(kEndianMark)) {
      throw FormatError(path +
                        ": written on a big-endian machine; this one is little-endian. Copy the contents "
                        "there, e.g. as JSON, and load them here");
    }
    if (slot.format_version < kFormatVersion) {
      throw FormatError(
          path + ": format version " + std::to_string(slot.format_version) +
          " is of a development version of pyrsistence, which this one does not read; write the "
          "store anew from its source");
    }
    if (slot.format_version > kFormatVersion) {
      throw FormatError(path + ": format version " + std::to_string(slot.format_version) +
                        " is newer than version " + std::to_string(kFormatVersion) +
                        ", which this pyrsistence reads; install a newer pyrsistence");
    }
  }
  if (!has_magic(slots[0]) && !has_magic(slots[1])) {
    throw FormatError(path +
                      ": not a pyrsistence superblock (expected the magic EMDSTORE); is this the right "
                      "directory?");
  }
  throw DamagedError(
      path + ": no slot of the superblock has a valid checksum; restore the store from a backup", path);
}

bool valid(const SuperblockSlot& slot) {
  return has_magic(slot) && slot.endian_mark == kEndianMark && slot.format_version == kFormatVersion &&
         slot.page_size == kPageSize && slot.generation != 0 && slot.generation < kCountLimit &&
         slot.sequence < kCountLimit && slot.checksum == checksum_of(slot);
}

}  // namespace

namespace {

void read_slots(platform::File& file, SuperblockSlot (&slots)[2]) {
  for (u64 i = 0; i < 2; ++i) {
    const u64 n = file.read(i * kSlotStride, &slots[i], sizeof slots[i]);
    if (n < sizeof slots[i]) {
      throw DamagedError(file.path() + ": the superblock is truncated: expected " +
                             std::to_string(kSlotStride + sizeof slots[i]) + " bytes, found " +
                             std::to_string(i * kSlotStride + n) + "; restore the store from a backup",
                         file.path());
    }
  }
}

}  // namespace

Superblock Superblock::read(platform::File& file) {
  SuperblockSlot slots[2];
  read_slots(file, slots);
  const SuperblockSlot* best = nullptr;
  for (const SuperblockSlot& slot : slots) {
    if (valid(slot) && (best == nullptr || slot.generation > best->generation)) best = &slot;
  }
  if (best == nullptr) refuse(slots, file.path());
  Superblock result;
  result.slot_ = *best;
  return result;
}

void Superblock::verify(platform::File& file, bool both, Findings& findings) {
  try {
    read(file);
    SuperblockSlot slots[2];
    read_slots(file, slots);
    for (u64 i = 0; both && i < 2; ++i) {
      if (valid(slots[i])) continue;
      findings.push_back({std::string(kSuperblockName) + " at " + std::to_string(i * kSlotStride),
                          "expected a slot with a valid checksum, found none; the other one counts"});
    }
  } catch (const Error& error) {
    findings.push_back({kSuperblockName, error.what()});
  }
}

Superblock Superblock::fresh() {
  Superblock result;
  SuperblockSlot& slot = result.slot_;
  std::copy(kMagic, kMagic + 8, slot.magic);
  slot.endian_mark = kEndianMark;
  slot.format_version = kFormatVersion;
  slot.page_size = kPageSize;
  slot.generation = 1;
  slot.salt = platform::random_bits();
  slot.seed = platform::random_bits();
  return result;
}

void Superblock::advance(platform::File& file, u64 sequence) {
  if (slot_.generation >= kCountLimit - 1 || sequence >= kCountLimit) {
    throw DamagedError(file.path() + ": expected counts that a writer can go on from, found generation " +
                           std::to_string(slot_.generation) + " and commit " + std::to_string(sequence) +
                           "; restore the store from a backup",
                       file.path());
  }
  ++slot_.generation;
  slot_.salt = platform::random_bits();
  slot_.sequence = sequence;
  write_slot(file);
  file.sync();
}

void Superblock::write_again(platform::File& file) {
  write_slot(file);
  file.sync();
}

void Superblock::write_new(platform::File& file) {
  file.allocate(0, 2 * kSlotStride);
  write_slot(file);
  ++slot_.generation;
  write_slot(file);
  file.sync();
}

void Superblock::write_slot(platform::File& file) {
  slot_.checksum = checksum_of(slot_);
  file.write(slot_.generation % 2 * kSlotStride, &slot_, sizeof slot_);
}

}  // namespace emd
