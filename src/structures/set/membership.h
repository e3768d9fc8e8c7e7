// Membership: which keys of one dict or set are in another, of any size, by walks along the keys alone.
//
// The hashes of the second's keys are put into a table, as many as the memory takes, and looked for by a walk along the
// first; then the next ones: a hash join in passes (Shapiro: Join processing in database systems with large main memories,
// TODS 1986). A pass takes the hashes of one range of both. Nothing is looked up in an index, so no page is read but in the
// order of the file. Hashes have 128 bits, with a seed that nobody knows: equal ones are taken for equal keys. Keys in rows
// that have up to 8 bytes are mapped to words one to one, so that a word is enough.
//
// Threads: as the store's.
#pragma once

#include <functional>
#include <vector>

#include "structures/dict/dict.h"
#include "structures/typed_dict/typed_dict.h"

namespace emd {

// A bit for each key of the first, in insertion order.
class Membership {
 public:
  explicit Membership(u64 count) : count_(count), words_((count + 63) / 64) {}
  u64 count() const { return count_; }
  bool contains(u64 number) const { return (words_[number / 64] >> (number % 64) & 1) != 0; }
  void add(u64 number) { words_[number / 64] |= u64{1} << (number % 64); }
  // How many of them are in the second.
  u64 found() const;

 private:
  u64 count_;
  std::vector<u64> words_;
};

// Part of a walk, of less than some MiB; and what runs it: on the structure, always in the same state, as often as one
// consistent read takes.
template <class S>
using MembershipPart = std::function<void(const S&)>;
template <class S>
using MembershipReader = std::function<void(const MembershipPart<S>& part)>;

// Calls on_step() between parts. `memory`: bytes for the table, beside the bits. Cost: a walk along both for each pass, of
// which there is one for each `memory` / 22 keys of the second, or `memory` / 11 where a key is a word. Precondition: keys in
// rows are of the same type. Errors: DamagedError; what the reads and on_step() throw; bad_alloc.
Membership members_of(const MembershipReader<Dict>& first, const MembershipReader<Dict>& second, u64 memory,
                      const std::function<void()>& on_step);
Membership members_of(const MembershipReader<TypedDict>& first, const MembershipReader<TypedDict>& second,
                      u64 memory, const std::function<void()>& on_step);

}  // namespace emd
