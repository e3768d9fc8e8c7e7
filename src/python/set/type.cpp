// The EMSet base type: its life, slots and methods. The algebra of sets is written in Python
// (pyrsistence/_containers/set_algebra.py).
#include <utility>
#include <vector>

#include "python/codec/object_source.h"
#include "python/core/batch.h"
#include "python/core/extracted.h"
#include "python/kit/cursor.h"
#include "python/set/object.h"
#include "structures/set/key_walk.h"

namespace pyr {

void SetContainer::want(PyObject* wanted) {
  unsigned segment_buckets = 0, hash_bits = 0;
  unsigned long long delta_limit = 0;
  require(PyArg_ParseTuple(wanted, "IIK", &segment_buckets, &hash_bits, &delta_limit));
  wanted_ = {segment_buckets, hash_bits, delta_limit};
}

namespace {

// ---- Walks
//
// They refuse to go on as a dict's do (python/dict/views.cpp): when an element was added or removed, a transaction was
// rolled back, or the set was opened anew.

// An element on its way out.
class ExtractedKey {
 public:
  explicit ExtractedKey(SetContainer& container) : container_(container) {}

  // Within a read.
  void take(const emd::Set::Record& record) {
    copies_.clear();
    key_size_ = record.key.size();
    if (copies_.add(record.key, container_.live())) copies_.add(record.annex, container_.live());
  }
  // After it: whether the read has to be repeated; grow() makes the room for that. Errors: PythonError.
  bool must_grow() const { return copies_.must_grow(); }
  bool grow() { return copies_.grow(); }
  bool is(const emd::Set::Record& record) const {
    return same_bytes(record.key, copies_.bytes().first(key_size_));
  }
  // A new reference, or null with an error set.
  PyObject* object() const {
    const Bytes all = copies_.bytes();
    return container_.codec().decode_key(all.first(key_size_), all.subspan(key_size_));
  }

 private:
  SetContainer& container_;
  std::size_t key_size_ = 0;
  Copies copies_;
};

// What a walk has to find again. Within a read.
using SetState = std::pair<u64, u64>;
SetState state_of(SetContainer& container) { return {container.set().version(), container.epoch()}; }

struct SetWalk {
  using Owner = SetContainer;
  static constexpr const char* kTypeName = "pyrsistence._core.SetIterator";
  struct Item : ExtractedKey {
    Item(SetContainer& container, const SetWalk&) : ExtractedKey(container) {}
    bool grow() {
      if (__builtin_expect(!passes_on, 1)) return ExtractedKey::grow();
      require(let_others_in());
      return true;
    }
    bool passes_on = false;  // there is no element yet
  };

  SetState state = {};
  emd::KeyWalk keys = {};
  emd::Scan scan = {};

  Step advance(SetContainer& container, Item& item) {
    if (__builtin_expect(!container.live(), 1)) return take(container, keys, item, false);
    emd::KeyWalk then;
    const Step step = container.read_consistent([&] { return take(container, then = keys, item, true); });
    if (step == Step::given && !item.must_grow()) keys = then;
    return step;
  }
  static PyObject* refuse(Step step) {
    PyErr_SetString(PyExc_RuntimeError, step == Step::changed
                                            ? "Set changed size during iteration"
                                            : "set changed during iteration, by a commit of its writer: "
                                              "iterate under `with s.snapshot():`");
    return nullptr;
  }
  Py_ssize_t left(SetContainer& container) const {
    return state_of(container) == state ? static_cast<Py_ssize_t>(keys.left()) : 0;
  }

 private:
  // Within a read.
  Step take(SetContainer& container, emd::KeyWalk& walk, Item& item, bool live) {
    const emd::Set& set = container.set();
    if (state_of(container) != state || (live && !walk.stands_on_its_key(set)))
      return live ? Step::changed_by_writer : Step::changed;
    const auto record = walk.next(set, scan, live);
    item.passes_on = walk.more();
    if (record) item.take(*record);
    return record || item.passes_on ? Step::given : Step::exhausted;
  }
};
using SetCursor = Cursor<SetWalk>;

PyObject* make_iterator(SetContainer& container, bool backwards) {
  SetWalk walk;
  container.read([&] {
    walk.state = state_of(container);
    walk.keys = {container.set().size(), backwards};
  });
  return SetCursor::make(container.self(), std::move(walk));
}

// How members_of() reads a set, which stays in this state.
emd::MembershipReader<emd::Dict> reader_of(SetContainer& container, SetState state) {
  return [&container, state](const emd::MembershipPart<emd::Dict>& part) {
    container.read([&] {
      if (state_of(container) != state) throw emd::StateError("Set changed size during iteration");
      part(container.set());
    });
  };
}

PyObject* set_iter(SetContainer& container) { return make_iterator(container, false); }
PyObject* set_reversed(SetContainer& container) { return make_iterator(container, true); }

PyObject* set_joined(SetContainer& container, PyObject* object, bool wanted) {
  if (!TypeOf<SetContainer>::is(object)) {
    PyErr_Format(PyExc_TypeError, "expected an EMSet, found %.100s", Py_TYPE(object)->tp_name);
    return nullptr;
  }
  SetContainer& other = unboxed<SetContainer>(object);
  const Container::SnapshotGuard held(container), other_held(other);
  SetWalk walk;
  u64 memory = 0;
  container.read([&] {
    walk.state = state_of(container);
    memory = container.store().buffer_budget();
  });
  const SetState other_state = other.read([&] { return state_of(other); });
  walk.keys = {emd::members_of(reader_of(container, walk.state), reader_of(other, other_state), memory,
                               [] { require(let_others_in()); }),
               wanted};
  return SetCursor::make(container.self(), std::move(walk));
}

// ---- Many elements

// Elements, encoded, that are added, removed or looked up together; see python/core/batch.h.
class ElementGroup {
 public:
  explicit ElementGroup(SetContainer& container) : container_(container) {}

  // False with an error set; the group is then as before.
  bool add(PyObject* element) {
    const std::size_t before = bytes_.size();
    annex_.clear();
    const bool encoded = container_.codec().encode_key(element, bytes_, &annex_);
    const std::size_t key_end = bytes_.size();
    u8* const to = encoded ? bytes_.room(annex_.size()) : nullptr;
    if (!to) return bytes_.truncate(before), false;
    std::copy_n(annex_.data(), annex_.size(), to);
    bytes_.advance(annex_.size());
    ends_.emplace_back(key_end, bytes_.size());
    return true;
  }
  bool full(std::size_t most) const { return ends_.size() >= most || bytes_.size() >= kGroupBytes; }
  void clear() {
    ends_.clear();
    bytes_.clear();
  }

  // Within an EntryGuard, or a read: fetches all, and calls use(set, wanted, annex) for each.
  template <class Use>
  void for_each(Use&& use) {
    emd::Set& set = container_.set();
    wanted_.clear();
    std::size_t begin = 0;
    for (const auto& [key_end, end] : ends_) {
      wanted_.push_back(set.wanted(bytes_.bytes().subspan(begin, key_end - begin)));
      begin = end;
    }
    fetch_group(container_, set, wanted_);
    for (std::size_t i = 0; i < ends_.size(); ++i)
      use(set, wanted_[i], bytes_.bytes().subspan(ends_[i].first, ends_[i].second - ends_[i].first));
  }

 private:
  SetContainer& container_;
  Buffer bytes_;
  Buffer annex_;
  std::vector<std::pair<std::size_t, std::size_t>> ends_;  // of a key and of its annex
  std::vector<emd::Set::Wanted> wanted_;
};

// Hands the elements of an iterable to use(group): many at a time where nobody's code runs between two of them, else
// each alone, since that code may look at the set. What comes before an error counts.
template <class Use>
void in_groups(SetContainer& container, PyObject* iterable, Use&& use) {
  { const Container::EntryGuard entered(container); }  // a closed one is refused, whatever the argument is
  const OwnedRef walked(TypeOf<SetContainer>::is(iterable) ? PyObject_GetIter(iterable)
                                                           : Py_NewRef(iterable));
  ObjectSource source;
  require(walked && source.open(walked.get()));
  const bool together = source.runs_no_code() ||
                        (SetCursor::is(walked.get()) && !SetCursor::is_over(walked.get(), container.self()));
  ElementGroup group(container);
  std::size_t most = together ? kFirstGroup : 1;
  while (const OwnedRef element = source.next()) {
    if (!group.add(element.get())) {
      name_place("element", source.given() - 1);
      break;
    }
    if (!group.full(most)) continue;
    use(group);
    group.clear();
    if (together || source.given() % Py_ssize_t{emd::Set::kMaxGroup} == 0) require(let_others_in());
    if (together) most = emd::Set::kMaxGroup;
  }
  if (!PyErr_Occurred()) return use(group);
  const PendingErrorGuard error;
  use(group);
  throw PythonError();
}

PyObject* contains_many(SetContainer& container, PyObject* elements) {
  OwnedRef result(PyList_New(0));
  require(static_cast<bool>(result));
  std::vector<char> found;
  in_groups(container, elements, [&](ElementGroup& group) {
    container.read([&] {
      found.clear();
      group.for_each(
          [&](emd::Set& set, const auto& wanted, Bytes) { found.push_back(set.find(wanted).has_value()); });
    });
    for (const char there : found) require(append_object(result.get(), PyBool_FromLong(there)));
  });
  return result.release();
}

void add_all(SetContainer& container, PyObject* elements) {
  in_groups(container, elements, [&](ElementGroup& group) {
    const Container::EntryGuard entered(container);
    group.for_each([&](emd::Set& set, const auto& wanted, Bytes annex) {
      container.change([&] { set.put(wanted, annex, {}); });
    });
  });
}

void discard_all(SetContainer& container, PyObject* elements) {
  in_groups(container, elements, [&](ElementGroup& group) {
    const Container::EntryGuard entered(container);
    group.for_each([&](emd::Set& set, const auto& wanted, Bytes) {
      if (const auto record = set.find(wanted)) container.change([&] { set.erase(*record); });
    });
  });
}

// ---- One element

// The canonical bytes of an element that is looked for: of a set, which is none, those of the frozenset that it equals,
// as for set.
void encode_sought(SetContainer& container, PyObject* element, Buffer& canonical) {
  if (container.codec().encode_key(element, canonical, nullptr)) return;
  require((PySet_Check(element) || TypeOf<SetContainer>::is(element)) &&
          PyErr_ExceptionMatches(PyExc_TypeError));
  PyErr_Clear();
  canonical.clear();
  const OwnedRef frozen(PyFrozenSet_New(element));
  require(frozen && container.codec().encode_key(frozen.get(), canonical, nullptr));
}

int contains(SetContainer& container, PyObject* element) {
  Buffer canonical;
  encode_sought(container, element, canonical);
  return container.read([&] { return container.set().find(canonical.bytes()).has_value() ? 1 : 0; });
}

void add(SetContainer& container, PyObject* element) {
  Buffer canonical, annex;
  require(container.codec().encode_key(element, canonical, &annex));
  const Container::EntryGuard entered(container);
  container.change([&] { container.set().put(canonical.bytes(), annex.bytes(), {}); });
}

bool erase(SetContainer& container, PyObject* element) {
  Buffer canonical;
  encode_sought(container, element, canonical);
  const Container::EntryGuard entered(container);
  return container.change([&] { return container.set().erase(canonical.bytes()); });
}

void discard(SetContainer& container, PyObject* element) { erase(container, element); }

void remove(SetContainer& container, PyObject* element) {
  if (erase(container, element)) return;
  set_key_error(element);
  throw PythonError();
}

// It is decoded before it is removed, so that what cannot be decoded stays; if another thread has changed the set
// meanwhile, once more.
PyObject* pop(SetContainer& container) {
  while (true) {
    ExtractedKey element(container);
    bool found = false;
    do {
      container.read([&] {
        const auto record = container.set().last();
        found = record.has_value();
        if (found) element.take(*record);
      });
    } while (found && element.grow());
    if (!found) PyErr_SetString(PyExc_KeyError, "pop from an empty set");
    OwnedRef object(found ? element.object() : nullptr);
    if (!object) return nullptr;
    const Container::EntryGuard entered(container);
    const auto now = container.set().last();
    if (!now || !element.is(*now)) continue;
    container.change([&] { container.set().erase(*now); });
    return object.release();
  }
}

// ---- All elements

Py_ssize_t length(SetContainer& container) {
  return container.read([&] { return static_cast<Py_ssize_t>(container.set().size()); });
}

void clear(SetContainer& container) {
  const Container::EntryGuard entered(container);
  container.change([&] { container.set().clear(); });
}

PyMethodDef methods[] = {
    method<"add", &add>("add($self, element, /)\n--\n\nAdd an element, unless it is there.\n\n**Cost**: a "
                        "look-up; an insertion if it is new."),
    method<"discard", &discard>("discard($self, element, /)\n--\n\nRemove an element if it is "
                                "there.\n\n**Cost**: a look-up, and a removal."),
    method<"remove", &remove>("remove($self, element, /)\n--\n\nRemove an element; KeyError if it is not "
                              "there.\n\n**Cost**: as discard()."),
    method<"pop", &pop>("pop($self, /)\n--\n\nRemove the element added last and return it; KeyError if there "
                        "is none.\n\n**Cost**: a look-up."),
    method<"clear", &clear>(
        "clear($self, /)\n--\n\nRemove all elements.\n\n**Cost**: O(1); space returns at a checkpoint."),
    method<"contains_many", &contains_many>(
        "contains_many($self, elements, /)\n--\n\nReturn, as a list of booleans, which of elements are "
        "there.\n\n**Cost**, errors: as "
        "EMDict.contains_many().\n\n>>> EMSet(None, 'abc').contains_many('xa')\n[False, True]"),
    method<"__reversed__", &set_reversed>("Iterate over the elements, the last added first."),
    method<"_add_all", &add_all>("Add the elements of an iterable."),
    method<"_discard_all", &discard_all>("Remove the elements of an iterable."),
    method<"_joined", &set_joined>("Iterate over the elements that another EMSet has too, or has not."),
    kEndOfMethods};

}  // namespace

bool add_set_types(PyObject* module) {
  return add_container_type<SetContainer>(module, methods,
                                          {slot<&set_iter>(Py_tp_iter),
                                           {Py_tp_hash, reinterpret_cast<void*>(PyObject_HashNotImplemented)},
                                           slot<&length>(Py_mp_length),
                                           slot<&length>(Py_sq_length),
                                           slot<&contains>(Py_sq_contains)}) &&
         SetCursor::add_type(module);
}

}  // namespace pyr
