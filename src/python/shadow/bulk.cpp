// The EMShadowMemory base type: arrays of addresses, runs with their flags, counters. For shadow.py and
// shadow_counter.py in pyrsistence/_containers.
#include <algorithm>
#include <optional>
#include <span>
#include <stdexcept>
#include <vector>

#include "python/shadow/object.h"

namespace pyr {
namespace {

using emd::FlagChange;
using emd::FlagCounter;
using emd::FlagRun;

// So many addresses are one consistent read, or one operation: beside a writer a read stays short, and commits that are
// due are made between two operations.
constexpr u64 kAddressesAtOnce = 4096;

// work(first, addresses) for piece after piece of them.
template <class Work>
void in_pieces(std::span<const u64> addresses, Work&& work) {
  for (u64 first = 0; first < addresses.size(); first += kAddressesAtOnce)
    work(first, addresses.subspan(first, std::min<u64>(kAddressesAtOnce, addresses.size() - first)));
}

// Precondition: entered. Errors by exception: UnbackedError for the first that is not backed.
void require_backed(ShadowContainer& container, std::span<const u64> addresses) {
  in_pieces(addresses, [&](u64, std::span<const u64> some) {
    container.read_long_if(some.size() == kAddressesAtOnce, [&] {
      std::optional<emd::AddressRange> range;
      for (const u64 address : some) {
        if (range && range->first <= address && address <= range->last) continue;
        range = container.shadow().backing(address, address);
      }
    });
  });
}

// A counter of a shadow memory, or std::invalid_argument. Precondition: entered.
FlagCounter checked(const emd::Shadow& shadow, unsigned shift, unsigned bits, u64 by) {
  const unsigned all = 8 * shadow.width();
  if (bits == 0 || bits > all || shift > all - bits) {
    throw std::invalid_argument("expected a counter within the " + std::to_string(all) +
                                " bits of flags that an address has, found " + std::to_string(bits) +
                                " bits from bit " + std::to_string(shift) + " on");
  }
  return {shift, bits, by};
}

}  // namespace

// _remove_range(first, last): their flags become 0, and then they are not backed.
void shadow_remove_range(ShadowContainer& container, Address first, Address last) {
  const Container::EntryGuard entered(container);
  for (const emd::AddressRange& range :
       container.read_consistent([&] { return container.shadow().ranges(); })) {
    const u64 begin = std::max<u64>(first, range.first), end = std::min<u64>(last, range.last);
    if (begin <= end) change_run(container, begin, end - begin + 1, {0, 0});
  }
  container.change([&] { container.shadow().remove_range(first, last); });
}

// _flag_runs(first, last, most): [(first, behind last, flags), ...]
PyObject* shadow_flag_runs(ShadowContainer& container, Address first, Address last, Length most) {
  std::vector<FlagRun> runs;
  {
    const Container::EntryGuard entered(container);
    runs = container.read_long_if(true, [&] { return container.shadow().flag_runs(first, last, most); });
  }
  OwnedRef list(PyList_New(static_cast<Py_ssize_t>(runs.size())));
  for (std::size_t i = 0; list && i < runs.size(); ++i) {
    const OwnedRef end = end_of(runs[i].last);
    PyObject* const item = end ? Py_BuildValue("KOK", static_cast<unsigned long long>(runs[i].first),
                                               end.get(), static_cast<unsigned long long>(runs[i].flags))
                               : nullptr;
    if (!item) return nullptr;
    PyList_SET_ITEM(list.get(), static_cast<Py_ssize_t>(i), item);
  }
  return list.release();
}

// _gather(addresses, buffer): the flags of each, in as many bytes as they lie in.
void shadow_gather(ShadowContainer& container, const ReadBuffer& where, const WriteBuffer& to) {
  const std::span<const u64> addresses = where.as<u64>();
  const Container::EntryGuard entered(container);
  const u64 width = container.shadow().stored_width();
  if (to.size() != addresses.size() * width)
    throw std::invalid_argument("expected a buffer for as many flags as addresses");
  in_pieces(addresses, [&](u64 first, std::span<const u64> some) {
    container.read_long_if(some.size() == kAddressesAtOnce, [&] {
      for (std::size_t i = 0; i < some.size(); ++i) {
        const u64 flags = container.shadow().get(some[i]);
        std::memcpy(to.data() + (first + i) * width, &flags, width);
      }
    });
  });
}

// _scatter(addresses, keep, set): flags become (flags & keep) | set[i]; `set`: 8 bytes for each, or for all.
void shadow_scatter(ShadowContainer& container, const ReadBuffer& where, Flags keep, const ReadBuffer& sets) {
  const std::span<const u64> addresses = where.as<u64>(), set = sets.as<u64>();
  const Container::EntryGuard entered(container);
  if (set.size() != addresses.size() && set.size() != 1)
    throw std::invalid_argument("expected flags for each address, or for all");
  u64 all = 0;
  for (const u64 flags : set) all |= flags;
  require_fit(container.shadow(), all);
  require_backed(container, addresses);
  in_pieces(addresses, [&](u64 first, std::span<const u64> some) {
    container.change(some.size() == kAddressesAtOnce, [&] {
      for (std::size_t i = 0; i < some.size(); ++i)
        container.shadow().change(some[i], some[i], {keep, set[set.size() == 1 ? 0 : first + i]});
    });
  });
}

// _count_up(address, length, shift, bits, by)
void shadow_count_up(ShadowContainer& container, Address address, Length length, emd::u32 shift,
                     emd::u32 bits, Length by) {
  const Container::EntryGuard entered(container);
  const FlagCounter counter = checked(container.shadow(), shift, bits, by);
  if (length == 0) return;
  const u64 last = last_of(address, length);
  container.read_consistent([&] { container.shadow().backing(address, last); });
  for (u64 from = address, done = 0;; from = done + 1) {
    container.change(last - from > kLongRun,
                     [&] { done = container.shadow().count_up(from, last, counter); });
    if (done == last) return;
  }
}

// _count_up_at(addresses, shift, bits, by): one that comes twice is counted twice.
void shadow_count_up_at(ShadowContainer& container, const ReadBuffer& where, emd::u32 shift, emd::u32 bits,
                        Length by) {
  const std::span<const u64> addresses = where.as<u64>();
  const Container::EntryGuard entered(container);
  const FlagCounter counter = checked(container.shadow(), shift, bits, by);
  require_backed(container, addresses);
  in_pieces(addresses, [&](u64, std::span<const u64> some) {
    container.change(some.size() == kAddressesAtOnce, [&] {
      emd::Shadow& shadow = container.shadow();
      for (const u64 address : some) shadow.change(address, address, {0, counter(shadow.get(address))});
    });
  });
}

}  // namespace pyr
