// Readahead: counting of faults and sampling of pages, from which it learns whether to ask.
#include "store/readahead.h"

#include <algorithm>

#include "platform/mapping.h"

namespace emd {
namespace {

// One page in so many is looked up before it is asked for.
constexpr u64 kSample = 16;
constexpr u64 kMostPatience = 256;
// One or two faults between batches are somebody else's.
constexpr u64 kFewFaults = 4;

}  // namespace

bool Readahead::begin_batch() {
  if (asking_) {
    learn();
  } else {
    const u64 faults = platform::major_faults();
    asking_ = faults_ != kUnknown && faults >= faults_ + kFewFaults;
    faults_ = faults;
    if (asking_ && resident_batches_ != 0) patience_ = std::min(2 * patience_, kMostPatience);
    if (asking_) resident_batches_ = 0;
  }
  asked_ = sampled_missing_ = 0;
  last_page_ = nullptr;
  return asking_;
}

// From the batch that ends: whether asking still pays.
void Readahead::learn() {
  if (asked_ == 0) return;
  resident_batches_ = sampled_missing_ == 0 ? resident_batches_ + 1 : 0;
  if (resident_batches_ < patience_) return;
  asking_ = false;
  faults_ = platform::major_faults();
}

void Readahead::ask(const u8* at, u64 length) {
  if (length == 0) return;
  const u8* const page = at - reinterpret_cast<u64>(at) % kPageSize;
  if (page == last_page_ && at + length <= page + kPageSize) return;
  last_page_ = page;
  u8 in_memory = 1;
  if (asked_++ % kSample == 0 && platform::resident(page, kPageSize, &in_memory))
    sampled_missing_ += (in_memory & 1) == 0;
  platform::will_need(at, length);
}

}  // namespace emd
