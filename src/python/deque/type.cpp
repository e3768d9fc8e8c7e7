// The EMDeque base type: its slots and methods. What is not hot is written in Python
// (pyrsistence/_containers/deque.py).
#include <optional>

#include "python/deque/object.h"
#include "python/kit/method.h"

namespace pyr {

void DequeContainer::want(PyObject* wanted) {
  PyObject* limit = nullptr;
  require(PyArg_ParseTuple(wanted, "O", &limit));
  wanted_ = {};
  if (limit == Py_None) return;
  const Py_ssize_t most = PyLong_AsSsize_t(limit);
  require(most >= 0);
  wanted_ = {true, static_cast<u64>(most)};
}

namespace {

// ---- Slots

Py_ssize_t length(DequeContainer& container) {
  return container.read([&] { return static_cast<Py_ssize_t>(container.deque().size()); });
}

PyObject* item(DequeContainer& container, Py_ssize_t index) {
  // The caller has added the length to a negative index already.
  return element_at(container, [&](u64) { return static_cast<u64>(index); });
}

int assign_item(DequeContainer& container, Py_ssize_t index, PyObject* value) {
  static const char* const kOutOfRange = "deque index out of range";
  if (value && index >= 0) return list_set(container, index, value, kOutOfRange) ? 0 : -1;
  DeferredDecrefs deferred;
  const Container::EntryGuard entered(container);
  const u64 at = static_cast<u64>(index);
  if (at >= container.deque().size()) {
    PyErr_SetString(PyExc_IndexError, kOutOfRange);
    return -1;
  }
  deque_remove(container, at, 1, deferred);
  return 0;
}

// As a search finds an element: where its comparisons change the deque, that is an error.
class Search {
 public:
  Search(DequeContainer& container, PyObject* value)
      : container_(container),
        value_(value),
        version_(container.read([&] { return container.deque().version(); })) {}
  u64 version() const { return version_; }
  // The first index in [from, to) whose element equals the value, or -1. Errors: PythonError.
  Py_ssize_t find(u64 from, u64 to, ExtractedElement& element, PyObject* error, const char* text) {
    const Py_ssize_t found = list_find(container_, value_, from, to, element, version_);
    if (found == kChanged) PyErr_SetString(error, text);
    require(found >= -1);
    return found;
  }
  Py_ssize_t find(u64 from, u64 to) {
    ExtractedElement element(container_, ExtractedElement::Admission::if_free);
    return find(from, to, element, PyExc_RuntimeError, "deque mutated during iteration");
  }

 private:
  DequeContainer& container_;
  PyObject* const value_;
  const u64 version_;
};

int contains(DequeContainer& container, PyObject* value) {
  const Container::SnapshotGuard held(container);
  return Search(container, value).find(0, PY_SSIZE_T_MAX) != -1;
}

PyObject* inplace_concat(DequeContainer& container, PyObject* other) {
  return deque_extend(container, other, End::right) ? Py_NewRef(container.self()) : nullptr;
}

// ---- Methods

void append(DequeContainer& container, PyObject* value) {
  require(deque_append(container, value, End::right));
}
void appendleft(DequeContainer& container, PyObject* value) {
  require(deque_append(container, value, End::left));
}
void extend(DequeContainer& container, PyObject* values) {
  require(deque_extend(container, values, End::right));
}
void extendleft(DequeContainer& container, PyObject* values) {
  require(deque_extend(container, values, End::left));
}
PyObject* pop(DequeContainer& container) { return deque_pop(container, End::right); }
PyObject* popleft(DequeContainer& container) { return deque_pop(container, End::left); }
void repeat(DequeContainer& container, Py_ssize_t times) { require(deque_repeat(container, times)); }

Py_ssize_t index(DequeContainer& container, PyObject* value, std::optional<Clamped> start,
                 std::optional<Clamped> stop) {
  const Container::SnapshotGuard held(container);
  const u64 size = static_cast<u64>(length(container));
  const u64 from = start ? start->within(size) : 0;
  const u64 to = stop ? stop->within(size) : PY_SSIZE_T_MAX;
  const Py_ssize_t found = Search(container, value).find(from, to);
  if (found == -1) PyErr_Format(PyExc_ValueError, "%R is not in deque", value);
  require(found >= 0);
  return found;
}

Py_ssize_t count(DequeContainer& container, PyObject* value) {
  const Container::SnapshotGuard held(container);
  Search search(container, value);
  u64 from = 0;
  for (Py_ssize_t count = 0;; ++count) {
    const Py_ssize_t found = search.find(from, PY_SSIZE_T_MAX);
    if (found == -1) return count;
    from = static_cast<u64>(found) + 1;
  }
}

void remove(DequeContainer& container, PyObject* value) {
  static const char* const kChangedMeanwhile = "deque mutated during remove().";
  Search search(container, value);
  while (true) {
    ExtractedElement element(container);
    element.copy_always();
    const Py_ssize_t found = search.find(0, PY_SSIZE_T_MAX, element, PyExc_IndexError, kChangedMeanwhile);
    if (found == -1) PyErr_SetString(PyExc_ValueError, "deque.remove(x): x not in deque");
    require(found >= 0);
    DeferredDecrefs deferred;
    const Container::EntryGuard entered(container);
    if (container.deque().version() != search.version()) {
      PyErr_SetString(PyExc_IndexError, kChangedMeanwhile);
      throw PythonError();
    }
    if (!element.is_at(static_cast<u64>(found))) continue;  // it was assigned meanwhile
    return deque_remove(container, static_cast<u64>(found), 1, deferred);
  }
}

void insert(DequeContainer& container, Py_ssize_t index, PyObject* value) {
  WordBatch batch;
  require(batch.add(container.codec(), value));
  DeferredDecrefs deferred;
  const Container::EntryGuard entered(container);
  emd::Deque& deque = container.deque();
  const u64 size = deque.size();
  if (deque.limit() && size >= *deque.limit()) {
    PyErr_SetString(PyExc_IndexError, "deque already at its maximum size");
    throw PythonError();
  }
  const u64 at = Clamped{index}.within(size);
  container.change(std::min(at, size - at) > kLongWords, [&] {
    batch.apply(deque, [&](std::span<const Word> words) { deque.insert(at, words[0]); });
  });
  require(remember_element(container, at, value, deferred));
}

void rotate(DequeContainer& container, std::optional<Py_ssize_t> steps) {
  const Container::EntryGuard entered(container);
  emd::Deque& deque = container.deque();
  const auto size = static_cast<Py_ssize_t>(deque.size());
  if (size < 2) return;
  const Py_ssize_t rest = steps.value_or(1) % size;
  const u64 count = static_cast<u64>(rest < 0 ? rest + size : rest);
  if (count == 0) return;
  container.cache().changed();
  container.change(std::min(count, static_cast<u64>(size) - count) > kLongWords,
                   [&] { deque.rotate(count); });
}

void reverse(DequeContainer& container) {
  const Container::EntryGuard entered(container);
  container.cache().changed();
  container.change(container.deque().size() > kLongWords, [&] { container.deque().reverse(); });
}

void clear(DequeContainer& container) {
  DeferredDecrefs deferred;
  const Container::EntryGuard entered(container);
  container.change([&] { container.deque().clear(); });
  container.cache().forget_all(deferred);
  container.decoded().forget_all(deferred);
}

std::optional<u64> limit(DequeContainer& container) {
  return container.read([&] { return container.deque().limit(); });
}
PyObject* decoded_anew(DequeContainer& container, Py_ssize_t index) { return element_anew(container, index); }

// All elements as a list.
PyObject* elements(DequeContainer& container) {
  const OwnedRef all(PySlice_New(nullptr, nullptr, nullptr));
  return all ? list_slice(container, all.get()) : nullptr;
}

PyMethodDef methods[] = {
    method<"append", &append>("append($self, value, /)\n--\n\nAdd value at the right end; with ``maxlen``, "
                              "the first element leaves if it is full.\n\n"
                              "**Cost**: O(1), one page."),
    method<"appendleft", &appendleft>(
        "appendleft($self, value, /)\n--\n\nAdd value at the left end; with ``maxlen``, the last element "
        "leaves if it is full.\n\n**Cost**: as append()."),
    method<"extend", &extend>("extend($self, iterable, /)\n--\n\n"
                              "Add all elements of iterable at the right end; fast for lists, tuples, ranges "
                              "and one-dimensional arrays of numbers.\n\n**Cost**: O(k), written once."),
    method<"extendleft", &extendleft>(
        "extendleft($self, iterable, /)\n--\n\nAdd all elements of iterable at the left end, one before the "
        "other, so that the last comes to be the first.\n\n**Cost**: as extend()."),
    method<"pop", &pop>("pop($self, /)\n--\n\nRemove the last element and return it; IndexError if there is "
                        "none.\n\n**Cost**: O(1), one page."),
    method<"popleft", &popleft>("popleft($self, /)\n--\n\nRemove the first element and return it; IndexError "
                                "if there is none.\n\n**Cost**: as pop()."),
    method<"insert", &insert>(
        "insert($self, index, value, /)\n--\n\nInsert value before index; IndexError if the deque is "
        "full.\n\n**Cost**: the words before it or behind it, the fewer of the two."),
    method<"remove", &remove>("remove($self, value, /)\n--\n\nRemove the first element equal to value; "
                              "ValueError if there is none.\n\n**Cost**: O(n)."),
    method<"index", &index>("Return the first index of an element equal to value, within [start, stop) if "
                            "given; else ValueError.\n\n**Cost**: O(n)."),
    method<"count", &count>(
        "count($self, value, /)\n--\n\nReturn how many elements equal value.\n\n**Cost**: O(n)."),
    method<"rotate", &rotate>(
        "rotate($self, n=1, /)\n--\n\nMove the last n elements to the left end; those of the left end to the "
        "right where n is negative.\n\n**Cost**: the words that move, or those that stay if they are "
        "fewer.\n\n>>> d = EMDeque(None, 'abcd')\n>>> d.rotate()\n>>> ''.join(d)\n'dabc'"),
    method<"reverse", &reverse>(
        "reverse($self, /)\n--\n\nReverse the order in place.\n\n**Cost**: O(n), sequential."),
    method<"clear", &clear>("clear($self, /)\n--\n\nRemove all elements.\n\n**Cost**: O(1)."),
    method<"__reversed__", &deque_reversed>("Iterate from the last element to the first."),
    method<"_elements", &elements>("Return all elements as a list."),
    method<"_limit", &limit>("Return the most elements that there may be, or None."),
    method<"_repeat", &repeat>("Do d *= times, without maxlen."),
    method<"_decoded_anew", &decoded_anew>("Return the element at index as an object that nobody else has."),
    kEndOfMethods};

}  // namespace

bool add_deque_types(PyObject* module) {
  return add_container_type<DequeContainer>(
             module, methods,
             {slot<&deque_iter>(Py_tp_iter),
              {Py_tp_hash, reinterpret_cast<void*>(PyObject_HashNotImplemented)},
              slot<&length>(Py_sq_length),
              slot<&item>(Py_sq_item),
              slot<&assign_item>(Py_sq_ass_item),
              slot<&contains>(Py_sq_contains),
              slot<&inplace_concat>(Py_sq_inplace_concat)}) &&
         add_deque_iterator_type(module);
}

}  // namespace pyr
