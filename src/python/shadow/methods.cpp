// The EMShadowMemory base type: its methods; those with an underscore are for pyrsistence/_containers/shadow.py.
#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "python/kit/method.h"
#include "python/shadow/object.h"

namespace pyr {
namespace {

using emd::AddressRange;
using emd::FlagChange;
using emd::u32;
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

// ---- Marking

void change(ShadowContainer& container, u64 address, u64 length, u64 flags, FlagChange change) {
  const Container::EntryGuard entered(container);
  require_fit(container.shadow(), flags);
  change_run(container, address, length, change);
}

void mark(ShadowContainer& container, Address address, Length length, Flags flags) {
  change(container, address, length, flags, {~u64{0}, flags});
}
void unmark(ShadowContainer& container, Address address, Length length, Flags flags) {
  change(container, address, length, flags, {~flags.bits, 0});
}
void assign(ShadowContainer& container, Address address, Length length, Flags flags) {
  change(container, address, length, flags, {0, flags});
}
template <u64 flag>
void mark_as(ShadowContainer& container, Address address, std::optional<Length> length) {
  change(container, address, length.value_or(Length{1}), flag, {~u64{0}, flag});
}
template <u64 flag>
void unmark_as(ShadowContainer& container, Address address, std::optional<Length> length) {
  change(container, address, length.value_or(Length{1}), flag, {~flag, 0});
}

// ---- Asking

u64 count_wanted(ShadowContainer& container, u64 address, u64 length, u64 flags, const WantedFlags& wanted) {
  const Container::EntryGuard entered(container);
  return container.read_long_if(length > kLongRun, [&]() -> u64 {
    require_some(container.shadow(), flags);
    if (length == 0) return 0;
    return container.shadow().count(address, last_of(address, length), wanted);
  });
}

u64 count(ShadowContainer& container, Address address, Length length, Flags flags) {
  return count_wanted(container, address, length, flags, all_of(flags));
}
u64 count_any(ShadowContainer& container, Address address, Length length, Flags flags) {
  return count_wanted(container, address, length, flags, any_of(flags));
}
template <u64 flag>
u64 count_marked_as(ShadowContainer& container, Address address, std::optional<Length> length) {
  return count_wanted(container, address, length.value_or(Length{1}), flag, all_of(flag));
}

bool is_marked(ShadowContainer& container, Address address, Length length, Flags flags) {
  const Container::EntryGuard entered(container);
  return container.read_long_if(length > kLongRun, [&] {
    emd::Shadow& shadow = container.shadow();
    require_some(shadow, flags);
    if (length == 0) return true;
    const u64 last = last_of(address, length);
    shadow.backing(address, last);
    return !shadow.find(address, last, all_of(flags).others());
  });
}

u64 run_length(ShadowContainer& container, Address address, Flags flags) {
  const Container::EntryGuard entered(container);
  const auto measure = [&](u64 most) {
    require_some(container.shadow(), flags);
    return container.shadow().run_length(address, all_of(flags), most);
  };
  const u64 length = container.read_consistent([&] { return measure(kLongRun); });
  return length < kLongRun ? length : container.read_long_if(true, [&] { return measure(~u64{0}); });
}

// The first address of first to last from which on so many have wanted flags. Precondition: entered; length != 0.
std::optional<u64> search(ShadowContainer& container, u64 first, u64 last, const WantedFlags& wanted,
                          u64 length) {
  const u64 near = std::min(last, last - first > kLongRun ? first + kLongRun : last);
  auto found =
      container.read_consistent([&] { return container.shadow().find_run(first, near, wanted, length); });
  if (found || near == last) return found;
  return container.read_long_if(true,
                                [&] { return container.shadow().find_run(first, last, wanted, length); });
}

std::optional<u64> next_wanted(ShadowContainer& container, u64 address, u64 flags,
                               const WantedFlags& wanted) {
  const Container::EntryGuard entered(container);
  require_some(container.shadow(), flags);
  return search(container, address, ~u64{0}, wanted, 1);
}

std::optional<u64> next_marked(ShadowContainer& container, Address address, Flags flags) {
  return next_wanted(container, address, flags, all_of(flags));
}
std::optional<u64> next_unmarked(ShadowContainer& container, Address address, Flags flags) {
  return next_wanted(container, address, flags, all_of(flags).others());
}
std::optional<u64> next_any(ShadowContainer& container, Address address, Flags flags) {
  return next_wanted(container, address, flags, any_of(flags));
}

// (first, last, mask, value, number, negated): what is asked for where.
struct Question {
  static constexpr Py_ssize_t kObjects = 6;
  bool take(ShadowContainer& container, PyObject* const* objects) {
    Flags mask, value;
    const bool taken = first.take(objects[0]) && last.take(objects[1]) && mask.take(objects[2]) &&
                       value.take(objects[3]) && number.take(container, objects + 4) &&
                       pyr::take(container, wanted.negated, objects + 5);
    wanted.mask = mask;
    wanted.value = value;
    return taken;
  }
  void require_sound(const emd::Shadow& shadow) const {
    require_some(shadow, wanted.mask);
    if (last < first) throw std::invalid_argument("expected the last address not before the first");
    if ((wanted.value & ~wanted.mask) != 0)
      throw std::invalid_argument("the value has flags that are not among those that are looked at");
  }
  Address first, last;
  Length number;
  WantedFlags wanted = {};
};

std::optional<u64> find(ShadowContainer& container, const Question& question) {
  const Container::EntryGuard entered(container);
  question.require_sound(container.shadow());
  if (question.number == 0) throw std::invalid_argument("expected a length of 1 or more, found 0");
  return search(container, question.first, question.last, question.wanted, question.number);
}

// (first address, the one behind the last). A new reference, or null with an error set.
PyObject* interval(const AddressRange& range) {
  const OwnedRef first(PyLong_FromUnsignedLongLong(range.first)), end = end_of(range.last);
  return first && end ? PyTuple_Pack(2, first.get(), end.get()) : nullptr;
}

PyObject* intervals(const std::vector<AddressRange>& ranges) {
  OwnedRef list(PyList_New(static_cast<Py_ssize_t>(ranges.size())));
  if (!list) return nullptr;
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    PyObject* const pair = interval(ranges[i]);
    if (!pair) return nullptr;
    PyList_SET_ITEM(list.get(), static_cast<Py_ssize_t>(i), pair);
  }
  return list.release();
}

PyObject* runs(ShadowContainer& container, const Question& question) {
  std::vector<AddressRange> found;
  {
    const Container::EntryGuard entered(container);
    question.require_sound(container.shadow());
    found = container.read_long_if(question.last - question.first > kLongRun, [&] {
      return container.shadow().runs(question.first, question.last, question.wanted, question.number);
    });
  }
  return intervals(found);
}

// ---- Flags as they are

void read(ShadowContainer& container, Address address, const WriteBuffer& to) {
  const Container::EntryGuard entered(container);
  const u64 length = to.size() / container.shadow().stored_width();
  if (length == 0) return;
  container.read_long_if(length > kLongRun,
                         [&] { container.shadow().read(address, last_of(address, length), to.data()); });
}

void write(ShadowContainer& container, Address address, const ReadBuffer& from) {
  const Container::EntryGuard entered(container);
  emd::Shadow& shadow = container.shadow();
  const u64 width = shadow.stored_width();
  if (from.size() % width != 0)
    throw std::invalid_argument("expected whole flags of " + std::to_string(width) + " bytes");
  if (from.size() == 0) return;
  container.read_consistent([&] { shadow.backing(address, last_of(address, from.size() / width)); });
  for (u64 done = 0; done < from.size(); done += kBytesAtOnce) {
    const Bytes some = from.bytes().subspan(done, std::min(kBytesAtOnce, from.size() - done));
    container.change(some.size() > kLongRun, [&] { shadow.write(address + done / width, some); });
  }
}

// ---- Ranges

PyObject* ranges(ShadowContainer& container) {
  return intervals(container.read([&] { return container.shadow().ranges(); }));
}

bool as_ranges(PyObject* list, std::vector<AddressRange>& ranges) {
  const OwnedRef items(PySequence_Fast(list, "expected a sequence of ranges"));
  if (!items) return false;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(items.get()); ++i) {
    PyObject *from = nullptr, *to = nullptr;
    Address first, last;
    if (!PyArg_ParseTuple(PySequence_Fast_GET_ITEM(items.get(), i), "OO", &from, &to)) return false;
    if (!first.take(from) || !last.take(to)) return false;
    ranges.push_back({first, last});
  }
  return true;
}

void add_ranges(ShadowContainer& container, PyObject* list) {
  std::vector<AddressRange> ranges;
  require(as_ranges(list, ranges));
  const Container::EntryGuard entered(container);
  container.change([&] { container.shadow().add_ranges(ranges); });
}

u32 width(ShadowContainer& container) {
  return container.read([&] { return container.shadow().width(); });
}

}  // namespace

// mark_as_<name>, unmark_as_<name>, count_marked_as_<name>, and is_marked_as_<name>, an alias of that.
#define PYR_USUAL(flag, name, phrase)                                                                        \
  method<"mark_as_" name, &mark_as<flag>>(                                                                   \
      "mark_as_" name "($self, address, length=1, /)\n--\n\nMark so many addresses as " phrase               \
      ".\n\n**Cost**: as mark()."),                                                                          \
      method<"unmark_as_" name, &unmark_as<flag>>("unmark_as_" name                                          \
                                                  "($self, address, length=1, /)\n--\n\nUndo mark_as_" name  \
                                                  "().\n\n**Cost**: as mark()."),                            \
      method<"count_marked_as_" name, &count_marked_as<flag>>(                                               \
          "count_marked_as_" name                                                                            \
          "($self, address, length=1, /)\n--\n\nReturn how many of so many addresses are marked as " phrase  \
          ".\n\n**Cost**: as count()."),                                                                     \
      method<"is_marked_as_" name, &count_marked_as<flag>>(                                                  \
          "is_marked_as_" name "($self, address, length=1, /)\n--\n\nAn older name of count_marked_as_" name \
          "().\n\n**Cost**: as count().")

PyMethodDef shadow_methods[] = {
    method<"mark", &mark>(
        "mark($self, address, length, flags, /)\n--\n\nAdd flags to those of so many addresses.\n\n**Cost**: "
        "O(1) for each run of equal flags in whole pages, however long; else a pass over the pages. Errors: "
        "IndexError naming the first address that is not backed: nothing has changed then."),
    method<"unmark", &unmark>("unmark($self, address, length, flags, /)\n--\n\nTake flags from those of so "
                              "many addresses.\n\n**Cost**: as mark()."),
    method<"assign", &assign>(
        "assign($self, address, length, flags, /)\n--\n\nMake these the flags of so many addresses, which "
        "lose others.\n\n**Cost**: as mark(), without the pass: pages are given up."),
    method<"is_marked", &is_marked>(
        "is_marked($self, address, length, flags, /)\n--\n\nReturn whether all of so many addresses have all "
        "of the flags.\n\n**Cost**: as next_unmarked()."),
    method<"count", &count>(
        "count($self, address, length, flags, /)\n--\n\nReturn how many of so many addresses have all of the "
        "flags.\n\n**Cost**: O(1) for each run of equal flags in whole pages; else a pass over the pages."),
    method<"run_length", &run_length>(
        "run_length($self, address, flags, /)\n--\n\nReturn how many addresses from this one on have all of "
        "the flags, within its range.\n\n**Cost**: as next_unmarked()."),
    method<"next_marked", &next_marked>(
        "next_marked($self, address, flags, /)\n--\n\nReturn the first backed address from this one on that "
        "has all of the flags, or None.\n\n**Cost**: O(1) for each run of equal flags in whole pages that is "
        "passed, else a pass over the pages."),
    method<"next_unmarked", &next_unmarked>(
        "next_unmarked($self, address, flags, /)\n--\n\nReturn the first backed address from this one on "
        "that lacks one of the flags, or None.\n\n**Cost**: as next_marked()."),
    PYR_USUAL(kAnalyzed, "analyzed", "analyzed"),
    PYR_USUAL(kCode, "code", "code"),
    PYR_USUAL(kData, "data", "data"),
    PYR_USUAL(kHead, "head", "heads of items"),
    PYR_USUAL(kLeader, "basic_block_leader", "leaders of basic blocks"),
    PYR_USUAL(kFunction, "function", "begins of functions"),
    PYR_USUAL(kRelocated, "relocated", "relocated"),
    PYR_USUAL(kRelocatedLeaf, "relocated_leaf", "relocated leaves"),
    method<"next_any", &next_any>(
        "next_any($self, address, flags, /)\n--\n\nReturn the first backed address from this one on that has "
        "any of the flags, or None.\n\n**Cost**: as next_marked()."),
    method<"count_any", &count_any>("count_any($self, address, length, flags, /)\n--\n\nReturn how many of "
                                    "so many addresses have any of the flags.\n\n**Cost**: as count()."),
    method<"_find", &find>("Return the first run of so many addresses, or None."),
    method<"_runs", &runs>("Return the first so many runs of addresses."),
    method<"_read", &read>("Fill the buffer with the flags from address on."),
    method<"_write", &write>("Replace the flags from address on."),
    method<"_ranges", &ranges>("Return the ranges."),
    method<"_remove_range", &shadow_remove_range>("Back none of these any more."),
    method<"_flag_runs", &shadow_flag_runs>("Return the first so many runs of equal flags."),
    method<"_gather", &shadow_gather>("Fill the buffer with the flags at these addresses."),
    method<"_scatter", &shadow_scatter>("Change the flags at these addresses."),
    method<"_count_up", &shadow_count_up>("Count up in a run of addresses."),
    method<"_count_up_at", &shadow_count_up_at>("Count up at these addresses."),
    method<"_add_ranges", &add_ranges>("Add ranges, of their first and last addresses."),
    method<"_width", &width>("Return the bytes of flags an address."),
    kEndOfMethods};

}  // namespace pyr
