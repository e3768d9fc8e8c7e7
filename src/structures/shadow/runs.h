// ShadowRuns: the flags of an entry's addresses as one value and the few runs that are other, in memory.
//
// Runs are appended in order, and are then as few as say what they say (format.h). There is room for what a change
// makes of those of a record: what lies between them, and on both sides, may become runs as well.
//
// Threads: any.
#pragma once

#include <algorithm>

#include "base/bytes.h"
#include "structures/shadow/flags.h"
#include "structures/shadow/format.h"

namespace emd {

class ShadowRuns {
 public:
  static constexpr unsigned kRoom = 2 * kShadowMostRuns + 1;

  explicit ShadowRuns(u64 value) : value_(value) {}

  // The flags of all addresses that are in none.
  u64 value() const { return value_; }
  unsigned count() const { return count_; }
  const FlagRun& operator[](unsigned index) const { return runs_[index]; }
  bool fits_a_record() const { return count_ <= kShadowMostRuns; }
  // Whether the addresses first to last, which are all of them, have the same flags: these.
  bool uniform(u64 first, u64 last, u64& flags) const {
    if (count_ > 1 || (count_ == 1 && (runs_[0].first != first || runs_[0].last != last))) return false;
    flags = count_ == 0 ? value_ : runs_[0].flags;
    return true;
  }

  // Precondition: the addresses are behind those of the runs that are there. False: there is no room.
  bool append(u64 first, u64 last, u64 flags) {
    if (flags == value_) return true;
    if (count_ != 0 && runs_[count_ - 1].flags == flags && runs_[count_ - 1].last + 1 == first) {
      runs_[count_ - 1].last = last;
      return true;
    }
    if (count_ == kRoom) return false;
    runs_[count_++] = {first, last, flags};
    return true;
  }
  // Calls work(FlagRun) for all addresses from first to last, in order, until it returns true; returns whether it did.
  template <class Work>
  bool walk(u64 first, u64 last, Work&& work) const {
    u64 from = first;
    for (unsigned i = 0; i < count_ && runs_[i].first <= last; ++i) {
      const FlagRun& run = runs_[i];
      if (run.last < from) continue;
      if (run.first > from && work(FlagRun{from, run.first - 1, value_})) return true;
      const u64 end = std::min(run.last, last);
      if (work(FlagRun{std::max(run.first, from), end, run.flags})) return true;
      if (end == last) return false;
      from = end + 1;
    }
    return work(FlagRun{from, last, value_});
  }
  // What first to last say, over the same value.
  ShadowRuns clipped(u64 first, u64 last) const {
    ShadowRuns part(value_);
    part.append_from(*this, first, last);
    return part;
  }
  // What is changed from first to last, of all the addresses from base to end. Precondition: it fits a record.
  ShadowRuns changed(u64 base, u64 end, u64 first, u64 last, const FlagChange& change) const;
  // What these flags, of `width` bytes each, make of it. False: it would not fit a record.
  bool overwritten(u64 base, u64 end, u64 first, Bytes bytes, unsigned width, ShadowRuns& after) const;

  friend bool operator==(const ShadowRuns& a, const ShadowRuns& b) {
    return a.value_ == b.value_ && std::equal(a.runs_, a.runs_ + a.count_, b.runs_, b.runs_ + b.count_);
  }

 private:
  // False: there is no room.
  bool append_from(const ShadowRuns& other, u64 first, u64 last) {
    return !other.walk(first, last,
                       [&](const FlagRun& run) { return !append(run.first, run.last, run.flags); });
  }

  u64 value_;
  unsigned count_ = 0;
  FlagRun runs_[kRoom];
};

// How many of these flags, from the first on, are as the first one. Precondition: bytes are not empty.
u64 equal_flags(Bytes bytes, unsigned width);

}  // namespace emd
