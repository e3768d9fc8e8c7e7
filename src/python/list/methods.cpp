// The EMList base type: its methods. What is not hot is written in Python (pyrsistence/_containers/list.py).
#include <optional>

#include "python/kit/method.h"
#include "python/list/object.h"

namespace pyr {
namespace {

void append(ListContainer& container, PyObject* value) { require(list_append(container, value)); }
void extend(ListContainer& container, PyObject* values) { require(list_extend(container, values)); }
void repeat(ListContainer& container, Py_ssize_t times) { require(list_repeat(container, times)); }

void set_many(ListContainer& container, PyObject* indices, PyObject* values) {
  require(list_set_many(container, indices, values));
}

void insert(ListContainer& container, Py_ssize_t index, PyObject* value) {
  WordBatch batch;
  require(batch.add(container.codec(), value));
  DeferredDecrefs deferred;
  const Container::EntryGuard entered(container);
  emd::List& list = container.list();
  const u64 at = Clamped{index}.within(list.size());
  container.change(list.size() - at > kLongWords, [&] {
    batch.apply(list, [&](std::span<const Word> words) { list.insert(at, words[0]); });
  });
  require(remember_element(container, at, value, deferred));
}

// The element is decoded before it is removed, so that what cannot be decoded stays; if another thread has changed the
// list there meanwhile, once more.
PyObject* pop_element(ListContainer& container, Py_ssize_t index) {
  while (true) {
    u64 size = 0;
    u64 at = 0;
    ExtractedElement element(container);
    element.copy_always();
    const bool found = element.read([&](u64 length) {
      size = length;
      at = resolved_index(index, size);
      return at < size ? std::optional<u64>(at) : std::nullopt;
    });
    if (!found) {
      PyErr_SetString(PyExc_IndexError, size == 0 ? "pop from empty list" : "pop index out of range");
      return nullptr;
    }
    OwnedRef value(element.object());
    if (!value) return nullptr;
    DeferredDecrefs deferred;
    const Container::EntryGuard entered(container);
    if (resolved_index(index, container.list().size()) != at || !element.is_at(at)) continue;
    list_remove(container, at, deferred);
    return value.release();
  }
}

PyObject* pop(ListContainer& container, std::optional<Py_ssize_t> index) {
  return pop_element(container, index.value_or(-1));
}

void remove(ListContainer& container, PyObject* value) {
  while (true) {
    ExtractedElement element(container);
    element.copy_always();
    const Py_ssize_t found = list_find(container, value, 0, PY_SSIZE_T_MAX, element);
    if (found == -1) PyErr_SetString(PyExc_ValueError, "list.remove(x): x not in list");
    require(found >= 0);
    DeferredDecrefs deferred;
    const Container::EntryGuard entered(container);
    if (!element.is_at(static_cast<u64>(found))) continue;  // the comparison has run code, or another thread
    return list_remove(container, static_cast<u64>(found), deferred);
  }
}

Py_ssize_t index(ListContainer& container, PyObject* value, std::optional<Clamped> start,
                 std::optional<Clamped> stop) {
  const Container::SnapshotGuard held(container);
  const u64 size = container.read([&] { return container.list().size(); });
  const u64 from = start ? start->within(size) : 0;
  const u64 to = stop ? stop->within(size) : PY_SSIZE_T_MAX;
  ExtractedElement element(container, ExtractedElement::Admission::if_free);
  const Py_ssize_t found = list_find(container, value, from, to, element);
  if (found == -1) PyErr_Format(PyExc_ValueError, "%R is not in list", value);
  require(found >= 0);
  return found;
}

Py_ssize_t count(ListContainer& container, PyObject* value) {
  const Container::SnapshotGuard held(container);
  ExtractedElement element(container, ExtractedElement::Admission::if_free);
  u64 from = 0;
  for (Py_ssize_t count = 0;; ++count) {
    const Py_ssize_t found = list_find(container, value, from, PY_SSIZE_T_MAX, element);
    require(found != -2);
    if (found == -1) return count;
    from = static_cast<u64>(found) + 1;
  }
}

void reverse(ListContainer& container) {
  const Container::EntryGuard entered(container);
  container.cache().changed();
  container.change(container.list().size() > kLongWords, [&] { container.list().reverse(); });
}

void clear(ListContainer& container) {
  DeferredDecrefs deferred;
  const Container::EntryGuard entered(container);
  container.change([&] { container.list().clear(); });
  container.cache().forget_all(deferred);
  container.decoded().forget_all(deferred);
}

PyObject* decoded_anew(ListContainer& container, Py_ssize_t index) { return element_anew(container, index); }

}  // namespace

PyMethodDef list_methods[] = {
    method<"append", &append>(
        "append($self, value, /)\n--\n\nAdd value at the end.\n\n**Cost**: O(1), one page."),
    method<"extend", &extend>(
        "extend($self, iterable, /)\n--\n\nAdd all elements of iterable; fast for lists, tuples, ranges and "
        "one-dimensional arrays of numbers.\n\n**Cost**: O(k), written once."),
    method<"take", &list_take>(
        "take($self, indices, /)\n--\n\nReturn the elements at indices, in their order, as a list. Indices "
        "are any iterable of integers, or an array; negative ones count from the end.\n\n**Cost**: a read "
        "each, but side by side: warm a third of the loop, beyond RAM at the disk's full rate. Errors: "
        "IndexError, TypeError with the place of the index.\n\n>>> EMList(None, 'abc').take([2, 0, "
        "-1])\n['c', 'a', 'c']"),
    method<"set_many", &set_many>(
        "set_many($self, indices, values, /)\n--\n\nPut each value at its index, as assigning them in this "
        "order does.\n\n**Cost**: an assignment each, their reads side by side. Errors: ValueError if there "
        "are not as many values as indices (before anything is assigned, where both state their length), "
        "IndexError and TypeError with the place of what is refused; what came before it stays, but for a "
        "transaction that is rolled back.\n\n>>> l = EMList(None, 'abc')\n>>> l.set_many([0, -1], 'xz')\n>>> "
        "l[:]\n['x', 'b', 'z']"),
    method<"insert", &insert>(
        "insert($self, index, value, /)\n--\n\nInsert value before index.\n\n**Cost**: the words behind it; "
        "if they are many, the list is written anew, sequentially."),
    method<"pop", &pop>("pop($self, index=-1, /)\n--\n\nRemove the element at index and return it; "
                        "IndexError if there is none.\n\n**Cost**: O(1) at the end; else as insert."),
    method<"remove", &remove>("remove($self, value, /)\n--\n\nRemove the first element equal to value; "
                              "ValueError if there is none.\n\n**Cost**: O(n)."),
    method<"index", &index>("Return the first index of an element equal to value, within [start, stop) if "
                            "given; else ValueError.\n\n**Cost**: O(n)."),
    method<"count", &count>(
        "count($self, value, /)\n--\n\nReturn how many elements equal value.\n\n**Cost**: O(n)."),
    method<"reverse", &reverse>(
        "reverse($self, /)\n--\n\nReverse the order in place.\n\n**Cost**: O(n), sequential."),
    method_with_keywords<"sort", &list_sort>(
        "sort($self, /, *, key=None, reverse=False)\n--\n\nSort in place, stably, by < as list.sort does; an "
        "exception leaves the list as it was.\n\n**Cost**: O(n log n) comparisons."),
    method<"clear", &clear>("clear($self, /)\n--\n\nRemove all elements.\n\n**Cost**: O(1)."),
    method<"__reversed__", &list_reversed>("Iterate from the last element to the first."),
    method<"_repeat", &repeat>("Do l *= times."),
    method<"_decoded_anew", &decoded_anew>("Return the element at index as an object that nobody else has."),
    kEndOfMethods};

}  // namespace pyr
