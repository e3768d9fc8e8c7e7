// Batches of an EMDict: keys, or pairs, that go to the dict in groups; see batch.h.
//
// With a write-back cache, whose objects have to be handed out as they are, all goes one by one.
//
// Threads: any; see container.h.
#pragma once

#include <Python.h>

#include <vector>

#include "python/codec/object_source.h"
#include "python/core/batch.h"
#include "python/dict/object.h"

namespace pyr {

// Keys, encoded one behind the other.
class KeyGroup {
 public:
  // Appends the canonical bytes of a key. False with an error set; the group is then as before.
  bool add(Codec& codec, PyObject* key);
  bool full() const { return ends_.size() >= most_ || bytes_.size() >= most_bytes_; }
  std::size_t size() const { return ends_.size(); }
  // Whether it is more than a group: one for a sweep.
  bool wide() const { return ends_.size() > emd::Dict::kMaxGroup; }
  // For the next keys: those of a group.
  void clear() { clear(ends_.empty() ? most_ : emd::Dict::kMaxGroup, kGroupBytes); }
  // For the next keys: so many, or of so many bytes.
  void clear(std::size_t most, std::size_t most_bytes) {
    most_ = most;
    most_bytes_ = most_bytes;
    ends_.clear();
    bytes_.clear();
  }
  Bytes key(std::size_t i) const {
    const std::size_t from = i == 0 ? 0 : ends_[i - 1];
    return bytes_.bytes().subspan(from, ends_[i] - from);
  }

 private:
  Buffer bytes_;
  std::vector<std::size_t> ends_;
  std::size_t most_ = kFirstGroup;
  std::size_t most_bytes_ = kGroupBytes;
};

// Fills the group, which was cleared, with the next keys of the source; false with an error set, which names the key's
// place among them.
bool fill(KeyGroup& group, Codec& codec, ObjectSource& source);

// Within an EntryGuard: hashes the keys, of which there are at most kMaxGroup, and fetches what a look-up will read.
class Fetched {
 public:
  // `key(i)` gives the bytes of the i-th.
  template <class Key>
  void fetch(DictContainer& container, std::size_t from, std::size_t to, Key&& key) {
    hash(container, from, to, key);
    fetch_group(container, container.dict(), wanted_);
  }
  // The first half of it.
  template <class Key>
  void hash(DictContainer& container, std::size_t from, std::size_t to, Key&& key) {
    wanted_.clear();
    for (std::size_t i = from; i < to; ++i) wanted_.push_back(container.dict().wanted(key(i)));
  }
  const std::vector<emd::Dict::Wanted>& wanted() const { return wanted_; }
  const emd::Dict::Wanted& operator[](std::size_t i) const { return wanted_[i]; }

 private:
  std::vector<emd::Dict::Wanted> wanted_;
};

// Pairs, encoded, on their way into a dict.
class PairGroup {
 public:
  explicit PairGroup(DictContainer& container) : container_(container) {}
  // Encodes a pair; stores the group when it is full. False with an error set: the pair is not in the group, those
  // before it are, or have been stored. Errors by exception: as store().
  bool add(PyObject* key, PyObject* value);
  // Stores what is left. Call it also before an error is told, by store_rest(): what came before it counts.
  // Errors: those of Dict::put; pairs that come later in the group are not stored then.
  void store();
  // store(), with the error that is set left as it is. Errors of its own, by exception, replace it.
  void store_rest();

 private:
  struct Pair {
    std::size_t key_end, annex_end, value_end;
  };
  bool encode(PyObject* key, PyObject* value);
  void fetch();
  std::size_t start(std::size_t i) const { return i == 0 ? 0 : pairs_[i - 1].value_end; }
  Bytes part(std::size_t from, std::size_t to) const { return bytes_.bytes().subspan(from, to - from); }

  DictContainer& container_;
  Buffer bytes_;
  Buffer annex_;
  std::vector<Pair> pairs_;
  Fetched fetched_;
  bool missing_ = false;  // the last group's pages were not all in memory
};

PyObject* dict_get_many(DictContainer& container, PyObject* keys, PyObject* fallback);
PyObject* dict_contains_many(DictContainer& container, PyObject* keys);
PyObject* dict_pop_many(DictContainer& container, PyObject* keys, PyObject* fallback);
// False with an error set. What was stored before it stays.
bool dict_set_many(DictContainer& container, PyObject* keys, PyObject* values);

}  // namespace pyr
