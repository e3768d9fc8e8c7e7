// Iterators over an EMDeque: they refuse to go on when elements came, went or moved, a transaction was rolled back, or
// the deque was opened anew. An element may be assigned meanwhile.
#include <optional>
#include <utility>

#include "python/deque/object.h"
#include "python/kit/cursor.h"

namespace pyr {
namespace {

// What a walk has to find again. Within a read.
using DequeState = std::pair<u64, u64>;
DequeState state_of(DequeContainer& container) { return {container.deque().version(), container.epoch()}; }

struct DequeWalk {
  using Owner = DequeContainer;
  static constexpr const char* kTypeName = "pyrsistence._core.DequeIterator";
  struct Item : ExtractedElement {
    Item(DequeContainer& container, const DequeWalk&)
        : ExtractedElement(container, ExtractedElement::Admission::if_free) {}
  };

  DequeState state = {};
  Py_ssize_t step = 1;   // or -1: backwards
  Py_ssize_t index = 0;  // of the next element
  emd::Scan words = {};
  emd::Scan blocks = {};

  Step advance(DequeContainer& container, Item& item) {
    const auto at = static_cast<u64>(index);  // -1, when the front is reached, is beyond any size
    const Step taken = container.read_consistent([&] {
      if (state_of(container) != state) return container.live() ? Step::changed_by_writer : Step::changed;
      if (at >= container.deque().size()) return Step::exhausted;
      item.take(at);
      return Step::given;
    });
    if (taken != Step::given) return taken;
    container.deque().reached(at, words);
    if (item.word().is_reference()) container.deque().reached_block(item.word(), blocks);
    if (!item.must_grow()) index += step;
    return Step::given;
  }
  static PyObject* refuse(Step step) {
    PyErr_SetString(PyExc_RuntimeError, step == Step::changed
                                            ? "deque mutated during iteration"
                                            : "deque mutated during iteration, by a commit of its writer: "
                                              "iterate under `with d.snapshot():`");
    return nullptr;
  }
  Py_ssize_t left(DequeContainer& container) const {
    if (state_of(container) != state) return 0;
    return step < 0 ? index + 1 : static_cast<Py_ssize_t>(container.deque().size()) - index;
  }
};
using DequeCursor = Cursor<DequeWalk>;

PyObject* make_iterator(DequeContainer& container, Py_ssize_t step) {
  DequeWalk walk{.step = step};
  const auto size = container.read([&] {
    walk.state = state_of(container);
    return static_cast<Py_ssize_t>(container.deque().size());
  });
  if (step < 0) walk.index = size - 1;
  return DequeCursor::make(container.self(), std::move(walk));
}

}  // namespace

PyObject* deque_iter(DequeContainer& container) { return make_iterator(container, 1); }
PyObject* deque_reversed(DequeContainer& container) { return make_iterator(container, -1); }

bool add_deque_iterator_type(PyObject* module) { return DequeCursor::add_type(module); }

}  // namespace pyr
