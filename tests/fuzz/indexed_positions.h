// An index of positions whose hashes are a function of the position, so that it needs no records; and what such an
// index holds, as a model. For the targets of HashIndex and BufferedIndex.
#pragma once

#include <map>
#include <type_traits>

#include "base/hash.h"
#include "index/hash_index.h"
#include "input.h"
#include "oracle.h"

namespace emd::fuzz {

inline constexpr u64 kIndexSeed = 1;

template <class Index>
class IndexSubject {
 public:
  // `parts`: what the index is made of, as its constructor takes it.
  template <class... Parts>
  explicit IndexSubject(Parts&... parts)
      : index_(parts..., [this](u64 position) { return hash_of_record(position); }) {}

  void open() {
    index_.open(kIndexSeed);
    hash_mask_ = ~u64{0} << (64 - index_.header().hash_bits);
  }
  Index& index() { return index_; }
  const Index& index() const { return index_; }
  u64 hash(u64 position) const {
    return hash64({reinterpret_cast<const u8*>(&position), sizeof position}, kIndexSeed) & hash_mask_;
  }
  bool find(u64 position, typename Index::InsertionPoint* point = nullptr) const {
    return index_.find(
               hash(position), [&](u64 candidate) { return candidate == position; }, point) != Index::kNone;
  }
  // As Dict does it: the place where the search ended, or room made.
  void insert(u64 position) {
    typename Index::InsertionPoint point;
    if (!find(position, &point)) insert_new(position, point);
  }
  // Precondition: it is not there; `point` is as find() has left it.
  void insert_new(u64 position, typename Index::InsertionPoint point) {
    if constexpr (!std::is_same_v<Index, HashIndex>) {
      index_.make_room(hash(position), point);
    } else if (point.offset == 0) {
      point = index_.make_room(hash(position));
    }
    index_.insert(point, hash(position), position);
  }
  bool erase(u64 position) { return index_.erase(hash(position), position); }

 private:
  // No log is as long as that: there, reading a record fails.
  static constexpr u64 kRecordsEnd = u64{1} << 24;
  u64 hash_of_record(u64 position) const {
    if (position >= kRecordsEnd) throw DamagedError("expected the position of a record");
    return hash(position);
  }

  Index index_;
  u64 hash_mask_ = ~u64{0};
};

// What an index holds. A position may be there twice: that it is not is for the dict's check() to say.
using Positions = std::map<u64, unsigned>;

template <class Subject>
Positions visited(const Subject& subject, Findings& findings) {
  Positions positions;
  subject.index().check(findings, [&](u64 position) { ++positions[position]; });
  return positions;
}

template <class Subject>
void look_around(const Subject& subject, Input& input, const Positions& positions, bool sound) {
  for (const auto& [position, count] : positions) {
    if (sound) require(subject.find(position), "an entry that check() visits is found");
  }
  for (unsigned count = input.byte() % 16; count != 0; --count) {
    const u64 position = input.number<u16>();
    bool found = false;
    const bool done = answers(sound, [&] { found = subject.find(position); });
    if (sound && done) require(found == positions.contains(position), "what is not there is not found");
  }
  answers(sound, [&] { subject.index().slot_count(); });
}

// Runs of neighbours, so that segments fill, split, are merged and empty within a short input.
template <class Subject>
void change(Subject& subject, Input& input, Positions& positions, bool sound) {
  for (unsigned count = input.byte() % 16; count != 0; --count) {
    const u8 what = input.byte();
    const u64 first = input.number<u16>();
    for (u64 position = first; position < first + (what >> 1) % 24; ++position) {
      if (what & 1) {
        answers(sound, [&] { subject.insert(position); });
        if (sound && positions[position] == 0) positions[position] = 1;
      } else {
        bool erased = false;
        answers(sound, [&] { erased = subject.erase(position); });
        if (!sound) continue;
        const auto at = positions.find(position);
        require(erased == (at != positions.end()), "erase() tells whether an entry was there");
        if (erased && --at->second == 0) positions.erase(at);
      }
    }
  }
}

}  // namespace emd::fuzz
