// Superblock::read over any bytes: the newer valid slot, or an error. Then the slot is used as a writer would.
#include <optional>

#include "base/hash.h"
#include "deterministic_random.h"
#include "memory_file.h"
#include "oracle.h"
#include "patches.h"
#include "store/superblock.h"

namespace emd::fuzz {
namespace {

constexpr u64 kSlotStride = kPageSize;
constexpr u64 kCountLimit = u64{1} << 63;
constexpr u64 kFileBytes = kSlotStride + sizeof(SuperblockSlot);

std::vector<u8> sound_image() {
  restart_random();
  std::vector<u8> image;
  MemoryFile file(image);
  Superblock::fresh().write_new(file);
  return image;
}

u64 checksum_of(const SuperblockSlot& slot) {
  return hash64({reinterpret_cast<const u8*>(&slot), offsetof(SuperblockSlot, checksum)}, 0);
}

SuperblockSlot slot_of(const std::vector<u8>& image, unsigned i) {
  return load<SuperblockSlot>(image.data() + i * kSlotStride);
}

// The input's bytes, raw, or a sound superblock with patches, each slot with its checksum put right if so chosen.
std::vector<u8> make_image(Input& input) {
  static const std::vector<u8> sound = sound_image();
  const u8 mode = input.byte();
  std::vector<u8> image = sound;
  image.resize(kFileBytes);
  if (mode & 1) {
    const Bytes first = input.bytes(input.number<u16>() % (sizeof(SuperblockSlot) + 1));
    std::copy(first.begin(), first.end(), image.begin());
    const Bytes second = input.bytes(sizeof(SuperblockSlot));
    std::copy(second.begin(), second.end(), image.begin() + kSlotStride);
  } else {
    apply_patches(input, image);
    for (unsigned count = input.byte() % 4; count != 0; --count) {
      // The fields lie in the first 64 bytes of a slot: aimed at, as a file of 4608 bytes is mostly nothing.
      const u64 field = (mode & 8 ? kSlotStride : 0) + input.byte() % 8 * 8;
      store(image.data() + field, input.magnitude());
    }
  }
  for (unsigned i = 0; i < 2; ++i) {
    if (!(mode >> (1 + i) & 1)) continue;
    SuperblockSlot slot = slot_of(image, i);
    slot.checksum = checksum_of(slot);
    store(image.data() + i * kSlotStride, slot);
  }
  if (mode & 0x80) image.resize(input.number<u16>() % (kFileBytes + 1));
  return image;
}

// What Superblock::read must find, computed from the document of the format.
std::optional<SuperblockSlot> expected(const std::vector<u8>& image) {
  std::optional<SuperblockSlot> best;
  if (image.size() < kFileBytes) return best;
  for (unsigned i = 0; i < 2; ++i) {
    const SuperblockSlot slot = slot_of(image, i);
    const bool valid = std::memcmp(slot.magic, "EMDSTORE", 8) == 0 && slot.endian_mark == kEndianMark &&
                       slot.format_version == kFormatVersion && slot.page_size == kPageSize &&
                       slot.generation != 0 && slot.generation < kCountLimit && slot.sequence < kCountLimit &&
                       slot.checksum == checksum_of(slot);
    if (valid && (!best || slot.generation > best->generation)) best = slot;
  }
  return best;
}

void run(Input input) {
  std::vector<u8> image = make_image(input);
  const std::optional<SuperblockSlot> wanted = expected(image);
  MemoryFile file(image);
  Superblock superblock;
  const bool found = answers(wanted.has_value(), [&] { superblock = Superblock::read(file); });
  require(found == wanted.has_value(), "a superblock is read if and only if a slot is valid");
  if (!found) return;
  require(superblock.generation() == wanted->generation && superblock.salt() == wanted->salt &&
              superblock.sequence() == wanted->sequence && superblock.seed() == wanted->seed,
          "the newer valid slot counts");
  superblock.write_again(file);
  require(Superblock::read(file).salt() == wanted->salt, "writing again changes nothing");
  const bool goes_on = wanted->generation + 1 < kCountLimit && wanted->sequence + 1 < kCountLimit;
  const bool advanced = answers(goes_on, [&] { superblock.advance(file, wanted->sequence + 1); });
  require(advanced == goes_on, "a writer goes on where the next generation can be read");
  if (!advanced) return;
  const Superblock next = Superblock::read(file);
  require(next.generation() == superblock.generation() && next.sequence() == wanted->sequence + 1,
          "a new generation is what is read next");
}

}  // namespace
}  // namespace emd::fuzz

extern "C" int LLVMFuzzerTestOneInput(const emd::u8* data, std::size_t size) {
  emd::fuzz::run(emd::fuzz::Input(data, size));
  return 0;
}
