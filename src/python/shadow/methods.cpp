// The EMShadowMemory base type: its methods; those with an underscore are for pyrsistence/_containers/shadow.py.
#include <algorithm>
#include <optional>
#include <stdexcept>
#include <vector>

#include "python/array/object.h"
#include "python/shadow/object.h"

namespace pyr {
namespace {

using emd::AddressRange;
using emd::FlagChange;
using emd::WantedFlags;

// The usual flags, which have methods of their own. Kept on disk by users: values are never reused.
enum Usual : u64 {
  kAnalyzed = 1,
  kCode = 2,
  kData = 4,
  kHead = 8,
  kLeader = 16,
  kFunction = 32,
  kRelocated = 64,
  kRelocatedLeaf = 128,
};

// So much is written by one operation: between two of them the store may commit, and let pages go.
constexpr u64 kBytesAtOnce = u64{64} << 20;

WantedFlags all_of(u64 flags) { return {flags, flags, false}; }
WantedFlags any_of(u64 flags) { return {flags, 0, true}; }

// ---- Arguments of a call: (address, length, flags) or some of them; false with an error set

bool wrong_count(const char* expected, Py_ssize_t count) {
  PyErr_Format(PyExc_TypeError, "expected %s, found %zd arguments", expected, count);
  return false;
}

struct RunArguments {
  u64 address = 0, length = 1, flags = 0;

  bool take(PyObject* const* args, Py_ssize_t count) {
    if (count != 3) return wrong_count("an address, a length and flags", count);
    return as_address(args[0], address) && as_length(args[1], length) && as_flags(args[2], flags);
  }
  bool take_without_flags(PyObject* const* args, Py_ssize_t count) {
    if (count != 1 && count != 2) return wrong_count("an address and a length", count);
    return as_address(args[0], address) && (count == 1 || as_length(args[1], length));
  }
  bool take_without_length(PyObject* const* args, Py_ssize_t count) {
    if (count != 2) return wrong_count("an address and flags", count);
    return as_address(args[0], address) && as_flags(args[1], flags);
  }
};

PyObject* number_or_none(const std::optional<u64>& number) {
  if (!number) Py_RETURN_NONE;
  return PyLong_FromUnsignedLongLong(*number);
}

// ---- Marking

PyObject* change(PyObject* self, const RunArguments& run, FlagChange change) {
  ShadowContainer& container = shadow_container(self);
  const Container::Entered entered(container);
  require_fit(container.shadow(), run.flags);
  change_run(container, run.address, run.length, change);
  Py_RETURN_NONE;
}

PyObject* mark(PyObject* self, const RunArguments& run) { return change(self, run, {~u64{0}, run.flags}); }
PyObject* unmark(PyObject* self, const RunArguments& run) { return change(self, run, {~run.flags, 0}); }

PyObject* method_mark(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  return guarded_object([&]() -> PyObject* {
    RunArguments run;
    return run.take(args, count) ? mark(self, run) : nullptr;
  });
}

PyObject* method_unmark(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  return guarded_object([&]() -> PyObject* {
    RunArguments run;
    return run.take(args, count) ? unmark(self, run) : nullptr;
  });
}

PyObject* method_assign(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  return guarded_object([&]() -> PyObject* {
    RunArguments run;
    return run.take(args, count) ? change(self, run, {0, run.flags}) : nullptr;
  });
}

template <u64 flag>
PyObject* method_mark_as(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  return guarded_object([&]() -> PyObject* {
    RunArguments run{.flags = flag};
    return run.take_without_flags(args, count) ? mark(self, run) : nullptr;
  });
}

template <u64 flag>
PyObject* method_unmark_as(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  return guarded_object([&]() -> PyObject* {
    RunArguments run{.flags = flag};
    return run.take_without_flags(args, count) ? unmark(self, run) : nullptr;
  });
}

// ---- Asking

u64 count_wanted(PyObject* self, const RunArguments& run, const WantedFlags& wanted) {
  ShadowContainer& container = shadow_container(self);
  const Container::Entered entered(container);
  return container.look_at(run.length > kLongRun, [&]() -> u64 {
    require_some(container.shadow(), run.flags);
    if (run.length == 0) return 0;
    return container.shadow().count(run.address, last_of(run.address, run.length), wanted);
  });
}

u64 count_marked(PyObject* self, const RunArguments& run) {
  return count_wanted(self, run, all_of(run.flags));
}

PyObject* method_count_any(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  return guarded_object([&]() -> PyObject* {
    RunArguments run;
    if (!run.take(args, count)) return nullptr;
    return PyLong_FromUnsignedLongLong(count_wanted(self, run, any_of(run.flags)));
  });
}

PyObject* method_count(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  return guarded_object([&]() -> PyObject* {
    RunArguments run;
    return run.take(args, count) ? PyLong_FromUnsignedLongLong(count_marked(self, run)) : nullptr;
  });
}

template <u64 flag>
PyObject* method_is_marked_as(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  return guarded_object([&]() -> PyObject* {
    RunArguments run{.flags = flag};
    if (!run.take_without_flags(args, count)) return nullptr;
    return PyLong_FromUnsignedLongLong(count_marked(self, run));
  });
}

PyObject* method_is_marked(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  return guarded_object([&]() -> PyObject* {
    RunArguments run;
    if (!run.take(args, count)) return nullptr;
    ShadowContainer& container = shadow_container(self);
    const Container::Entered entered(container);
    const bool marked = container.look_at(run.length > kLongRun, [&] {
      emd::Shadow& shadow = container.shadow();
      require_some(shadow, run.flags);
      if (run.length == 0) return true;
      const u64 last = last_of(run.address, run.length);
      shadow.backing(run.address, last);
      return !shadow.find(run.address, last, all_of(run.flags).others());
    });
    return PyBool_FromLong(marked);
  });
}

PyObject* method_run_length(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  return guarded_object([&]() -> PyObject* {
    RunArguments run;
    if (!run.take_without_length(args, count)) return nullptr;
    ShadowContainer& container = shadow_container(self);
    const Container::Entered entered(container);
    const auto measure = [&](u64 most) {
      require_some(container.shadow(), run.flags);
      return container.shadow().run_length(run.address, all_of(run.flags), most);
    };
    u64 length = container.look([&] { return measure(kLongRun); });
    if (length == kLongRun) length = container.look_at(true, [&] { return measure(~u64{0}); });
    return PyLong_FromUnsignedLongLong(length);
  });
}

// The first address of first to last from which on so many have wanted flags. Precondition: entered; length != 0.
std::optional<u64> search(ShadowContainer& container, u64 first, u64 last, const WantedFlags& wanted,
                          u64 length) {
  const u64 near = std::min(last, last - first > kLongRun ? first + kLongRun : last);
  auto found = container.look([&] { return container.shadow().find_run(first, near, wanted, length); });
  if (found || near == last) return found;
  return container.look_at(true, [&] { return container.shadow().find_run(first, last, wanted, length); });
}

template <class Wanted>
PyObject* next(PyObject* self, PyObject* const* args, Py_ssize_t count, Wanted&& wanted) {
  return guarded_object([&]() -> PyObject* {
    RunArguments run;
    if (!run.take_without_length(args, count)) return nullptr;
    ShadowContainer& container = shadow_container(self);
    const Container::Entered entered(container);
    require_some(container.shadow(), run.flags);
    return number_or_none(search(container, run.address, ~u64{0}, wanted(run.flags), 1));
  });
}

PyObject* method_next_marked(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  return next(self, args, count, all_of);
}
PyObject* method_next_unmarked(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  return next(self, args, count, [](u64 flags) { return all_of(flags).others(); });
}
PyObject* method_next_any(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  return next(self, args, count, any_of);
}

// (first, last, mask, value, number, negated): what is asked for where; false with an error set.
struct Question {
  u64 first = 0, last = 0, number = 0;
  WantedFlags wanted;

  bool take(PyObject* args) {
    PyObject *from = nullptr, *to = nullptr, *mask = nullptr, *value = nullptr, *count = nullptr;
    int negated = 0;
    if (!PyArg_ParseTuple(args, "OOOOOp", &from, &to, &mask, &value, &count, &negated)) return false;
    wanted.negated = negated != 0;
    return as_address(from, first) && as_address(to, last) && as_flags(mask, wanted.mask) &&
           as_flags(value, wanted.value) && as_length(count, number);
  }
  void require_sound(const emd::Shadow& shadow) const {
    require_some(shadow, wanted.mask);
    if (last < first) throw std::invalid_argument("expected the last address not before the first");
    if ((wanted.value & ~wanted.mask) != 0)
      throw std::invalid_argument("the value has flags that are not among those that are looked at");
  }
};

PyObject* method_find(PyObject* self, PyObject* args) {
  return guarded_object([&]() -> PyObject* {
    Question question;
    if (!question.take(args)) return nullptr;
    ShadowContainer& container = shadow_container(self);
    const Container::Entered entered(container);
    question.require_sound(container.shadow());
    if (question.number == 0) throw std::invalid_argument("expected a length of 1 or more, found 0");
    return number_or_none(search(container, question.first, question.last, question.wanted, question.number));
  });
}

// (first address, the one behind the last). A new reference, or null with an error set.
PyObject* interval(const AddressRange& range) {
  const Ref first(PyLong_FromUnsignedLongLong(range.first)), end = end_of(range.last);
  return first && end ? PyTuple_Pack(2, first.get(), end.get()) : nullptr;
}

PyObject* intervals(const std::vector<AddressRange>& ranges) {
  Ref list(PyList_New(static_cast<Py_ssize_t>(ranges.size())));
  if (!list) return nullptr;
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    PyObject* const pair = interval(ranges[i]);
    if (!pair) return nullptr;
    PyList_SET_ITEM(list.get(), static_cast<Py_ssize_t>(i), pair);
  }
  return list.release();
}

PyObject* method_runs(PyObject* self, PyObject* args) {
  return guarded_object([&]() -> PyObject* {
    Question question;
    if (!question.take(args)) return nullptr;
    ShadowContainer& container = shadow_container(self);
    std::vector<AddressRange> found;
    {
      const Container::Entered entered(container);
      question.require_sound(container.shadow());
      found = container.look_at(question.last - question.first > kLongRun, [&] {
        return container.shadow().runs(question.first, question.last, question.wanted, question.number);
      });
    }
    return intervals(found);
  });
}

// ---- Flags as they are

PyObject* method_read(PyObject* self, PyObject* args) {
  return guarded_object([&]() -> PyObject* {
    PyObject *where = nullptr, *target = nullptr;
    u64 address = 0;
    BytesArgument to;
    if (!PyArg_ParseTuple(args, "OO", &where, &target)) return nullptr;
    if (!as_address(where, address) || !to.take(target, true)) return nullptr;
    ShadowContainer& container = shadow_container(self);
    const Container::Entered entered(container);
    const u64 length = to.size() / container.shadow().stored_width();
    if (length == 0) Py_RETURN_NONE;
    container.look_at(length > kLongRun, [&] {
      container.shadow().read(address, last_of(address, length), to.data());
      return true;
    });
    Py_RETURN_NONE;
  });
}

PyObject* method_write(PyObject* self, PyObject* args) {
  return guarded_object([&]() -> PyObject* {
    PyObject *where = nullptr, *source = nullptr;
    u64 address = 0;
    BytesArgument from;
    if (!PyArg_ParseTuple(args, "OO", &where, &source)) return nullptr;
    if (!as_address(where, address) || !from.take(source)) return nullptr;
    ShadowContainer& container = shadow_container(self);
    const Container::Entered entered(container);
    emd::Shadow& shadow = container.shadow();
    const u64 width = shadow.stored_width();
    if (from.size() % width != 0)
      throw std::invalid_argument("expected whole flags of " + std::to_string(width) + " bytes");
    if (from.size() == 0) Py_RETURN_NONE;
    container.look([&] { shadow.backing(address, last_of(address, from.size() / width)); });
    for (u64 done = 0; done < from.size(); done += kBytesAtOnce) {
      const Bytes some = from.bytes().subspan(done, std::min(kBytesAtOnce, from.size() - done));
      container.operate(some.size() > kLongRun, [&] { shadow.write(address + done / width, some); });
    }
    Py_RETURN_NONE;
  });
}

// ---- Ranges

PyObject* method_ranges(PyObject* self, PyObject*) {
  return guarded_object([&] {
    ShadowContainer& container = shadow_container(self);
    return intervals(container.read([&] { return container.shadow().ranges(); }));
  });
}

bool as_ranges(PyObject* list, std::vector<AddressRange>& ranges) {
  const Ref items(PySequence_Fast(list, "expected a sequence of ranges"));
  if (!items) return false;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(items.get()); ++i) {
    AddressRange range;
    PyObject *first = nullptr, *last = nullptr;
    if (!PyArg_ParseTuple(PySequence_Fast_GET_ITEM(items.get(), i), "OO", &first, &last)) return false;
    if (!as_address(first, range.first) || !as_address(last, range.last)) return false;
    ranges.push_back(range);
  }
  return true;
}

PyObject* method_add_ranges(PyObject* self, PyObject* list) {
  return guarded_object([&]() -> PyObject* {
    std::vector<AddressRange> ranges;
    if (!as_ranges(list, ranges)) return nullptr;
    ShadowContainer& container = shadow_container(self);
    const Container::Entered entered(container);
    container.operate(false, [&] { container.shadow().add_ranges(ranges); });
    Py_RETURN_NONE;
  });
}

PyObject* method_width(PyObject* self, PyObject*) {
  return guarded_object([&] {
    ShadowContainer& container = shadow_container(self);
    return PyLong_FromUnsignedLong(container.read([&] { return container.shadow().width(); }));
  });
}

template <class Function>
constexpr PyCFunction c_function(Function function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

}  // namespace

// mark_as_<name>, unmark_as_<name> and is_marked_as_<name>.
#define PYR_USUAL(flag, name, phrase)                                                       \
  {"mark_as_" name, c_function(method_mark_as<flag>), METH_FASTCALL,                        \
   "mark_as_" name "($self, address, length=1, /)\n--\n\nMark so many addresses as " phrase \
   ".\n\n**Cost**: as mark()."},                                                            \
      {"unmark_as_" name, c_function(method_unmark_as<flag>), METH_FASTCALL,                \
       "unmark_as_" name "($self, address, length=1, /)\n--\n\nUndo mark_as_" name          \
       "().\n\n**Cost**: as mark()."},                                                      \
  {                                                                                         \
    "is_marked_as_" name, c_function(method_is_marked_as<flag>), METH_FASTCALL,             \
        "is_marked_as_" name                                                                \
        "($self, address, length=1, /)\n--\n\nReturn how many of so many addresses are "    \
        "marked as " phrase ".\n\n**Cost**: as count()."                                    \
  }

PyMethodDef shadow_methods[] = {
    {"mark", c_function(method_mark), METH_FASTCALL,
     "mark($self, address, length, flags, /)\n--\n\nAdd flags to those of so many addresses.\n\n"
     "**Cost**: O(1) for each run of equal flags in whole pages, however long; else a pass over the pages. "
     "Errors: IndexError naming the first address that is not backed: nothing has changed then."},
    {"unmark", c_function(method_unmark), METH_FASTCALL,
     "unmark($self, address, length, flags, /)\n--\n\nTake flags from those of so many addresses.\n\n"
     "**Cost**: as mark()."},
    {"assign", c_function(method_assign), METH_FASTCALL,
     "assign($self, address, length, flags, /)\n--\n\nMake these the flags of so many addresses, which lose "
     "others.\n\n**Cost**: as mark(), without the pass: pages are given up."},
    {"is_marked", c_function(method_is_marked), METH_FASTCALL,
     "is_marked($self, address, length, flags, /)\n--\n\nReturn whether all of so many addresses have all of "
     "the flags.\n\n**Cost**: as next_unmarked()."},
    {"count", c_function(method_count), METH_FASTCALL,
     "count($self, address, length, flags, /)\n--\n\nReturn how many of so many addresses have all of the "
     "flags.\n\n**Cost**: O(1) for each run of equal flags in whole pages; else a pass over the pages."},
    {"run_length", c_function(method_run_length), METH_FASTCALL,
     "run_length($self, address, flags, /)\n--\n\nReturn how many addresses from this one on have all of the "
     "flags, within its range.\n\n**Cost**: as next_unmarked()."},
    {"next_marked", c_function(method_next_marked), METH_FASTCALL,
     "next_marked($self, address, flags, /)\n--\n\nReturn the first backed address from this one on that has "
     "all of the flags, or None.\n\n**Cost**: O(1) for each run of equal flags in whole pages that is "
     "passed, "
     "else a pass over the pages."},
    {"next_unmarked", c_function(method_next_unmarked), METH_FASTCALL,
     "next_unmarked($self, address, flags, /)\n--\n\nReturn the first backed address from this one on that "
     "lacks one of the flags, or None.\n\n**Cost**: as next_marked()."},
    PYR_USUAL(kAnalyzed, "analyzed", "analyzed"),
    PYR_USUAL(kCode, "code", "code"),
    PYR_USUAL(kData, "data", "data"),
    PYR_USUAL(kHead, "head", "heads of items"),
    PYR_USUAL(kLeader, "basic_block_leader", "leaders of basic blocks"),
    PYR_USUAL(kFunction, "function", "begins of functions"),
    PYR_USUAL(kRelocated, "relocated", "relocated"),
    PYR_USUAL(kRelocatedLeaf, "relocated_leaf", "relocated leaves"),
    {"next_any", c_function(method_next_any), METH_FASTCALL,
     "next_any($self, address, flags, /)\n--\n\nReturn the first backed address from this one on that has "
     "any "
     "of the flags, or None.\n\n**Cost**: as next_marked()."},
    {"count_any", c_function(method_count_any), METH_FASTCALL,
     "count_any($self, address, length, flags, /)\n--\n\nReturn how many of so many addresses have any of "
     "the "
     "flags.\n\n**Cost**: as count()."},
    {"_find", method_find, METH_VARARGS, "Return the first run of so many addresses, or None."},
    {"_runs", method_runs, METH_VARARGS, "Return the first so many runs of addresses."},
    {"_read", method_read, METH_VARARGS, "Fill the buffer with the flags from address on."},
    {"_write", method_write, METH_VARARGS, "Replace the flags from address on."},
    {"_ranges", method_ranges, METH_NOARGS, "Return the ranges."},
    {"_remove_range", shadow_remove_range, METH_VARARGS, "Back none of these any more."},
    {"_flag_runs", shadow_flag_runs, METH_VARARGS, "Return the first so many runs of equal flags."},
    {"_gather", shadow_gather, METH_VARARGS, "Fill the buffer with the flags at these addresses."},
    {"_scatter", shadow_scatter, METH_VARARGS, "Change the flags at these addresses."},
    {"_count_up", shadow_count_up, METH_VARARGS, "Count up in a run of addresses."},
    {"_count_up_at", shadow_count_up_at, METH_VARARGS, "Count up at these addresses."},
    {"_add_ranges", method_add_ranges, METH_O, "Add ranges, of their first and last addresses."},
    {"_width", method_width, METH_NOARGS, "Return the bytes of flags an address."},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace pyr
