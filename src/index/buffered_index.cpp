// BufferedIndex: when the delta is laid out, and its merging into the main index, a range of hashes at a time.
#include "index/buffered_index.h"

#include "platform/mapping.h"
#include "store/store.h"

namespace emd {

namespace {
// A main index of more than this part of the budget is written through the delta: 64 MiB under a limit of 1 GiB.
constexpr u64 kBudgetOfMain = 4;
// The delta takes some 20 bytes an entry, a sixth of the budget.
constexpr u64 kBudgetBytesPerEntry = 128;
// Segments: a call to the kernel for each.
constexpr unsigned kMostAskedFor = 256;
}  // namespace

void BufferedIndex::open(u64 seed) {
  main_.open(seed);
  delta_.set_layout(header().max_segment_buckets);
  delta_region_.sync_ahead(false);
  if (delta_region_.size() == 0) return;
  delta_.open(seed);
  const IndexHeader& delta = delta_.header();
  if (delta.max_segment_buckets != header().max_segment_buckets || delta.hash_bits != header().hash_bits) {
    throw DamagedError(delta_region_.path() +
                           ": expected a delta index of the same segments and hashes as the index in " +
                           main_region_.path() + "; restore the store from a backup",
                       delta_region_.path());
  }
}

void BufferedIndex::choose() {
  checked_size_ = main_region_.size();
  limit_ = header().delta_limit;
  if (limit_ != kAutomatic) return;
  const u64 budget = store_.memory_budget();
  limit_ = checked_size_ > budget / kBudgetOfMain ? budget / kBudgetBytesPerEntry : kNever;
  // Merges change its pages one after the other, single insertions all of them all the time.
  main_region_.sync_ahead(limit_ != kNever);
  // From here on a look-up may find its page on the disk: alone, not with 31 others that nobody wants.
  if (limit_ != kNever) main_region_.advise(Access::random);
}

void BufferedIndex::lay_delta() {
  delta_region_.extend(kEmptyBytes);
  const IndexHeader& h = header();
  HashIndex::format(delta_region_.writable(0, kEmptyBytes), h.max_segment_buckets, h.hash_bits, h.seed);
}

void BufferedIndex::make_room(u64 hash, InsertionPoint& point) {
  const bool to_delta = buffering();
  if (to_delta && !delta_laid()) lay_delta();
  const bool merged = delta_laid() && merge_if_due();
  point.in_delta = to_delta;
  if (to_delta) {
    point.at = delta_.make_room(hash);
  } else if (!point.found() || merged) {
    point.at = main_.make_room(hash);
  }
}

// After a merge of n entries the next comes after n insertions, or after n/2 while the delta holds more than it should
// (as when the budget has become smaller): a bounded step, however much there is to do. Returns whether it merged.
bool BufferedIndex::merge_if_due() {
  if (insertions_until_merge_ != 0) --insertions_until_merge_;
  const u64 count = delta_.count();
  if (count == 0 || count < limit_ || insertions_until_merge_ != 0) return false;
  const u64 hand = delta_.header().merge_hand;
  insertions_until_merge_ = merge(hand) / 2 + 1;
  const u64 next = delta_.range_of(hand).last() + 1;
  delta_.set_merge_hand(next);
  ask_for(delta_.range_of(next));
  return true;
}

// Moves the entries of the delta's segment of `hash` to the main index, and some of those that no segment could hold.
// Returns how many. Errors: as make_room(); what was moved until then is in the main index only.
u64 BufferedIndex::merge(u64 hash) {
  entries_.clear();
  delta_.collect(hash, entries_);
  const std::size_t in_segment = entries_.size();
  delta_.collect_overflow(entries_);
  std::size_t done = 0;
  try {
    for (; done < entries_.size(); ++done) main_.add_known(entries_[done]);
  } catch (...) {
    while (done-- != 0) delta_.erase(entries_[done].bits, entries_[done].position);
    throw;
  }
  delta_.empty_segment(hash);
  for (; done-- > in_segment;) delta_.erase(entries_[done].bits, entries_[done].position);
  return entries_.size();
}

// The pages that the next merge will change, so that they are there when it comes.
void BufferedIndex::ask_for(const HashIndex::Range& range) const {
  unsigned left = kMostAskedFor;
  main_.for_each_segment(range, [&](const u8* at, u64 length) {
    platform::will_need(at, length);
    return --left != 0;
  });
}

void BufferedIndex::check(Findings& findings, const std::function<void(u64)>& visit) const {
  main_.check(findings, visit);
  if (delta_region_.size() != 0) delta_.check(findings, visit);
}

}  // namespace emd
