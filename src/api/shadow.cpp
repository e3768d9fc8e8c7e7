// Shadow of the C++ library: ranges of addresses, and flags in them.
#include <algorithm>

#include "api/open_store.h"

namespace emd::v2 {

using ShadowMember = detail::MemberOf<core::Shadow>;

namespace {

ShadowMember& use(const Shadow& handle) { return detail::use<core::Shadow>(handle); }

void require_order(u64 first, u64 last) {
  if (first <= last) return;
  throw RangeError("expected a first address not behind the last, found " + std::to_string(first) + " and " +
                   std::to_string(last));
}

void require_fit(const core::Shadow& shadow, u64 flags) {
  if ((flags & ~shadow.all_flags()) == 0) return;
  throw RangeError("expected flags of " + std::to_string(shadow.width()) + " bytes, found " +
                   std::to_string(flags));
}

WantedFlags wanted_of(const core::Shadow& shadow, const FlagPattern& pattern) {
  require_fit(shadow, pattern.mask);
  if ((pattern.value & ~pattern.mask) != 0)
    throw RangeError("expected a value of flags that the mask has, found " + std::to_string(pattern.value));
  return {pattern.mask, pattern.value, pattern.negated};
}

// In as many operations as it takes: one changes the first of very many pages alone.
void change_run(const ShadowMember& member, u64 first, u64 last, FlagChange change) {
  for (u64 from = first;;) {
    u64 done = 0;
    {
      const Operation operation(member.core());
      done = member.structure().change(from, last, change);
    }
    if (done == last) return;
    from = done + 1;
  }
}

}  // namespace

Shadow Store::shadow(std::string_view name, unsigned width) {
  if (width > 8)
    throw RangeError("expected 1 to 8 bytes of flags an address, found " + std::to_string(width));
  const core::Shadow::OpenAs wanted{width == 0 ? 1 : width, width != 0};
  return Shadow(detail::open_member<core::Shadow>(store_, name, wanted));
}

unsigned Shadow::width() const { return use(*this).structure().width(); }

void Shadow::add_range(std::uint64_t first, std::uint64_t last) {
  require_order(first, last);
  if (first == 0 && last == ~u64{0}) throw RangeError("expected fewer than all 2^64 addresses");
  const ShadowMember& member = use(*this);
  const Operation operation(member.core());
  const emd::AddressRange range{first, last};
  member.structure().add_ranges({&range, 1});
}

void Shadow::remove_range(std::uint64_t first, std::uint64_t last) {
  require_order(first, last);
  const ShadowMember& member = use(*this);
  for (const AddressRange& range : member.structure().ranges()) {
    const u64 begin = std::max(first, range.first), end = std::min(last, range.last);
    if (begin <= end) change_run(member, begin, end, {0, 0});
  }
  const Operation operation(member.core());
  member.structure().remove_range(first, last);
}

std::vector<AddressRun> Shadow::ranges() const {
  const ShadowMember& member = use(*this);
  std::vector<AddressRun> result;
  for (const AddressRange& range : member.read_consistent([&] { return member.structure().ranges(); }))
    result.push_back({range.first, range.last});
  return result;
}

bool Shadow::backed(std::uint64_t address) const {
  const ShadowMember& member = use(*this);
  return member.read_consistent([&] {
    const auto range = member.structure().range_at_or_after(address);
    return range && range->first <= address;
  });
}

std::uint64_t Shadow::get(std::uint64_t address) const {
  const ShadowMember& member = use(*this);
  return member.read_consistent([&] { return member.structure().get(address); });
}

void Shadow::assign(std::uint64_t first, std::uint64_t last, std::uint64_t flags) {
  change(first, last, 0, flags);
}
void Shadow::mark(std::uint64_t first, std::uint64_t last, std::uint64_t flags) {
  change(first, last, ~u64{0}, flags);
}
void Shadow::unmark(std::uint64_t first, std::uint64_t last, std::uint64_t flags) {
  change(first, last, ~flags, 0);
}

void Shadow::change(std::uint64_t first, std::uint64_t last, std::uint64_t keep, std::uint64_t set) {
  require_order(first, last);
  const ShadowMember& member = use(*this);
  require_fit(member.structure(), set);
  change_run(member, first, last, {keep, set});
}

std::uint64_t Shadow::count(std::uint64_t first, std::uint64_t last, const FlagPattern& wanted) const {
  require_order(first, last);
  const ShadowMember& member = use(*this);
  return member.read_consistent([&] {
    const core::Shadow& shadow = member.structure();
    return shadow.count(first, last, wanted_of(shadow, wanted));
  });
}

std::optional<std::uint64_t> Shadow::find(std::uint64_t first, std::uint64_t last,
                                          const FlagPattern& wanted) const {
  require_order(first, last);
  const ShadowMember& member = use(*this);
  return member.read_consistent([&] {
    const core::Shadow& shadow = member.structure();
    return shadow.find(first, last, wanted_of(shadow, wanted));
  });
}

std::vector<AddressRun> Shadow::runs(std::uint64_t first, std::uint64_t last, const FlagPattern& wanted,
                                     std::uint64_t most) const {
  require_order(first, last);
  const ShadowMember& member = use(*this);
  return member.read_consistent([&] {
    const core::Shadow& shadow = member.structure();
    std::vector<AddressRun> result;
    for (const AddressRange& run : shadow.runs(first, last, wanted_of(shadow, wanted), most))
      result.push_back({run.first, run.last});
    return result;
  });
}

}  // namespace emd::v2
