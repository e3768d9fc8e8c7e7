// The EMList base type: its methods. What is not hot is written in Python (pyrsistence/_containers/list.py).
#include "python/list/object.h"

namespace pyr {
namespace {

bool check_count(const char* name, Py_ssize_t count, Py_ssize_t least, Py_ssize_t most) {
  if (count >= least && count <= most) return true;
  PyErr_Format(PyExc_TypeError, "%s expected %zd to %zd arguments, got %zd", name, least, most, count);
  return false;
}

// Clamps an index as slices do; false with an error set.
bool clamped(PyObject* argument, Py_ssize_t& index) {
  if (!PyIndex_Check(argument)) {
    PyErr_SetString(PyExc_TypeError, "slice indices must be integers or have an __index__ method");
    return false;
  }
  index = PyNumber_AsSsize_t(argument, nullptr);
  return index != -1 || !PyErr_Occurred();
}

PyObject* method_append(PyObject* self, PyObject* value) {
  return guarded_object([&]() -> PyObject* {
    if (!list_append(list_container(self), value)) return nullptr;
    Py_RETURN_NONE;
  });
}

PyObject* method_extend(PyObject* self, PyObject* iterable) {
  return guarded_object([&]() -> PyObject* {
    if (!list_extend(self, iterable)) return nullptr;
    Py_RETURN_NONE;
  });
}

u64 insertion_index(Py_ssize_t index, u64 size) {
  if (index < 0) index += static_cast<Py_ssize_t>(size);
  if (index < 0) return 0;
  return static_cast<u64>(index) < size ? static_cast<u64>(index) : size;
}

PyObject* method_take(PyObject* self, PyObject* indices) {
  return guarded_object([&] { return list_take(list_container(self), indices); });
}

PyObject* method_set_many(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  if (!check_count("set_many", count, 2, 2)) return nullptr;
  return guarded_object([&]() -> PyObject* {
    if (!list_set_many(list_container(self), args[0], args[1])) return nullptr;
    Py_RETURN_NONE;
  });
}

PyObject* method_insert(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  if (!check_count("insert", count, 2, 2)) return nullptr;
  return guarded_object([&]() -> PyObject* {
    const Py_ssize_t index = PyNumber_AsSsize_t(args[0], PyExc_OverflowError);
    if (index == -1 && PyErr_Occurred()) return nullptr;
    ListContainer& container = list_container(self);
    WordBatch batch;
    if (!batch.add(container.codec(), args[1])) return nullptr;
    Trash trash;
    const Container::Entered entered(container);
    emd::List& list = container.list();
    const u64 at = insertion_index(index, list.size());
    container.change(list.size() - at > kLongWords, [&] {
      batch.apply(list, [&](std::span<const Word> words) { list.insert(at, words[0]); });
    });
    if (!remember_element(container, at, args[1], trash)) return nullptr;
    Py_RETURN_NONE;
  });
}

// The element is decoded before it is removed, so that what cannot be decoded stays; if another thread has changed the
// list there meanwhile, once more.
PyObject* pop_element(ListContainer& container, Py_ssize_t index) {
  while (true) {
    u64 size = 0;
    u64 at = 0;
    TakenElement element(container);
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
    Ref value(element.object());
    if (!value) return nullptr;
    Trash trash;
    const Container::Entered entered(container);
    if (resolved_index(index, container.list().size()) != at || !element.is_at(at)) continue;
    list_remove(container, at, trash);
    return value.release();
  }
}

PyObject* method_pop(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  if (!check_count("pop", count, 0, 1)) return nullptr;
  return guarded_object([&]() -> PyObject* {
    const Py_ssize_t index = count == 0 ? -1 : PyNumber_AsSsize_t(args[0], PyExc_OverflowError);
    if (index == -1 && count != 0 && PyErr_Occurred()) return nullptr;
    return pop_element(list_container(self), index);
  });
}

PyObject* method_remove(PyObject* self, PyObject* value) {
  return guarded_object([&]() -> PyObject* {
    ListContainer& container = list_container(self);
    while (true) {
      TakenElement element(container);
      element.copy_always();
      const Py_ssize_t found = list_find(container, value, 0, PY_SSIZE_T_MAX, element);
      if (found == -2) return nullptr;
      if (found == -1) {
        PyErr_SetString(PyExc_ValueError, "list.remove(x): x not in list");
        return nullptr;
      }
      Trash trash;
      const Container::Entered entered(container);
      if (!element.is_at(static_cast<u64>(found)))
        continue;  // the comparison has run code, or another thread
      list_remove(container, static_cast<u64>(found), trash);
      Py_RETURN_NONE;
    }
  });
}

PyObject* method_index(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  if (!check_count("index", count, 1, 3)) return nullptr;
  return guarded_object([&]() -> PyObject* {
    Py_ssize_t start = 0;
    Py_ssize_t stop = PY_SSIZE_T_MAX;
    if ((count > 1 && !clamped(args[1], start)) || (count > 2 && !clamped(args[2], stop))) return nullptr;
    ListContainer& container = list_container(self);
    const Container::Snapshot held(container);
    const u64 size = container.read([&] { return container.list().size(); });
    const u64 to = stop < 0 ? insertion_index(stop, size) : static_cast<u64>(stop);
    TakenElement element(container, TakenElement::Place::free);
    const Py_ssize_t found = list_find(container, args[0], insertion_index(start, size), to, element);
    if (found >= 0) return PyLong_FromSsize_t(found);
    if (found == -1) PyErr_Format(PyExc_ValueError, "%R is not in list", args[0]);
    return nullptr;
  });
}

PyObject* method_count(PyObject* self, PyObject* value) {
  return guarded_object([&]() -> PyObject* {
    ListContainer& container = list_container(self);
    const Container::Snapshot held(container);
    TakenElement element(container, TakenElement::Place::free);
    Py_ssize_t count = 0;
    u64 from = 0;
    while (true) {
      const Py_ssize_t found = list_find(container, value, from, PY_SSIZE_T_MAX, element);
      if (found == -2) return nullptr;
      if (found == -1) return PyLong_FromSsize_t(count);
      ++count;
      from = static_cast<u64>(found) + 1;
    }
  });
}

PyObject* method_reverse(PyObject* self, PyObject*) {
  return guarded_object([&]() -> PyObject* {
    ListContainer& container = list_container(self);
    const Container::Entered entered(container);
    container.cache().changed();
    container.change(container.list().size() > kLongWords, [&] { container.list().reverse(); });
    Py_RETURN_NONE;
  });
}

PyObject* method_clear(PyObject* self, PyObject*) {
  return guarded_object([&]() -> PyObject* {
    ListContainer& container = list_container(self);
    Trash trash;
    const Container::Entered entered(container);
    container.change(false, [&] { container.list().clear(); });
    container.cache().forget_all(trash);
    container.decoded().forget_all(trash);
    Py_RETURN_NONE;
  });
}

template <class Function>
PyCFunction c_function(Function function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

}  // namespace

PyMethodDef list_methods[] = {
    {"append", method_append, METH_O,
     "append($self, value, /)\n--\n\nAdd value at the end.\n\n**Cost**: O(1), one page."},
    {"extend", method_extend, METH_O,
     "extend($self, iterable, /)\n--\n\n"
     "Add all elements of iterable; fast for lists, tuples, ranges and one-dimensional arrays of numbers.\n\n"
     "**Cost**: O(k), written once."},
    {"take", method_take, METH_O,
     "take($self, indices, /)\n--\n\n"
     "Return the elements at indices, in their order, as a list. Indices are any iterable of integers, or an "
     "array; "
     "negative ones count from the end.\n\n"
     "**Cost**: a read each, but side by side: warm a third of the loop, beyond RAM at the disk's full rate. "
     "Errors: "
     "IndexError, TypeError with the place of the index.\n\n"
     ">>> EMList(None, 'abc').take([2, 0, -1])\n['c', 'a', 'c']"},
    {"set_many", c_function(method_set_many), METH_FASTCALL,
     "set_many($self, indices, values, /)\n--\n\n"
     "Put each value at its index, as assigning them in this order does.\n\n"
     "**Cost**: an assignment each, their reads side by side. Errors: ValueError if there are not as many "
     "values as "
     "indices (before anything is assigned, where both state their length), IndexError and TypeError with "
     "the place "
     "of what is refused; what came before it stays, but for a transaction that is rolled back.\n\n"
     ">>> l = EMList(None, 'abc')\n>>> l.set_many([0, -1], 'xz')\n>>> l[:]\n['x', 'b', 'z']"},
    {"insert", c_function(method_insert), METH_FASTCALL,
     "insert($self, index, value, /)\n--\n\nInsert value before index.\n\n"
     "**Cost**: the words behind it; if they are many, the list is written anew, sequentially."},
    {"pop", c_function(method_pop), METH_FASTCALL,
     "pop($self, index=-1, /)\n--\n\nRemove the element at index and return it; IndexError if there is "
     "none.\n\n"
     "**Cost**: O(1) at the end; else as insert."},
    {"remove", method_remove, METH_O,
     "remove($self, value, /)\n--\n\nRemove the first element equal to value; ValueError if there is "
     "none.\n\n"
     "**Cost**: O(n)."},
    {"index", c_function(method_index), METH_FASTCALL,
     "Return the first index of an element equal to value, within [start, stop) if given; else "
     "ValueError.\n\n"
     "**Cost**: O(n)."},
    {"count", method_count, METH_O,
     "count($self, value, /)\n--\n\nReturn how many elements equal value.\n\n**Cost**: O(n)."},
    {"reverse", method_reverse, METH_NOARGS,
     "reverse($self, /)\n--\n\nReverse the order in place.\n\n**Cost**: O(n), sequential."},
    {"sort", c_function(list_sort), METH_VARARGS | METH_KEYWORDS,
     "sort($self, /, *, key=None, reverse=False)\n--\n\n"
     "Sort in place, stably, by < as list.sort does; an exception leaves the list as it was.\n\n"
     "**Cost**: O(n log n) comparisons."},
    {"clear", method_clear, METH_NOARGS, "clear($self, /)\n--\n\nRemove all elements.\n\n**Cost**: O(1)."},
    {"__reversed__", list_reversed, METH_NOARGS, "Iterate from the last element to the first."},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace pyr
