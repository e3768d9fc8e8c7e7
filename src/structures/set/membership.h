// Membership: which keys of one dict or set are in another, of any size, by walks along the records alone.
//
// The hashes of the second's keys are put into a table, as many as the memory takes, and looked for by a walk along the
// first; then the next ones: a hash join in passes (Shapiro: Join processing in database systems with large main memories,
// TODS 1986). A pass takes the hashes of one range of both. Nothing is looked up in an index, so no page is read but in the
// order of the file. Hashes have 128 bits, with a seed that nobody knows: equal ones are taken for equal keys.
//
// Threads: as the store's.
#pragma once

#include <functional>
#include <vector>

#include "structures/dict/dict.h"

namespace emd {

// A bit for each key of the first, in insertion order.
class Membership {
 public:
  Membership() = default;
  explicit Membership(u64 count) : count_(count), words_((count + 63) / 64) {}
  u64 count() const { return count_; }
  bool contains(u64 number) const { return (words_[number / 64] >> (number % 64) & 1) != 0; }
  void add(u64 number) { words_[number / 64] |= u64{1} << (number % 64); }
  // How many of them are in the second.
  u64 found() const;
  // The bits, the first in the lowest of the first byte.
  Bytes bytes() const { return {reinterpret_cast<const u8*>(words_.data()), words_.size() * sizeof(u64)}; }

 private:
  u64 count_ = 0;
  std::vector<u64> words_;
};

// Calls look(part) for part after part, each of which reads less than a MiB; on_step() now and then. `memory`: bytes for the
// table, beside the bits. Cost: a walk along both for each pass, of which there is one for each `memory` / 24 keys of the
// second. Errors: DamagedError; what look() and on_step() throw; bad_alloc.
struct MembershipOptions {
  u64 memory;
  std::function<void(const std::function<void()>&)> look_at_first, look_at_second;
  std::function<void()> on_step = [] {};
};
Membership members_of(const Dict& first, const Dict& second, const MembershipOptions& options);

}  // namespace emd
