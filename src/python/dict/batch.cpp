// EMDict.get_many, contains_many and pop_many.
#include "python/dict/batch.h"

#include <algorithm>
#include <optional>
#include <span>

#include "structures/dict/sweep.h"

namespace pyr {

bool KeyGroup::add(Codec& codec, PyObject* key) {
  const std::size_t before = bytes_.size();
  if (!codec.encode_key(key, bytes_, nullptr)) {
    bytes_.truncate(before);
    return false;
  }
  ends_.push_back(bytes_.size());
  return true;
}

bool fill(KeyGroup& group, Codec& codec, ObjectSource& source) {
  while (!group.full()) {
    const OwnedRef key = source.next();
    if (!key) return !PyErr_Occurred();
    if (group.add(codec, key.get())) continue;
    name_place("key", source.given() - 1);
    return false;
  }
  return let_others_in();
}

namespace {

// The values of some keys of a group, taken out of a dict: what can be is made an object at once, the rest is copied
// and decoded afterwards (see extracted.h).
class ExtractedValues {
 public:
  ExtractedValues(DictContainer& container, const KeyGroup& keys) : container_(container), keys_(keys) {}
  ~ExtractedValues() { drop(); }
  ExtractedValues(const ExtractedValues&) = delete;
  ExtractedValues& operator=(const ExtractedValues&) = delete;

  // Has all values copied, also those that could be decoded at once: for is().
  void copy_always() { copy_always_ = true; }
  // Takes the values of the keys from `from` on, until they are kGroupBytes; returns how many keys. Errors: as
  // Container::read; PythonError.
  std::size_t read(std::size_t from);
  // The same for a step of a sweep, from entry `first` on, whose records were named at `changes` of the store.
  std::size_t read(emd::Dict::Sweep& sweep, u64 first, u64 changes);
  // The number of the key of the i-th of these.
  std::size_t number(std::size_t i) const {
    return step_.empty() ? from_ + i : static_cast<std::size_t>(step_[i].key);
  }
  // After read(), of the i-th of the keys that it has read: whether there is a value; and the value as a new reference,
  // once, or null with an error set.
  bool found(std::size_t i) const { return values_[i].state != State::missing; }
  PyObject* object(std::size_t i);
  // Whether that record has the value that was taken. Precondition: copy_always(), found(i).
  bool is(std::size_t i, const emd::Dict::Record& record) const {
    return same_bytes(record.value, bytes(values_[i]));
  }

 private:
  enum class State : u8 { missing, object, copied };
  struct Value {
    State state = State::missing;
    PyObject* object = nullptr;
    std::size_t begin = 0, end = 0;  // of the copy
  };
  void begin();
  void take_all(std::size_t from);
  void take_step(emd::Dict::Sweep& sweep, u64 first, u64 changes);
  bool take_found(const std::optional<emd::Dict::Record>& record);
  bool take(const emd::Dict::Record& record);
  bool keep(PyObject* object) {
    values_.push_back({State::object, object});
    return object != nullptr;
  }
  Bytes bytes(const Value& value) const {
    return copies_.bytes().subspan(value.begin, value.end - value.begin);
  }
  void drop() {
    for (const Value& value : values_) Py_XDECREF(value.object);
    values_.clear();
  }

  DictContainer& container_;
  const KeyGroup& keys_;
  bool copy_always_ = false;
  std::size_t from_ = 0;
  std::span<const emd::Dict::Sweep::Entry> step_;  // empty: keys from from_ on
  u64 changes_ = 0;                                // of the store, when they were read
  Fetched fetched_;
  std::vector<Value> values_;
  Copies copies_;
};

std::size_t ExtractedValues::read(std::size_t from) {
  do {
    container_.read([&] { take_all(from); });
  } while (copies_.grow());
  return values_.size();
}

std::size_t ExtractedValues::read(emd::Dict::Sweep& sweep, u64 first, u64 changes) {
  do {
    container_.read([&] { take_step(sweep, first, changes); });
  } while (copies_.grow());
  return values_.size();
}

void ExtractedValues::begin() {
  drop();  // of a read that was in vain
  copies_.clear();
  changes_ = container_.store().changes();
}

// Precondition: within a read.
void ExtractedValues::take_all(std::size_t from) {
  begin();
  from_ = from;
  fetched_.fetch(container_, from, keys_.size(), [&](std::size_t i) { return keys_.key(i); });
  for (std::size_t i = 0; i < keys_.size() - from; ++i) {
    if (!take_found(container_.dict().find(fetched_[i]))) return;
  }
}

// Precondition: within a read. Where the dict has changed meanwhile, the keys are looked up anew.
void ExtractedValues::take_step(emd::Dict::Sweep& sweep, u64 first, u64 changes) {
  begin();
  const emd::Dict& dict = container_.dict();
  container_.handle().run_long([&] { step_ = sweep.fetch_step(dict, first); });
  for (const emd::Dict::Sweep::Entry& entry : step_) {
    const emd::Dict::Wanted wanted = dict.wanted(keys_.key(entry.key));
    if (!take_found(changes_ == changes ? sweep.find(dict, entry, wanted) : dict.find(wanted))) return;
  }
}

// False if no more is to be taken.
bool ExtractedValues::take_found(const std::optional<emd::Dict::Record>& record) {
  if (record) return take(*record) && copies_.size() < kGroupBytes;
  values_.push_back({});
  return true;
}

// False if the rest is in vain.
bool ExtractedValues::take(const emd::Dict::Record& record) {
  if (!copy_always_ && is_small_int(record.value)) return keep(small_int(record.value));
  const bool live = container_.live();
  if (!copy_always_ && !live && decodes_in_place(record.value)) {
    return keep(container_.codec().decode_value(record.value));
  }
  const std::size_t begin = copies_.size();
  if (!copies_.add(record.value, live)) return false;
  values_.push_back({State::copied, nullptr, begin, copies_.size()});
  return true;
}

PyObject* ExtractedValues::object(std::size_t i) {
  Value& value = values_[i];
  if (value.state == State::object) return std::exchange(value.object, nullptr);
  if (!container_.decoded().on() || copy_always_) return container_.codec().decode_value(bytes(value));
  return container_.shared_object(
      {keys_.key(number(i)), bytes(value), changes_, DecodedCache::Admission::evicting});
}

// With a write-back cache.
bool get_one_by_one(DictContainer& container, const KeyGroup& keys, PyObject* fallback, PyObject* result) {
  for (std::size_t i = 0; i < keys.size(); ++i) {
    PyObject* const value = dict_value(container, keys.key(i));
    if (!value && PyErr_Occurred()) return false;
    if (!append_object(result, value ? value : Py_NewRef(fallback))) return false;
  }
  return true;
}

// In the order of the index, and then of the records; of one state beside a writer, as far as nobody else here writes.
bool sweep_group(DictContainer& container, const KeyGroup& keys, PyObject* fallback, PyObject* result) {
  const Container::SnapshotGuard snapshot(container);
  const auto hash_of = [&](u64 i) { return container.dict().wanted(keys.key(i)).hash; };
  std::optional<emd::Dict::Sweep> sweep;
  u64 changes = 0;
  container.read([&] {
    changes = container.store().changes();
    sweep.emplace(keys.size(), hash_of);
  });
  for (u64 at = 0; at < keys.size();) {
    at = container.read([&] {
      u64 end = 0;
      container.handle().run_long([&] { end = sweep->name_records(container.dict(), at, hash_of); });
      return end;
    });
  }
  sweep->turn();
  std::vector<OwnedRef> objects(keys.size());
  ExtractedValues values(container, keys);
  for (u64 at = 0; at < keys.size();) {
    const std::size_t count = values.read(*sweep, at, changes);
    for (std::size_t i = 0; i < count; ++i) {
      OwnedRef& object = objects[values.number(i)];
      object = values.found(i) ? OwnedRef(values.object(i)) : OwnedRef::borrowed(fallback);
      if (!object) return false;
    }
    at += count;
    if (!let_others_in()) return false;
  }
  return std::all_of(objects.begin(), objects.end(),
                     [&](OwnedRef& object) { return append_object(result, object.release()); });
}

bool get_group(DictContainer& container, const KeyGroup& keys, PyObject* fallback, PyObject* result) {
  if (container.keeps_objects()) return get_one_by_one(container, keys, fallback, result);
  if (keys.wide()) return sweep_group(container, keys, fallback, result);
  ExtractedValues values(container, keys);
  for (std::size_t from = 0; from < keys.size();) {
    const std::size_t count = values.read(from);
    for (std::size_t i = 0; i < count; ++i) {
      if (!append_object(result, values.found(i) ? values.object(i) : Py_NewRef(fallback))) return false;
    }
    from += count;
  }
  return true;
}

// Precondition: there are keys. Their order is that of the result.
bool find_group(DictContainer& container, const KeyGroup& keys, PyObject* result) {
  Fetched fetched;
  std::vector<char> found;
  container.read([&] {
    fetched.fetch(container, 0, keys.size(), [&](std::size_t i) { return keys.key(i); });
    found.clear();
    for (std::size_t i = 0; i < keys.size(); ++i)
      found.push_back(container.dict().find(fetched[i]).has_value());
  });
  return std::all_of(found.begin(), found.end(),
                     [&](char there) { return append_object(result, PyBool_FromLong(there)); });
}

// Erases what was read, unless another thread, or the same key earlier in the batch, has changed it meanwhile:
// `changed` gets the places of those whose value is another one now, `gone` of those that have none.
struct Popped {
  std::vector<std::size_t> changed, gone;
};
void erase_read(DictContainer& container, const KeyGroup& keys, std::size_t from,
                const ExtractedValues& values, std::size_t count, Popped& popped) {
  DeferredDecrefs deferred;
  const Container::EntryGuard entered(container);
  for (std::size_t i = 0; i < count; ++i) {
    if (!values.found(i)) continue;
    const auto record = container.dict().find(keys.key(from + i));
    if (!record) {
      popped.gone.push_back(i);
    } else if (!values.is(i, *record)) {
      popped.changed.push_back(i);
    } else {
      dict_erase(container, *record, deferred);
    }
  }
}

bool pop_one_by_one(DictContainer& container, const KeyGroup& keys, PyObject* fallback, PyObject* result) {
  for (std::size_t i = 0; i < keys.size(); ++i) {
    PyObject* const value = dict_pop(container, keys.key(i));
    if (!value && PyErr_Occurred()) return false;
    if (!append_object(result, value ? value : Py_NewRef(fallback))) return false;
  }
  return true;
}

// All is decoded before anything is removed, so that what cannot be decoded stays.
bool pop_part(DictContainer& container, const KeyGroup& keys, std::size_t& from, PyObject* fallback,
              std::vector<OwnedRef>& objects) {
  ExtractedValues values(container, keys);
  values.copy_always();
  const std::size_t count = values.read(from);
  objects.clear();
  for (std::size_t i = 0; i < count; ++i) {
    objects.emplace_back(values.found(i) ? values.object(i) : Py_NewRef(fallback));
    if (!objects.back()) return false;
  }
  Popped popped;
  erase_read(container, keys, from, values, count, popped);
  for (const std::size_t i : popped.gone) objects[i] = OwnedRef::borrowed(fallback);
  for (const std::size_t i : popped.changed) {
    OwnedRef value(dict_pop(container, keys.key(from + i)));
    if (!value && PyErr_Occurred()) return false;
    objects[i] = value ? std::move(value) : OwnedRef::borrowed(fallback);
  }
  from += count;
  return true;
}

bool pop_group(DictContainer& container, const KeyGroup& keys, PyObject* fallback, PyObject* result) {
  if (container.keeps_objects()) return pop_one_by_one(container, keys, fallback, result);
  std::vector<OwnedRef> objects;
  for (std::size_t from = 0; from < keys.size();) {
    if (!pop_part(container, keys, from, fallback, objects)) return false;
    for (OwnedRef& object : objects) {
      if (!append_object(result, object.release())) return false;
    }
  }
  return true;
}

// Hands the keys to use(group, result) in groups; a new list, or null with an error set. Before each but the first,
// prepare(group, given) clears the group, when so many keys have been given.
template <class Use, class Prepare>
PyObject* in_groups(DictContainer& container, PyObject* keys, Use&& use, Prepare&& prepare) {
  { const Container::EntryGuard entered(container); }  // a closed one is refused, whatever the keys are
  ObjectSource source;
  OwnedRef result(PyList_New(0));
  if (!result || !source.open(keys)) return nullptr;
  KeyGroup group;
  while (fill(group, container.codec(), source) && use(group, result.get())) {
    if (!group.full()) return result.release();
    prepare(group, source.given());
  }
  return nullptr;
}

template <class Use>
PyObject* in_groups(DictContainer& container, PyObject* keys, Use&& use) {
  return in_groups(container, keys, use, [](KeyGroup& group, Py_ssize_t) { group.clear(); });
}

// Clears the group for a sweep through `count` keys or a part of them, if pages are missing and that pays; else for a
// group. A third of the memory is for the order of the sweep, the rest for keys and references to objects.
void clear_for(DictContainer& container, Py_ssize_t count, KeyGroup& group) {
  const Container::EntryGuard entered(container);
  const u64 memory = container.store().buffer_budget() / 3;
  const u64 keys = count <= 0 ? 0 : container.read_consistent([&] {
    return emd::Dict::Sweep::keys_of(container.dict(), static_cast<u64>(count), memory);
  });
  keys != 0 ? group.clear(keys, memory) : group.clear();
}

}  // namespace

PyObject* dict_get_many(DictContainer& container, PyObject* keys, PyObject* fallback) {
  { const Container::EntryGuard entered(container); }  // before anybody is asked for a length
  const Py_ssize_t count = PyObject_LengthHint(keys, 0);
  if (count < 0) return nullptr;
  return in_groups(
      container, keys,
      [&](const KeyGroup& group, PyObject* result) { return get_group(container, group, fallback, result); },
      [&](KeyGroup& group, Py_ssize_t given) { clear_for(container, count - given, group); });
}

PyObject* dict_contains_many(DictContainer& container, PyObject* keys) {
  return in_groups(container, keys, [&](const KeyGroup& group, PyObject* result) {
    return group.size() == 0 || find_group(container, group, result);
  });
}

PyObject* dict_pop_many(DictContainer& container, PyObject* keys, PyObject* fallback) {
  return in_groups(container, keys, [&](const KeyGroup& group, PyObject* result) {
    return pop_group(container, group, fallback, result);
  });
}

}  // namespace pyr
