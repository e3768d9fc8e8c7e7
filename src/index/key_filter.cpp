// KeyFilter: its table grows with the log, and covers the records that were added since it was last asked.
#include "index/key_filter.h"

#include <algorithm>

namespace emd {

namespace {
// The first part's share of the budget. A second, of six times that, makes seven sixteenths: each part that a key has
// to be looked for in says "perhaps" in one of 80 cases.
constexpr u64 kBudgetOfFirst = 16;
constexpr u64 kGrowth = 6;
}  // namespace

u64 KeyFilter::bytes() const {
  u64 bytes = 0;
  for (const Part& part : parts_) bytes += part.blocks * kBlockBytes;
  return bytes;
}

// Memory from calloc is touched where keys fall only.
bool KeyFilter::make_room(u64 budget_bytes) {
  if (!parts_.empty() && !parts_.back().full()) return true;
  const u64 wanted = parts_.empty() ? std::max(budget_bytes / kBudgetOfFirst, kLeastBytes)
                                    : parts_.back().blocks * kBlockBytes * kGrowth;
  if (!parts_.empty() && bytes() + wanted > budget_bytes / 2) return true;
  Part part;
  part.blocks = wanted / kBlockBytes;
  part.memory.reset(std::calloc(part.blocks + 1, kBlockBytes));
  if (part.memory == nullptr) return !parts_.empty();
  part.words = reinterpret_cast<u64*>(round_up(reinterpret_cast<u64>(part.memory.get()), kBlockBytes));
  parts_.push_back(std::move(part));
  return true;
}

void KeyFilter::cover(u64 hash, u64 end) {
  Part& part = parts_.back();
  u64* const block = part.block(hash);
  u64 bits = probe_bits(hash);
  for (unsigned i = 0; i < kProbes; ++i, bits >>= 9) block[bits >> 6 & 7] |= u64{1} << (bits & 63);
  ++part.keys;
  covered_ = end;
}

}  // namespace emd
