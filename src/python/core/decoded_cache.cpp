// DecodedCache: a hash table of entries with chained buckets, and the hand of the clock that evicts them.
#include "python/core/decoded_cache.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "platform/random.h"

namespace pyr {
namespace {

constexpr std::size_t kLeastBuckets = 16;

bool is_name(const std::string& name, Bytes bytes) {
  return name.size() == bytes.size() &&
         (bytes.empty() || std::memcmp(name.data(), bytes.data(), bytes.size()) == 0);
}

}  // namespace

void DecodedCache::start(u64 capacity, DeferredDecrefs& deferred) {
  forget_all(deferred);
  capacity_ = std::min<u64>(capacity, kNone - 1);
  hits_ = misses_ = 0;
  if (capacity_ == 0) return;
  seed_ = emd::platform::random_bits();
  buckets_.assign(kLeastBuckets, kNone);
}

void DecodedCache::stop(DeferredDecrefs& deferred) {
  if (!on()) return;
  forget_all(deferred);
  capacity_ = 0;
}

PyObject* DecodedCache::hit(Entry& found) {
  found.asked = true;
  ++hits_;
  return found.object;
}

PyObject* DecodedCache::find(Bytes name, u64 now) {
  Entry* const found = entry(name, hash(name));
  return found && found->seen == now ? hit(*found) : nullptr;
}

PyObject* DecodedCache::find(Bytes name, const Print& print, u64 now) {
  Entry* const found = entry(name, hash(name));
  if (found && found->print == print) {
    found->seen = now;
    return hit(*found);
  }
  ++misses_;
  return nullptr;
}

// Out of memory, nothing is kept: it is only a cache.
void DecodedCache::keep(Bytes name, const Print& print, u64 now, PyObject* object, Admission admission,
                        DeferredDecrefs& deferred) {
  if (!on()) return;
  try {
    const u64 hash = this->hash(name);
    if (Entry* const known = entry(name, hash)) {
      deferred.emplace_back(std::exchange(known->object, Py_NewRef(object)));
      known->print = print;
      known->seen = now;
      return;
    }
    std::string text(reinterpret_cast<const char*>(name.data()), name.size());
    const u32 number = make_room(admission, deferred);
    if (number == kNone) return;
    Entry& fresh = entries_[number];
    fresh = {hash, std::move(text), print, now, Py_NewRef(object), bucket(hash), false};
    bucket(hash) = number;
  } catch (const std::bad_alloc&) {
  }
}

void DecodedCache::forget(Bytes name, DeferredDecrefs& deferred) {
  Entry* const found = entry(name, hash(name));
  if (!found) return;
  const u32 number = static_cast<u32>(found - entries_.data());
  free_.reserve(free_.size() + 1);
  deferred.emplace_back(found->object);
  found->object = nullptr;
  unlink(number);
  free_.push_back(number);
}

void DecodedCache::forget_all(DeferredDecrefs& deferred) {
  for (Entry& entry : entries_) {
    if (entry.object) deferred.emplace_back(std::exchange(entry.object, nullptr));
  }
  entries_.clear();
  free_.clear();
  hand_ = 0;
  std::fill(buckets_.begin(), buckets_.end(), kNone);
}

int DecodedCache::traverse(visitproc visit, void* arg) {
  for (Entry& entry : entries_) Py_VISIT(entry.object);
  return 0;
}

void DecodedCache::clear() {
  std::vector<Entry> all = std::move(entries_);
  entries_.clear();
  free_.clear();
  hand_ = 0;
  std::fill(buckets_.begin(), buckets_.end(), kNone);
  for (Entry& entry : all) Py_CLEAR(entry.object);
}

DecodedCache::Entry* DecodedCache::entry(Bytes name, u64 hash) {
  if (buckets_.empty()) return nullptr;
  for (u32 number = bucket(hash); number != kNone; number = entries_[number].next) {
    Entry& candidate = entries_[number];
    if (candidate.hash == hash && is_name(candidate.name, name)) return &candidate;
  }
  return nullptr;
}

DecodedCache::u32 DecodedCache::make_room(Admission admission, DeferredDecrefs& deferred) {
  if (!free_.empty()) {
    const u32 number = free_.back();
    free_.pop_back();
    return number;
  }
  if (entries_.size() < capacity_) {
    if (entries_.size() >= buckets_.size()) widen();
    entries_.emplace_back();
    return static_cast<u32>(entries_.size() - 1);
  }
  return admission == Admission::evicting ? pass_hand(deferred) : kNone;
}

// The entry that the hand takes, emptied. It ends: what it passes is not asked for any more.
DecodedCache::u32 DecodedCache::pass_hand(DeferredDecrefs& deferred) {
  while (true) {
    const u32 number = hand_;
    hand_ = hand_ + 1 < entries_.size() ? hand_ + 1 : 0;
    Entry& entry = entries_[number];
    if (std::exchange(entry.asked, false)) continue;
    deferred.emplace_back(entry.object);
    entry.object = nullptr;
    unlink(number);
    return number;
  }
}

void DecodedCache::widen() {
  std::vector<u32> wider(2 * buckets_.size(), kNone);
  buckets_.swap(wider);
  for (u32 number = 0; number < entries_.size(); ++number) {
    if (!entries_[number].object) continue;
    u32& first = bucket(entries_[number].hash);
    entries_[number].next = std::exchange(first, number);
  }
}

void DecodedCache::unlink(u32 number) {
  u32* at = &bucket(entries_[number].hash);
  while (*at != number) at = &entries_[*at].next;
  *at = entries_[number].next;
}

}  // namespace pyr
