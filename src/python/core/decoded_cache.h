// DecodedCache: objects that were decoded, kept to be handed out again (cache=N): a hot value that is dear to decode is
// decoded once.
//
// An entry says: the value of this name was these bytes, and this object was made of them. The name is a key's
// canonical bytes, or the word of a list's block. The entry remembers at which Store::changes() that was seen last:
// while that number is the same, the object is handed out without reading the store. Else the bytes are read again and
// compared by a hash of 128 bits (with a seed that nobody knows). So nothing has to tell the cache of changes,
// rollbacks, or a writer's commits; but an assignment forgets the name's entry, so that it takes effect also if it
// stores the same bytes.
//
// At most N entries, replaced by the clock algorithm: a hand goes round and takes the first that was not asked for
// since it passed.
//
// Threads: used only while the container is entered. What it lets go of goes into the caller's DeferredDecrefs, to be
// released outside: that may run code.
#pragma once

#include <Python.h>

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "python/codec/codec.h"
#include "python/codec/support.h"
#include "python/core/handle.h"

namespace pyr {

class DecodedCache {
 public:
  // A value's bytes, in short.
  using Print = emd::Hash128;
  // Whether an entry may push out another: a walk over everything only fills what is free.
  enum class Admission { evicting, if_free };

  DecodedCache() = default;
  DecodedCache(const DecodedCache&) = delete;
  DecodedCache& operator=(const DecodedCache&) = delete;
  ~DecodedCache() { clear(); }

  bool on() const { return capacity_ != 0; }
  void start(u64 capacity, DeferredDecrefs& deferred);
  void stop(DeferredDecrefs& deferred);
  // Stops, but keeps what it holds until clear() or start(): the caller may not release anything here.
  void set_aside() { capacity_ = 0; }

  // The object of this name if it was seen at `now`: a borrowed reference, or null. Cost: a hash of the name.
  PyObject* find(Bytes name, u64 now);
  // The same if its value had this print; seen now, then.
  PyObject* find(Bytes name, const Print& print, u64 now);
  Print print(Bytes value) const { return emd::hash128(value, seed_); }
  // Remembers an object, in the place of what the name had.
  void keep(Bytes name, const Print& print, u64 now, PyObject* object, Admission admission,
            DeferredDecrefs& deferred);
  void forget(Bytes name, DeferredDecrefs& deferred);
  void forget_all(DeferredDecrefs& deferred);

  struct Stats {
    u64 capacity, entries, hits, misses;
  };
  Stats stats() const { return {capacity_, entries_.size() - free_.size(), hits_, misses_}; }

  int traverse(visitproc visit, void* arg);
  void clear();

 private:
  using u32 = emd::u32;
  static constexpr u32 kNone = ~u32{0};

  struct Entry {
    u64 hash = 0;
    std::string name;
    Print print;
    u64 seen = 0;
    PyObject* object = nullptr;  // null: the entry is free
    u32 next = kNone;            // of the same bucket
    bool asked = false;          // since the hand passed
  };

  u64 hash(Bytes name) const { return emd::hash64(name, seed_); }
  Entry* entry(Bytes name, u64 hash);
  u32& bucket(u64 hash) { return buckets_[hash & (buckets_.size() - 1)]; }
  // Room for a new entry; kNone if there is none.
  u32 make_room(Admission admission, DeferredDecrefs& deferred);
  u32 pass_hand(DeferredDecrefs& deferred);
  void widen();
  void unlink(u32 number);
  PyObject* hit(Entry& entry);

  u64 capacity_ = 0;
  u64 seed_ = 0;
  std::vector<Entry> entries_;
  std::vector<u32> free_;
  std::vector<u32> buckets_;  // a power of two
  u32 hand_ = 0;
  u64 hits_ = 0;
  u64 misses_ = 0;
};

}  // namespace pyr
