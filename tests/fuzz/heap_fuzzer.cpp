// Heap over any bytes: read, replace, allocate, free, check. Where check() finds nothing, the live blocks and their
// bytes are a model.
#include "alloc/heap.h"

#include <map>
#include <string>

#include "input.h"
#include "oracle.h"
#include "patches.h"
#include "regions.h"
#include "structures/array/array.h"

namespace emd::fuzz {
namespace {

using Blocks = std::map<u64, std::string>;  // live blocks, by reference

Image sound_image(Regions& regions) {
  regions.set(0, {});
  Heap heap(regions[0]);
  const Operation operation(regions.store());
  std::vector<HeapRef> blocks;
  for (u64 i = 0; i < 120; ++i) {
    blocks.push_back(heap.allocate(as_bytes(std::string(i % 11 * i % 700, static_cast<char>(i)))));
    if (i % 3 == 2) {
      heap.free(blocks[i / 2]);
      blocks.erase(blocks.begin() + static_cast<std::ptrdiff_t>(i / 2));
      blocks.insert(blocks.begin(), blocks.back());
    }
  }
  return regions.image(0);
}

// Checks the heap, and reads all that it calls live.
Blocks read_all(const Heap& heap, Findings& findings) {
  std::vector<HeapRef> live;
  heap.check(findings, &live);
  Blocks blocks;
  const bool sound = findings.empty();
  for (const HeapRef ref : live)
    answers(sound, [&] { blocks[static_cast<u64>(ref)] = as_text(heap.read(ref)); });
  return blocks;
}

class Changes {
 public:
  Changes(Heap& heap, Blocks& blocks, bool sound) : heap_(heap), blocks_(blocks), sound_(sound) {}

  void one(Input& input) {
    const u8 what = input.byte();
    const std::string bytes = input.text(what & 4 ? input.number<u16>() % 5000 : input.byte());
    if (what % 4 == 0) return allocate(bytes);
    const bool anywhere = blocks_.empty() || what & 8;
    const u64 place = input.number<u32>();
    const auto at =
        anywhere ? blocks_.end() : std::next(blocks_.begin(), static_cast<i64>(place % blocks_.size()));
    const u64 ref = anywhere ? place : at->first;
    const bool must = sound_ && blocks_.contains(ref);
    if (what % 4 == 1) {
      answers(must, [&] {
        heap_.free(HeapRef{ref});
        require(!sound_ || must, "only a live block can be freed");
        blocks_.erase(ref);
      });
    } else if (what % 4 == 2) {
      answers(must, [&] {
        if (heap_.replace(HeapRef{ref}, as_bytes(bytes))) blocks_[ref] = bytes;
        require(!sound_ || must, "only a live block can be replaced");
      });
    } else {
      answers(must, [&] {
        const std::string found(as_text(heap_.read(HeapRef{ref})));
        require(!sound_ || must, "only a live block can be read");
        if (sound_) require(found == blocks_.at(ref), "a block holds what was put there");
      });
    }
  }

 private:
  void allocate(const std::string& bytes) {
    answers(sound_, [&] {
      const u64 ref = static_cast<u64>(heap_.allocate(as_bytes(bytes)));
      if (sound_) require(!blocks_.contains(ref), "a new block is not in use");
      require(as_text(heap_.read(HeapRef{ref})) == bytes, "a new block holds its bytes");
      blocks_[ref] = bytes;
    });
  }

  Heap& heap_;
  Blocks& blocks_;
  const bool sound_;
};

void run(Input input) {
  static Regions regions(Array::kKind, 1);
  static const Image sound_bytes = sound_image(regions);
  const u8 mode = input.byte();
  Image image = mode & 1 ? Image() : sound_bytes;
  apply_patches(input, image);
  if (mode & 2) {
    // The header's words, aimed at: magic, counters, list heads.
    for (unsigned count = input.byte() % 4; count != 0; --count) patch_header(input, image, 256);
  }
  if (mode & 4) resize(input, image, input.byte() % 2 == 0 ? 1 : 8);
  regions.set(0, image);
  Heap heap(regions[0]);
  Blocks blocks;
  bool sound = false;
  {
    const Regions::Fence fence(regions);
    Findings findings;
    blocks = read_all(heap, findings);
    sound = findings.empty();
    answers(sound, [&] { heap.live_bytes(), heap.free_bytes(); });
    for (unsigned count = input.byte() % 8; count != 0; --count)
      answers(false, [&] { (void)as_text(heap.read(HeapRef{input.magnitude()})); });
  }
  const Operation operation(regions.store());
  Changes changes(heap, blocks, sound);
  for (unsigned count = input.byte() % 64; count != 0; --count) changes.one(input);
  Findings findings;
  const Blocks now = read_all(heap, findings);
  if (!sound) return;
  require_sound(findings, "before the changes");
  require(now == blocks, "the heap holds what was allocated and not freed");
}

}  // namespace
}  // namespace emd::fuzz

extern "C" int LLVMFuzzerTestOneInput(const emd::u8* data, std::size_t size) {
  emd::fuzz::run(emd::fuzz::Input(data, size));
  return 0;
}
