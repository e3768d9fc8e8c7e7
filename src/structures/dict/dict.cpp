// Dict: records, index, values and the filter of known keys put together. Batches are in batch.cpp and sweep.cpp.
#include "structures/dict/dict.h"

#include <algorithm>

namespace emd {

namespace {
// Up to here clear() erases one by one, which costs less than making new files.
constexpr u64 kSmallClear = 64;
// Records that an insertion looks at to fill the filter: 50 million keys are known after a million.
constexpr unsigned kRecordsCovered = 48;

// Positions come from the caller: one too large must not wrap to a small offset.
u64 offset_of(RecordPos position) {
  const u64 index = static_cast<u64>(position);
  return index <= kPositionMask ? index * kRecordUnit : ~u64{0};
}
}  // namespace

Dict::Dict(Store& store, Member& member, const Options& options)
    : store_(store),
      index_region_(member.region(0)),
      log_region_(member.region(1)),
      heap_region_(member.region(2)),
      log_(log_region_, index_region_, offsetof(IndexHeader, log)),
      delta_region_(member.region(3)),
      index_(store_, index_region_, delta_region_, [this](u64 position) { return hash_at(position); }),
      heap_(heap_region_) {
  EMD_CHECK(member.region_count == kRegionCount);
  log_region_.let_appended_go();
  open(options);
  store_.on_rollback(this, [this] {
    ++version_;
    filter_.reset();
  });
  if (store_.read_only()) {
    fingerprint_ = fingerprint();
    store_.on_follow(this, [this] { follow(); });
  }
}

Dict::~Dict() { store_.remove_callback(this); }

void Dict::open(const Options& options) {
  seed_ = store_.seed();
  if (index_region_.size() == 0) {
    if (store_.read_only()) {
      throw DamagedError(index_region_.path() + ": expected a dict's header, found an empty file",
                         index_region_.path());
    }
    Operation operation(store_);
    index_region_.extend(HashIndex::kEmptyBytes);
    HashIndex::format(index_region_.writable(0, HashIndex::kEmptyBytes), options.max_segment_buckets,
                      options.hash_bits, seed_, options.delta_limit);
  }
  index_.open(seed_);
  for (Region* region : {&index_region_, &log_region_, &heap_region_}) region->expect_points();
  hash_mask_ = ~u64{0} << (64 - index_.header().hash_bits);
}

u64 Dict::size() const { return index_.count(); }

// ---- beside a writer

Dict::Fingerprint Dict::fingerprint() const {
  if (index_region_.size() < sizeof(IndexHeader)) return {};
  return {size(), log_.end(), log_.dead_bytes(), hash64(as_bytes(log_region_.path()), 0)};
}

void Dict::follow() {
  const Fingerprint now = fingerprint();
  if (now == fingerprint_) return;
  fingerprint_ = now;
  ++version_;
}

// ---- looking up

u64 Dict::hash_at(u64 position) const { return hash(log_.read(position * kRecordUnit).key); }

u64 Dict::find_position(u64 hash, Bytes key) const {
  RecordView view;
  return index_.find(hash, [&](u64 candidate) { return log_.match(candidate * kRecordUnit, key, view); });
}

Dict::Record Dict::to_record(const RecordView& view) const {
  const Bytes value = view.state == RecordState::inline_value ? Bytes{view.value, view.value_size}
                                                              : heap_.read(HeapRef{log_.reference(view)});
  return {RecordPos{view.offset / kRecordUnit}, view.key, view.annex, value};
}

std::optional<Dict::Record> Dict::find(Bytes key) const { return find(wanted(key)); }

std::optional<Dict::Record> Dict::find(const Wanted& wanted) const {
  RecordView view;
  const u64 position = index_.find(
      wanted.hash, [&](u64 candidate) { return log_.match(candidate * kRecordUnit, wanted.key, view); });
  if (position == BufferedIndex::kNone) return std::nullopt;
  return to_record(view);
}

std::optional<Dict::Record> Dict::first() const {
  RecordView view;
  if (!log_.forward(0, view)) return std::nullopt;
  return to_record(view);
}

std::optional<Dict::Record> Dict::last() const {
  RecordView view;
  if (!log_.backward(log_.end(), view)) return std::nullopt;
  return to_record(view);
}

std::optional<Dict::Record> Dict::next(RecordPos position) const {
  const RecordView here = log_.read(offset_of(position));
  RecordView view;
  if (!log_.forward(here.offset + here.bytes, view)) return std::nullopt;
  return to_record(view);
}

std::optional<Dict::Record> Dict::previous(RecordPos position) const {
  const RecordView here = log_.read(offset_of(position));
  RecordView view;
  if (!log_.backward(here.offset, view)) return std::nullopt;
  return to_record(view);
}

Bytes Dict::key_at(RecordPos position) const { return log_.read(offset_of(position)).key; }

// ---- changing

bool Dict::put(Bytes key, Bytes annex, Bytes value) { return put(wanted(key), annex, value); }

bool Dict::put(const Wanted& wanted, Bytes annex, Bytes value) {
  const auto& [key, hash] = wanted;
  const bool buffering = index_.buffering();
  if (__builtin_expect(buffering, 0)) cover_log();
  RecordView view;
  BufferedIndex::InsertionPoint point;
  if (!buffering || !known_new(hash)) {
    const auto match = [&](u64 candidate) { return log_.match(candidate * kRecordUnit, wanted.key, view); };
    if (index_.find(hash, match, &point) != BufferedIndex::kNone) {
      set_value(view, value);
      return false;
    }
  }
  const RecordLog::Shape shape = log_.shape(key, annex, value.size());
  log_.reserve(shape);
  index_.make_room(hash, point);
  // Nothing fails from here on.
  const u64 offset = log_.append(shape, key, annex, value);
  index_.insert(point, hash, offset / kRecordUnit);
  if (buffering) filter_.note_appended(hash, offset, log_.end());
  ++version_;
  return true;
}

// Gives the filter room for one more key, and fills it with some of the records that it does not know yet. What cannot
// be read is never covered: then every key is looked for in the index, as without a filter.
void Dict::cover_log() {
  if (!filter_.make_room(store_.memory_budget()) || filter_.covered() == log_.end()) return;
  try {
    RecordView view;
    for (unsigned i = 0; i < kRecordsCovered; ++i) {
      if (!log_.forward(filter_.covered(), view)) return filter_.skip(log_.end());
      filter_.cover(hash(view.key), view.offset + view.bytes);
    }
  } catch (const DamagedError&) {
  }
}

void Dict::set_value(RecordPos position, Bytes value) { set_value(log_.read(offset_of(position)), value); }

void Dict::set_value(const RecordView& view, Bytes value) {
  const bool referred = view.state == RecordState::reference;
  if (value.empty() && !referred && view.value_size == 0) return;  // of a set: no page is changed
  const HeapRef old{referred ? log_.reference(view) : 0};
  if (referred) heap_.read(old);  // throws now rather than after the change
  if (value.size() <= view.room) {
    log_.set_inline(view, value);
  } else {
    if (referred && heap_.replace(old, value)) return;
    const HeapRef block = heap_.allocate(value);
    log_.set_reference(view, static_cast<u64>(block));
  }
  if (referred) heap_.free(old);
}

void Dict::prefetch(Bytes key) const {
  const u64 hash = this->hash(key);
  index_.prefetch(hash);
  filter_.prefetch(hash);
}

bool Dict::erase(Bytes key) {
  const u64 hash = this->hash(key);
  RecordView view;
  const u64 found =
      index_.find(hash, [&](u64 candidate) { return log_.match(candidate * kRecordUnit, key, view); });
  if (found == BufferedIndex::kNone) return false;
  erase(view, hash);
  return true;
}

void Dict::erase(const Record& record) {
  const RecordView view = log_.read(offset_of(record.position));
  erase(view, hash(view.key));
}

void Dict::erase(const RecordView& view, u64 hash) {
  const RecordLog::Erasure plan = log_.plan_erase(view);
  const bool referred = view.state == RecordState::reference;
  const HeapRef block{referred ? log_.reference(view) : 0};
  if (referred) heap_.read(block);
  if (!index_.erase(hash, view.offset / kRecordUnit)) {
    throw DamagedError(index_region_.path() + ": expected an entry for the record at " +
                           std::to_string(view.offset) + ", found none",
                       index_region_.path());
  }
  // Nothing fails from here on.
  if (referred) heap_.free(block);
  log_.erase(plan);
  filter_.note_dead(plan.start, plan.end, log_.end());
  ++version_;
}

void Dict::clear() {
  if (size() > kSmallClear) return rewrite_empty();
  RecordView view;
  while (log_.backward(log_.end(), view)) erase(view, hash(view.key));
}

void Dict::rewrite_empty() {
  const IndexHeader& header = index_.header();
  Region::Rewrite index = index_region_.rewrite(HashIndex::kEmptyBytes);
  HashIndex::format(index.data(), header.max_segment_buckets, header.hash_bits, seed_, header.delta_limit);
  Region::Rewrite log = log_region_.rewrite(0);
  std::optional<Region::Rewrite> delta;
  if (delta_region_.size() != 0) delta = delta_region_.rewrite(0);
  heap_.clear();
  // Nothing fails from here on.
  index_region_.finish(std::move(index));
  log_region_.finish(std::move(log));
  if (delta) delta_region_.finish(std::move(*delta));
  filter_.reset();
  ++version_;
}

Dict::Stats Dict::stats() const {
  Stats stats{};
  stats.entries = size();
  stats.index_bytes = index_region_.size();
  stats.index_free_bytes = index_.free_bytes();
  stats.record_bytes = log_.end();
  stats.live_record_bytes = log_.end() - log_.dead_bytes();
  stats.value_bytes = heap_.live_bytes();
  stats.free_value_bytes = heap_.free_bytes();
  stats.delta_entries = index_.delta_count();
  stats.delta_bytes = delta_region_.size();
  stats.delta_free_bytes = index_.delta_free_bytes();
  stats.filter_bytes = filter_.bytes();
  stats.load = static_cast<double>(stats.entries) / static_cast<double>(index_.slot_count());
  return stats;
}

}  // namespace emd
