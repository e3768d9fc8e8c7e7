// Iterators over an EMTypedDict; its views are written in Python (pyrsistence/_containers/typed_views.py).
//
// An iterator keeps the row it goes on at. It refuses when a key was inserted or removed, or a transaction was rolled
// back, since it began, or the dict was opened anew; new values for old keys are allowed. The version is in the file,
// so this holds beside a writer too.
#include <algorithm>

#include "python/kit/cursor.h"
#include "python/typed_dict/object.h"

namespace pyr {
namespace {

struct TypedWalk {
  using Owner = TypedContainer;
  static constexpr const char* kTypeName = "pyrsistence._core.TypedDictIterator";
  // The bytes of a row, with the types that the dict has when the step begins.
  struct Item {
    Item(TypedContainer& container, const TypedWalk& walk)
        : columns(container.columns()),
          part(walk.part),
          key(columns.keys.bytes()),
          value(columns.values.bytes()) {}
    PyObject* object() { return typed_object(columns, part, key, value); }
    static bool grow() { return false; }

    const Columns& columns;
    const TypedPart part;
    ScalarBytes key, value;
  };

  TypedPart part = TypedPart::key;
  bool backwards = false;
  u64 version = 0;
  u64 epoch = 0;
  u64 row = 0;  // forwards: the next to look at; backwards: the one behind it
  Py_ssize_t remaining = 0;

  Step advance(TypedContainer& container, Item& item) {
    u64 next = 0;
    const Step step = container.read_consistent([&] { return take(container, next, item); });
    if (step != Step::given) return step;
    row = next;
    --remaining;
    return step;
  }
  PyObject* refuse(Step step) const {
    const bool of_set = part == TypedPart::element;
    const char* const what = of_set ? "Set" : "dictionary";
    if (step == Step::changed)
      return PyErr_Format(PyExc_RuntimeError, "%s changed size during iteration", what);
    return PyErr_Format(
        PyExc_RuntimeError,
        "%s changed during iteration, by a commit of its writer: iterate under `with %s.snapshot():`", what,
        of_set ? "s" : "d");
  }
  Py_ssize_t left(TypedContainer& container) const { return is_current(container) ? remaining : 0; }

 private:
  bool is_current(TypedContainer& container) const {
    return container.any_dict().version() == version && container.epoch() == epoch;
  }
  // Within a read. `next` becomes where the iterator is then.
  Step take(TypedContainer& container, u64& next, Item& item) const {
    if (!is_current(container)) return container.live() ? Step::changed_by_writer : Step::changed;
    const emd::TypedDict& dict = container.dict(item.columns);
    const u64 found = backwards ? dict.previous_live(row) : dict.next_live(row);
    if (found == emd::TypedDict::kNone) return Step::exhausted;
    next = backwards ? found : found + 1;
    if (part != TypedPart::value) std::memcpy(item.key.data(), dict.key_at(found), item.key.size());
    if (part == TypedPart::value || part == TypedPart::item)
      std::memcpy(item.value.data(), dict.value_at(found), item.value.size());
    return Step::given;
  }
};

}  // namespace

PyObject* typed_iterator(TypedContainer& container, TypedPart part, bool backwards) {
  TypedWalk walk{part, backwards};
  container.read([&] {
    const emd::TypedDict& typed = container.any_dict();
    walk.version = typed.version();
    walk.epoch = container.epoch();
    walk.row = backwards ? typed.row_count() : std::min(typed.row_count(), typed.first_live());
    walk.remaining = static_cast<Py_ssize_t>(typed.size());
  });
  return Cursor<TypedWalk>::make(container.self(), std::move(walk));
}

PyObject* typed_iter(TypedContainer& container) { return typed_iterator(container, TypedPart::key, false); }

bool add_typed_iterator_type(PyObject* module) { return Cursor<TypedWalk>::add_type(module); }

}  // namespace pyr
