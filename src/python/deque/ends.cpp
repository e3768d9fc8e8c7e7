// EMDeque: putting and taking at both ends, one or many.
#include <algorithm>
#include <vector>

#include "python/deque/object.h"

namespace pyr {
namespace {

// What so many elements at one end push out at the other is kept no longer. Precondition: entered.
void forget_leaving(DequeContainer& container, u64 count, End end, DeferredDecrefs& deferred) {
  if (container.keeps_nothing()) return;
  const u64 gone = container.deque().leaving(count);
  if (gone == 0) return;
  forget_elements(container, end == End::left ? container.deque().size() - gone : 0, 1, gone, deferred);
}

// Precondition: within an operation.
void put(emd::Deque& deque, Word word, End end) {
  end == End::left ? deque.append_front(word) : deque.append(word);
}

class DequeGrowing final : public Growing {
 public:
  DequeGrowing(DequeContainer& container, End end) : Growing(container), container_(container), end_(end) {}

  bool append(PyObject* value) override { return deque_append(container_, value, end_); }
  void make_way(u64 count, DeferredDecrefs& deferred) override {
    forget_leaving(container_, count, end_, deferred);
  }
  void add(std::span<const Word> words) override {
    if (end_ == End::right) return container_.deque().extend(words);
    reversed_.assign(words.rbegin(), words.rend());
    container_.deque().extend_front(reversed_);
  }
  u64 most() const override {
    return container_.read([&] { return container_.deque().limit(); }).value_or(~u64{0});
  }
  u64 moved(u64 index, u64 added) const override { return end_ == End::left ? index + added : index; }

 private:
  DequeContainer& container_;
  const End end_;
  std::vector<Word> reversed_;
};

}  // namespace

bool deque_append(DequeContainer& container, PyObject* value, End end) {
  Word word;
  Buffer block;
  const Form form = encode_word(container.codec(), value, word, block);
  if (form == Form::failed) return false;
  DeferredDecrefs deferred;
  const Container::EntryGuard entered(container);
  emd::Deque& deque = container.deque();
  forget_leaving(container, 1, end, deferred);
  {
    const emd::Operation operation(container.store());
    if (form == Form::word) {
      put(deque, word, end);
      return true;
    }
    with_block(deque, block.bytes(), [&](Word stored) { put(deque, stored, end); });
  }
  const u64 size = deque.size();
  return size == 0 || remember_element(container, end == End::left ? 0 : size - 1, value, deferred);
}

bool deque_extend(DequeContainer& container, PyObject* iterable, End end) {
  DequeGrowing growing(container, end);
  // Elements that leave are among those that are to come again.
  const bool apart = iterable == container.self() && growing.most() != ~u64{0};
  const OwnedRef elements = apart ? OwnedRef(PySequence_List(iterable)) : OwnedRef::borrowed(iterable);
  return elements && extend_with(growing, elements.get());
}

bool deque_repeat(DequeContainer& container, Py_ssize_t times) {
  DequeGrowing growing(container, End::right);
  return repeat_with(growing, times);
}

// ---- Taking

void deque_remove(DequeContainer& container, u64 from, u64 count, DeferredDecrefs& deferred) {
  if (!container.keeps_nothing()) forget_elements(container, from, 1, count, deferred);
  emd::Deque& deque = container.deque();
  const u64 size = deque.size();
  container.change(std::min(from, size - from) > kLongWords, [&] { deque.splice(from, from + count, {}); });
}

namespace {

PyObject* refuse_empty() {
  PyErr_SetString(PyExc_IndexError, "pop from an empty deque");
  return nullptr;
}

// The element is decoded before it is removed, so that what cannot be decoded stays; if another thread has changed the
// deque there meanwhile, once more.
PyObject* pop_block(DequeContainer& container, End end) {
  while (true) {
    u64 at = 0;
    ExtractedElement element(container);
    element.copy_always();
    const bool found = element.read([&](u64 size) {
      at = end == End::left || size == 0 ? 0 : size - 1;
      return at < size ? std::optional<u64>(at) : std::nullopt;
    });
    if (!found) return refuse_empty();
    OwnedRef value(element.object());
    if (!value) return nullptr;
    DeferredDecrefs deferred;
    const Container::EntryGuard entered(container);
    const u64 size = container.deque().size();
    if ((end == End::right && at + 1 != size) || !element.is_at(at)) continue;
    deque_remove(container, at, 1, deferred);
    return value.release();
  }
}

}  // namespace

PyObject* deque_pop(DequeContainer& container, End end) {
  DeferredDecrefs deferred;
  {
    const Container::EntryGuard entered(container);
    emd::Deque& deque = container.deque();
    const u64 size = container.live() ? 0 : deque.size();  // beside a writer it refuses below
    const u64 at = end == End::left || size == 0 ? 0 : size - 1;
    const Word word = size == 0 ? Word::reference({}) : deque.get(at);
    if (!word.is_reference()) {
      OwnedRef value(inline_value(word));
      if (value) deque_remove(container, at, 1, deferred);
      return value.release();
    }
  }
  return pop_block(container, end);
}

}  // namespace pyr
