// Iterators over an EMList: they see a list that grows, and once exhausted stay so.
#include <optional>

#include "python/kit/cursor.h"
#include "python/list/object.h"

namespace pyr {
namespace {

struct ListWalk {
  using Owner = ListContainer;
  static constexpr const char* kTypeName = "pyrsistence._core.ListIterator";

  // A word that is the element; else the element is taken whole.
  class Item {
   public:
    Item(ListContainer& container, const ListWalk&) : container_(container) {}
    PyObject* object() { return __builtin_expect(!element_, 1) ? inline_value(word_) : element_->object(); }
    bool grow() { return __builtin_expect(element_.has_value(), 0) && element_->grow(); }

   private:
    friend struct ListWalk;
    ListContainer& container_;
    Word word_;
    std::optional<ExtractedElement> element_;
  };

  u64 opening = 0;
  Py_ssize_t step = 1;   // or -1: backwards
  Py_ssize_t index = 0;  // of the next element
  emd::Scan words = {};
  emd::Scan blocks = {};

  Step advance(ListContainer& container, Item& item) {
    if (!is_current(container)) return Step::changed;
    item.word_ = word_at(container, [&](u64) { return static_cast<u64>(index); });
    container.list().reached(static_cast<u64>(index), words);
    if (item.word_.is_reference()) return take_whole(container, item);
    index += step;
    return Step::given;
  }
  static PyObject* refuse(Step) {
    PyErr_SetString(PyExc_RuntimeError, "the list was closed, and opened again, during iteration");
    return nullptr;
  }
  Py_ssize_t left(ListContainer& container) const {
    const auto size = static_cast<Py_ssize_t>(container.list().size());
    if (!is_current(container)) return 0;
    return step < 0 ? (index < size ? index + 1 : 0) : size - index;
  }

 private:
  bool is_current(const ListContainer& container) const {
    return __builtin_expect(container.opening() == opening, 1);
  }
  // Takes the element, whatever it is; or there is none.
  __attribute__((noinline)) Step take_whole(ListContainer& container, Item& item) {
    if (!item.element_) item.element_.emplace(container, ExtractedElement::Admission::if_free);
    ExtractedElement& element = *item.element_;
    const auto at = static_cast<u64>(index);  // -1, when the front is reached, is beyond any size
    const bool found = container.read_consistent([&] {
      if (at >= container.list().size()) return false;
      element.take(at);
      return true;
    });
    if (!found) return Step::exhausted;
    if (element.word().is_reference()) container.list().reached_block(element.word(), blocks);
    if (!element.must_grow()) index += step;
    return Step::given;
  }
};
using ListCursor = Cursor<ListWalk>;

PyObject* make_iterator(ListContainer& container, Py_ssize_t step) {
  ListWalk walk{.step = step};
  const auto size = container.read([&] {
    walk.opening = container.opening();
    return static_cast<Py_ssize_t>(container.list().size());
  });
  if (step < 0) walk.index = size - 1;
  return ListCursor::make(container.self(), std::move(walk));
}

}  // namespace

PyObject* list_iter(ListContainer& container) { return make_iterator(container, 1); }
PyObject* list_reversed(ListContainer& container) { return make_iterator(container, -1); }

bool iterates_over(PyObject* object, PyObject* list) { return ListCursor::is_over(object, list); }

bool add_list_iterator_type(PyObject* module) { return ListCursor::add_type(module); }

}  // namespace pyr
