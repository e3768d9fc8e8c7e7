// ShadowRuns: the runs of an entry after a change, and the comparison of their flags.
#include "structures/shadow/runs.h"

#include <cstdint>

#include "base/check.h"

namespace emd {

ShadowRuns ShadowRuns::changed(u64 base, u64 end, u64 first, u64 last, const FlagChange& change) const {
  EMD_CHECK(fits_a_record());
  ShadowRuns after(first == base && last == end ? change(value_) : value_);
  bool room = first == base || after.append_from(*this, base, first - 1);
  walk(first, last, [&](const FlagRun& run) {
    room = room && after.append(run.first, run.last, change(run.flags));
    return false;
  });
  room = room && (last == end || after.append_from(*this, last + 1, end));
  EMD_CHECK(room);
  return after;
}

bool ShadowRuns::overwritten(u64 base, u64 end, u64 first, Bytes bytes, unsigned width,
                             ShadowRuns& after) const {
  const u64 last = first + (bytes.size() / width - 1);
  after = ShadowRuns(value_);
  if (first != base && !after.append_from(*this, base, first - 1)) return false;
  for (u64 from = first; !bytes.empty();) {
    const u64 count = equal_flags(bytes, width);
    const u64 flags = with_width(width, [&](auto zero) -> u64 { return load<decltype(zero)>(bytes.data()); });
    if (!after.append(from, from + (count - 1), flags) || !after.fits_a_record()) return false;
    from += count;
    bytes = bytes.subspan(count * width);
  }
  if (last != end && !after.append_from(*this, last + 1, end)) return false;
  return after.fits_a_record();
}

u64 equal_flags(Bytes bytes, unsigned width) {
  return with_width(width, [&](auto zero) -> u64 {
    using T = decltype(zero);
    const T first = load<T>(bytes.data());
    const u64 count = bytes.size() / sizeof(T);
    if (reinterpret_cast<std::uintptr_t>(bytes.data()) % sizeof(T) == 0)
      return flags::find(reinterpret_cast<const T*>(bytes.data()), count, {~u64{0}, first, true});
    u64 at = 1;
    while (at < count && load<T>(bytes.data() + at * sizeof(T)) == first) ++at;
    return at;
  });
}

}  // namespace emd
