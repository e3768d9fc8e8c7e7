// Groups of keys: what they need is fetched for all at once, before it is read. See Dict::Wanted.
//
// Each stage reads what the stage before has fetched: bucket, record, value. What is found here is only where to fetch;
// find() and put() search anew, so a wrong guess costs time and nothing else.
#include <array>
#include <type_traits>

#include "base/check.h"
#include "index/fetch.h"
#include "structures/dict/dict.h"

namespace emd {

namespace {
// Most records are no longer, and so lie in two lines at most.
constexpr u64 kTypicalRecord = 48;
}  // namespace

void Dict::fetch(std::span<const Wanted> group) const { fetch_by(FetchLines(), group); }

// Without the advice the kernel takes the first page that was missing nevertheless for the beginning of a scan, reads
// 31 around it, and so pushes out what was asked for. It is given anew each time, since growth and commits map anew.
void Dict::read_ahead(std::span<const Wanted> group) const {
  for (Region* region : {&index_region_, &log_region_, &heap_region_}) region->advise(Access::random);
  fetch_by(FetchPages(readahead_), group);
}

template <class Fetch>
void Dict::fetch_by(const Fetch& fetch, std::span<const Wanted> group) const {
  EMD_CHECK(group.size() <= kMaxGroup);
  std::array<u64, kMaxGroup> positions;
  try {
    for (const Wanted& wanted : group) filter_.prefetch(wanted.hash);
    for (const Wanted& wanted : group) fetch_bucket(fetch, wanted.hash);
    for (std::size_t i = 0; i < group.size(); ++i) positions[i] = fetch_record(fetch, group[i].hash);
    if constexpr (std::is_same_v<Fetch, FetchLines>) {
      if (heap_region_.size() == 0) return;
    }
    for (std::size_t i = 0; i < group.size(); ++i) fetch_value(fetch, positions[i]);
    if constexpr (std::is_same_v<Fetch, FetchPages>) {
      for (std::size_t i = 0; i < group.size(); ++i) fetch_block(fetch, positions[i]);
    }
  } catch (const DamagedError&) {
    // Whoever looks up the key that led here meets it again, and says so.
  }
}

// Of a key that is known to be new only where it will go: its bucket in the index may be on the disk.
template <class Fetch>
void Dict::fetch_bucket(const Fetch& fetch, u64 hash) const {
  index_.prefetch_delta(hash);
  if (!known_new(hash)) fetch.head(index_.bucket_address(hash), sizeof(u64));
}

// The position of the record that is probably the hash's.
template <class Fetch>
u64 Dict::fetch_record(const Fetch& fetch, u64 hash) const {
  if (known_new(hash)) return BufferedIndex::kNone;
  const u64 position = index_.candidate(hash);
  if (position == BufferedIndex::kNone || position >= log_region_.size() / kRecordUnit)
    return BufferedIndex::kNone;
  fetch.head(log_region_.data() + position * kRecordUnit, kTypicalRecord);
  return position;
}

// The rest of a long record; of a value in the heap the beginning.
template <class Fetch>
void Dict::fetch_value(const Fetch& fetch, u64 position) const {
  if (position == BufferedIndex::kNone) return;
  const RecordView view = log_.read(position * kRecordUnit);
  fetch.rest(log_region_.data() + view.offset, view.bytes);
  if (view.state != RecordState::reference) return;
  const Bytes block = heap_.head(HeapRef{log_.reference(view)});
  if (!block.empty()) fetch.head(block.data(), block.size());
}

// The rest of a long value in the heap.
template <class Fetch>
void Dict::fetch_block(const Fetch& fetch, u64 position) const {
  if (position == BufferedIndex::kNone) return;
  const RecordView view = log_.read(position * kRecordUnit);
  if (view.state != RecordState::reference) return;
  const Bytes value = heap_.read(HeapRef{log_.reference(view)});
  fetch.rest(value.data(), value.size());
}

}  // namespace emd
