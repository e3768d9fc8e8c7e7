// EMDict.set_many, and groups of pairs on their way into a dict.
#include "platform/mapping.h"
#include "python/dict/batch.h"

namespace pyr {

bool PairGroup::encode(PyObject* key, PyObject* value) {
  Codec& codec = container_.codec();
  Pair pair{};
  annex_.clear();
  if (!codec.encode_key(key, bytes_, &annex_)) return false;
  pair.key_end = bytes_.size();
  if (annex_.size() != 0) {
    u8* const to = bytes_.room(annex_.size());
    if (!to) return false;
    std::memcpy(to, annex_.data(), annex_.size());
    bytes_.advance(annex_.size());
  }
  pair.annex_end = bytes_.size();
  if (!codec.encode_value(value, bytes_)) return false;
  pair.value_end = bytes_.size();
  pairs_.push_back(pair);
  return true;
}

bool PairGroup::add(PyObject* key, PyObject* value) {
  if (__builtin_expect(!container_.keeps_nothing(), 0)) return dict_store(container_, key, value);
  const std::size_t before = bytes_.size();
  if (!encode(key, value)) {
    bytes_.truncate(before);
    return false;
  }
  if (pairs_.size() < emd::Dict::kMaxGroup && bytes_.size() < kGroupBytes) return true;
  store();
  return let_others_in();
}

// Precondition: entered. Only what is missed while reading counts: a page that is new at the end of a file faults as
// well, and no disk is asked for it.
void PairGroup::fetch() {
  fetched_.hash(container_, 0, pairs_.size(),
                [this](std::size_t i) { return part(start(i), pairs_[i].key_end); });
  emd::Dict& dict = container_.dict();
  const u64 before = emd::platform::major_faults();
  const bool asks = missing_ && dict.begin_batch();
  if (asks) container_.handle().run_long([&] { dict.read_ahead(fetched_.wanted()); });
  dict.fetch(fetched_.wanted());
  missing_ = asks || emd::platform::major_faults() != before;
}

void PairGroup::store() {
  if (pairs_.empty()) return;
  DeferredDecrefs deferred;
  const Container::EntryGuard entered(container_);
  fetch();
  for (std::size_t i = 0; i < pairs_.size(); ++i) {
    const Pair& pair = pairs_[i];
    const emd::Operation operation(container_.store());
    container_.dict().put(fetched_[i], part(pair.key_end, pair.annex_end),
                          part(pair.annex_end, pair.value_end));
    if (__builtin_expect(container_.decoded().on(), 0))
      container_.decoded().forget(fetched_[i].key, deferred);
  }
  pairs_.clear();
  bytes_.clear();
}

void PairGroup::store_rest() {
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  OwnedRef held[] = {OwnedRef(type), OwnedRef(value), OwnedRef(traceback)};
  store();
  PyErr_Restore(held[0].release(), held[1].release(), held[2].release());
}

namespace {

enum class NextPair { pair, end, failed };

// A pair of one object of each. Failed with an error set, also if only one of them is at its end.
NextPair next_pair(ObjectSource& keys, ObjectSource& values, OwnedRef& key, OwnedRef& value) {
  key = keys.next();
  if (!key && PyErr_Occurred()) return NextPair::failed;
  value = values.next();
  if (!value && PyErr_Occurred()) return NextPair::failed;
  if (key && value) return NextPair::pair;
  if (!key && !value) return NextPair::end;
  refuse_end("keys", static_cast<bool>(key), key ? values.given() : keys.given());
  return NextPair::failed;
}

bool add_all(PairGroup& group, ObjectSource& keys, ObjectSource& values) {
  OwnedRef key;
  OwnedRef value;
  while (true) {
    const NextPair next = next_pair(keys, values, key, value);
    if (next != NextPair::pair) return next == NextPair::end;
    if (!group.add(key.get(), value.get())) {
      name_place("pair", keys.given() - 1);
      return false;
    }
  }
}

// What the dict itself gives is taken before any of it changes.
OwnedRef apart(DictContainer& container, PyObject* source) {
  return shows_dict(source, container.self()) ? OwnedRef(PySequence_List(source))
                                              : OwnedRef::borrowed(source);
}

}  // namespace

bool dict_set_many(DictContainer& container, PyObject* given_keys, PyObject* given_values) {
  { const Container::EntryGuard entered(container); }  // a closed one is refused, whatever the arguments are
  const OwnedRef keys = apart(container, given_keys), values = apart(container, given_values);
  if (!keys || !values) return false;
  ObjectSource key_source;
  ObjectSource value_source;
  if (!may_pair(keys.get(), values.get(), "keys") || !key_source.open(keys.get()) ||
      !value_source.open(values.get()))
    return false;
  PairGroup group(container);
  if (add_all(group, key_source, value_source)) {
    group.store();
    return true;
  }
  group.store_rest();
  return false;
}

}  // namespace pyr
