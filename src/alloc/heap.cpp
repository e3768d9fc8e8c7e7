// Heap: its size classes, taking and freeing of blocks, and check(). A call that allocates does all that may fail
// before it changes a byte.
#include "alloc/heap.h"

#include <bit>
#include <cerrno>
#include <cstring>

namespace emd {

namespace {

constexpr u64 kMagic = 0x3150414548444d45;  // "EMDHEAP1"
constexpr u8 kLiveTag = 0xA5;
constexpr u8 kFreeTag = 0x5F;
constexpr unsigned kLengthBits = 48;
constexpr u64 kLengthMask = (u64{1} << kLengthBits) - 1;
constexpr u64 kBlockHeader = 8;
constexpr u64 kMaxBlock = u64{1} << 47;
// References count words of 8 bytes.
constexpr u64 kRefShift = 3;

// Classes 0 and 1 are 16 and 24 bytes; then (4 + q) << e, q = 0..3, e = 3, 4, ...: 32, 40, 48, 56, 64, 80, ...
constexpr u64 class_size(unsigned size_class) {
  return size_class < 2 ? 16 + 8 * u64{size_class}
                        : u64{4 + (size_class - 2) % 4} << (3 + (size_class - 2) / 4);
}

// The smallest class of at least `bytes`.
constexpr unsigned class_of(u64 bytes) {
  if (bytes <= 24) return bytes <= 16 ? 0 : 1;
  if (bytes <= 32) return 2;
  const unsigned e = static_cast<unsigned>(std::bit_width(bytes - 1)) - 3;
  const u64 quarters = (bytes + (u64{1} << e) - 1) >> e;  // 5 to 8: 8 is the next power's first
  return 2 + (e - 3) * 4 + static_cast<unsigned>(quarters - 4);
}

constexpr unsigned kClasses = class_of(kMaxBlock) + 1;
static_assert(class_size(class_of(33)) == 40 && class_size(class_of(57)) == 64 &&
              class_size(class_of(64)) == 64);
static_assert(class_size(class_of(65)) == 80 && class_size(kClasses - 1) == kMaxBlock);

constexpr u64 tag_word(u8 tag, unsigned size_class, u64 length) {
  return u64{tag} << 56 | u64{size_class} << kLengthBits | length;
}

}  // namespace

struct Heap::Header {
  u64 magic;
  u64 live_bytes;
  u64 free_bytes;
  u64 free_blocks;
  u64 free_heads[kClasses];  // offsets; zero: none
};

void Heap::damaged(u64 offset, const std::string& expected, u64 found) const {
  throw DamagedError(region_.path() + ": block at " + std::to_string(offset) + ": expected " + expected +
                         ", found " + std::to_string(found),
                     region_.path());
}

const Heap::Header& Heap::header() const {
  static_assert(sizeof(Header) <= kPageSize);
  const Header& header = *reinterpret_cast<const Header*>(region_.at(0, kPageSize));
  if (header.magic != kMagic) damaged(0, "the heap's magic number", header.magic);
  return header;
}

Heap::Header& Heap::change_header() { return *region_.writable_as<Header>(0); }

void Heap::create_header() {
  region_.extend(kPageSize);
  change_header().magic = kMagic;
}

// Any block, validated.
Heap::Block Heap::block_at(u64 offset) const {
  if (offset < kPageSize || offset % 8 != 0) damaged(offset, "a block's offset", offset);
  const u64 word = load_once<u64>(region_.at(offset, kBlockHeader));
  const u8 tag = static_cast<u8>(word >> 56);
  const unsigned size_class = static_cast<u8>(word >> kLengthBits);
  if ((tag != kLiveTag && tag != kFreeTag) || size_class >= kClasses) damaged(offset, "a block's tag", word);
  const Block block{offset, class_size(size_class), word & kLengthMask, size_class, tag == kLiveTag};
  region_.at(offset, block.size);
  if (block.length > block.size - kBlockHeader) damaged(offset, "a length within the block", block.length);
  return block;
}

Heap::Block Heap::live_block(HeapRef ref) const {
  const u64 index = static_cast<u64>(ref);
  if (index > kMaxBlock >> kRefShift) damaged(index, "a reference within the heap", index);
  header();
  const Block block = block_at(index << kRefShift);
  if (!block.live) damaged(block.offset, "a block in use", block.size_class);
  return block;
}

Bytes Heap::read(HeapRef ref) const {
  const Block block = live_block(ref);
  return {region_.data() + block.offset + kBlockHeader, block.length};
}

Bytes Heap::head(HeapRef ref) const {
  const u64 index = static_cast<u64>(ref);
  if (index >= region_.size() >> kRefShift) return {};
  return {region_.data() + (index << kRefShift), kBlockHeader};
}

void Heap::reserve(u64 bytes) {
  if (bytes > kMaxBlock - kBlockHeader) {
    throw SystemError(EFBIG, "a value is larger than a heap block can be", region_.path());
  }
  const u64 first = region_.size() == 0 ? kPageSize : 0;
  if (first == 0) header();
  region_.reserve(first + class_size(class_of(bytes + kBlockHeader)));
}

// Takes the first block off a class's list; zero if there is none. Errors: DamagedError; nothing has changed.
u64 Heap::pop_free(unsigned size_class) {
  const u64 offset = header().free_heads[size_class];
  if (offset == 0) return 0;
  const Block block = block_at(offset);
  if (block.live || block.size_class != size_class)
    damaged(offset, "a free block of its list's class", block.size);
  Header& changed = change_header();
  changed.free_heads[size_class] = load<u64>(region_.data() + offset + kBlockHeader);
  changed.free_bytes -= block.size;
  changed.free_blocks -= 1;
  return offset;
}

// A block of a class, counted as live, whose header is not written yet. Precondition: reserve().
u64 Heap::take(unsigned size_class) {
  if (region_.size() == 0) create_header();
  u64 offset = pop_free(size_class);
  if (offset == 0) offset = region_.extend(class_size(size_class));
  change_header().live_bytes += class_size(size_class);
  return offset;
}

HeapRef Heap::allocate(Bytes bytes) {
  reserve(bytes.size());
  const unsigned size_class = class_of(bytes.size() + kBlockHeader);
  const u64 offset = take(size_class);
  u8* to = region_.writable(offset, kBlockHeader + bytes.size());
  store<u64>(to, tag_word(kLiveTag, size_class, bytes.size()));
  if (!bytes.empty()) std::memcpy(to + kBlockHeader, bytes.data(), bytes.size());
  return HeapRef{offset >> kRefShift};
}

HeapRef Heap::allocate_room(u64 bytes) {
  reserve(bytes);
  const unsigned size_class = class_of(bytes + kBlockHeader);
  const u64 offset = take(size_class);
  store<u64>(region_.writable(offset, kBlockHeader),
             tag_word(kLiveTag, size_class, class_size(size_class) - kBlockHeader));
  return HeapRef{offset >> kRefShift};
}

u8* Heap::change(HeapRef ref, u64 offset, u64 length) {
  const Block block = live_block(ref);
  if (offset > block.length || length > block.length - offset) {
    damaged(block.offset, "a block of " + std::to_string(offset + length) + " bytes", block.length);
  }
  return region_.writable(block.offset + kBlockHeader + offset, length);
}

bool Heap::replace(HeapRef ref, Bytes bytes) {
  const Block block = live_block(ref);
  if (bytes.size() > block.size - kBlockHeader) return false;
  u8* to = region_.writable(block.offset, kBlockHeader + bytes.size());
  store<u64>(to, tag_word(kLiveTag, block.size_class, bytes.size()));
  if (!bytes.empty()) std::memcpy(to + kBlockHeader, bytes.data(), bytes.size());
  return true;
}

void Heap::free(HeapRef ref) {
  const Block block = live_block(ref);
  Header& changed = change_header();
  u8* to = region_.writable(block.offset, kBlockHeader + 8);
  store<u64>(to, tag_word(kFreeTag, block.size_class, 0));
  store<u64>(to + kBlockHeader, changed.free_heads[block.size_class]);
  changed.free_heads[block.size_class] = block.offset;
  changed.live_bytes -= block.size;
  changed.free_bytes += block.size;
  changed.free_blocks += 1;
}

void Heap::clear() {
  if (region_.size() == 0) return;
  region_.finish(region_.rewrite(0));
}

u64 Heap::live_bytes() const { return region_.size() == 0 ? 0 : header().live_bytes; }
u64 Heap::free_bytes() const { return region_.size() == 0 ? 0 : header().free_bytes; }

void Heap::check(Findings& findings, std::vector<HeapRef>* live) const {
  if (region_.size() == 0) return;
  u64 live_sum = 0, free_sum = 0, free_blocks = 0;
  try {
    header();
    // Blocks tile the region from the header page to its end.
    for (u64 offset = kPageSize; offset < region_.size();) {
      findings.step();
      const Block block = block_at(offset);
      (block.live ? live_sum : free_sum) += block.size;
      free_blocks += !block.live;
      if (block.live && live) live->push_back(HeapRef{offset >> kRefShift});
      offset += block.size;
    }
    check_free_lists(free_blocks, findings);
  } catch (const DamagedError& error) {
    findings.push_back({"values", error.what()});
    return;
  }
  // The counters are the sums.
  if (live_sum != live_bytes() || free_sum != free_bytes()) {
    findings.push_back({"values", "expected " + std::to_string(live_sum) + " live and " +
                                      std::to_string(free_sum) + " free bytes, found counts of " +
                                      std::to_string(live_bytes()) + " and " + std::to_string(free_bytes())});
  }
}

// Each list holds free blocks of its class only, and the lists together hold as many as there are.
void Heap::check_free_lists(u64 free_blocks, Findings& findings) const {
  u64 seen = 0;
  for (unsigned size_class = 0; size_class < kClasses; ++size_class) {
    for (u64 offset = header().free_heads[size_class]; offset != 0 && seen <= free_blocks; ++seen) {
      findings.step();
      const Block block = block_at(offset);
      if (block.live || block.size_class != size_class)
        damaged(offset, "a free block of its list's class", block.size);
      offset = load<u64>(region_.data() + offset + kBlockHeader);
    }
  }
  if (seen != free_blocks || header().free_blocks != free_blocks) {
    findings.push_back({"values", "expected " + std::to_string(free_blocks) +
                                      " blocks in the free lists, found " + std::to_string(seen) +
                                      " and a count of " + std::to_string(header().free_blocks)});
  }
}

}  // namespace emd
