// Iterators over an EMSet, and over what of it another set has too, or has not.
//
// They refuse to go on as a dict's do (python/dict/views.cpp): when an element was added or removed, a transaction was rolled
// back, or the set was opened anew.
#include <memory>
#include <optional>
#include <utility>

#include "base/hash.h"
#include "python/core/batch.h"
#include "python/kit/cursor.h"
#include "python/set/object.h"
#include "structures/set/membership.h"

namespace pyr {
namespace {

// What a walk has to find again.
struct SetState {
  u64 version = 0;
  u64 epoch = 0;

  // Within a read.
  static SetState of(SetContainer& container) { return {container.set().version(), container.epoch()}; }
  bool operator==(const SetState&) const = default;
};

struct SetWalk {
  using Owner = SetContainer;
  static constexpr const char* kTypeName = "pyrsistence._core.SetIterator";
  // Elements that are passed by before others are let in.
  static constexpr unsigned kMostPassed = 65536;

  class Item : public TakenKey {
   public:
    Item(SetContainer& container, const SetWalk&) : TakenKey(container) {}
    bool grow() {
      if (__builtin_expect(!passes_on, 1)) return TakenKey::grow();
      require(let_others_in());
      return true;
    }
    bool passes_on = false;  // there is no element yet
  };
  struct Reached {
    std::optional<emd::RecordPos> position = {};
    u64 key_hash = 0;  // of the record at `position`; kept only beside a writer
    u64 number = 0;    // of records up to it
    u64 left = 0;      // elements that are still to be given
  };

  bool backwards = false;
  SetState state = {};
  Reached reached = {};
  // Where not all elements are wanted: those whose bit is `wanted`.
  std::shared_ptr<const emd::Membership> members = nullptr;
  bool wanted = true;
  emd::Scan scan = {};

  Step advance(SetContainer& container, Item& item) {
    if (__builtin_expect(!container.live(), 1)) return take<false>(container, reached, item);
    Reached then;
    const Step step = container.look([&] { return take<true>(container, then = reached, item); });
    if (step == Step::given && !item.must_grow()) reached = then;
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
    return SetState::of(container) == state ? static_cast<Py_ssize_t>(reached.left) : 0;
  }

 private:
  // Takes the next element; `then`, where the walk is, becomes where it is afterwards. Within a read.
  template <bool kLive>
  Step take(SetContainer& container, Reached& then, Item& item) {
    const emd::Set& set = container.set();
    if (SetState::of(container) != state || (kLive && !stands_on_its_record(set)))
      return kLive ? Step::changed_by_writer : Step::changed;
    item.passes_on = false;
    for (unsigned passed = 0; !members || then.left != 0; ++passed) {
      item.passes_on = passed == kMostPassed;
      if (item.passes_on) return Step::given;
      const auto record = next(set, then.position);
      if (!record) break;
      set.reached(record->position, scan);
      if (kLive) then.key_hash = emd::hash64(record->key, 0);
      then.position = record->position;
      if (!is_wanted(then.number++)) continue;
      if (then.left != 0) --then.left;
      item.take(*record);
      return Step::given;
    }
    return Step::exhausted;
  }
  // Beside a writer a position may have become that of another record, or of none, without a change of version().
  bool stands_on_its_record(const emd::Set& set) const {
    try {
      return !reached.position || emd::hash64(set.key_at(*reached.position), 0) == reached.key_hash;
    } catch (const emd::DamagedError&) {
      return false;
    }
  }
  std::optional<emd::Set::Record> next(const emd::Set& set, std::optional<emd::RecordPos> position) const {
    if (backwards) return position ? set.previous(*position) : set.last();
    return position ? set.next(*position) : set.first();
  }
  // Damage may show more records than there are bits.
  bool is_wanted(u64 number) const {
    return !members || (number < members->count() && members->contains(number) == wanted);
  }
};
using SetCursor = Cursor<SetWalk>;

PyObject* make_iterator(SetContainer& container, bool backwards) {
  SetWalk walk{backwards};
  container.read([&] {
    walk.state = SetState::of(container);
    walk.reached.left = container.set().size();
  });
  return SetCursor::make(container.self(), std::move(walk));
}

// How members_of() looks at a set, which stays in this state.
emd::MembershipLook look_at(SetContainer& container, SetState state) {
  return [&container, state](const emd::MembershipPart& part) {
    container.read([&] {
      if (SetState::of(container) != state) throw emd::StateError("Set changed size during iteration");
      part(container.set());
    });
  };
}

}  // namespace

PyObject* set_iter(SetContainer& container) { return make_iterator(container, false); }
PyObject* set_reversed(SetContainer& container) { return make_iterator(container, true); }

PyObject* set_joined(SetContainer& container, PyObject* object, bool wanted) {
  if (!TypeOf<SetContainer>::is(object)) {
    PyErr_Format(PyExc_TypeError, "expected an EMSet, found %.100s", Py_TYPE(object)->tp_name);
    return nullptr;
  }
  SetContainer& other = unboxed<SetContainer>(object);
  const Container::Snapshot held(container), other_held(other);
  SetWalk walk{.wanted = wanted};
  u64 memory = 0;
  container.read([&] {
    walk.state = SetState::of(container);
    memory = container.store().buffer_budget();
  });
  const SetState other_state = other.read([&] { return SetState::of(other); });
  walk.members = std::make_shared<const emd::Membership>(emd::members_of(
      look_at(container, walk.state), look_at(other, other_state), memory, [] { require(let_others_in()); }));
  const u64 found = walk.members->found();
  walk.reached.left = wanted ? found : walk.members->count() - found;
  return SetCursor::make(container.self(), std::move(walk));
}

bool iterates_over_another(PyObject* object, PyObject* set) {
  return SetCursor::is(object) && !SetCursor::is_over(object, set);
}

bool add_set_iterator_type(PyObject* module) { return SetCursor::add_type(module); }

}  // namespace pyr
