// Shadow: ranges of addresses that are backed, and the calls on them, which the tree carries out.
#include "structures/shadow/shadow.h"

#include <cstdio>
#include <cstring>
#include <stdexcept>

#include "store/findings.h"

namespace emd {
namespace {

// So many ranges an error names.
constexpr u64 kRangesNamed = 8;

std::string hexadecimal(u64 address) {
  char text[20];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(address));
  return text;
}

std::string title(const AddressRange& range) {
  return hexadecimal(range.first) + " to " + hexadecimal(range.last);
}

// How many addresses they are; all 2^64, which no range has, are one less.
u64 length_of(u64 first, u64 last) { return std::max(last - first + 1, last - first); }

bool before(const AddressRange& a, const AddressRange& b) { return a.first < b.first; }

// Sorted ranges become as few as possible.
std::vector<AddressRange> merged(const std::vector<AddressRange>& sorted) {
  std::vector<AddressRange> result;
  for (const AddressRange& range : sorted) {
    const bool touches =
        !result.empty() && (result.back().last == ~u64{0} || range.first <= result.back().last + 1);
    if (touches) {
      result.back().last = std::max(result.back().last, range.last);
    } else {
      result.push_back(range);
    }
  }
  return result;
}

}  // namespace

Shadow::Shadow(Store&, Member& member)
    : header_(member.region(0)), others_{&member.region(1), &member.region(2), &member.region(3)} {
  if (header_.size() == 0) return;
  if (header_.size() < kShadowRangesAt) {
    damaged("expected a header of " + std::to_string(kShadowRangesAt) + " bytes, found " +
            std::to_string(header_.size()));
  }
  const auto header = load<ShadowHeader>(header_.data());
  if (header.magic != kShadowMagic)
    damaged("expected the magic number of shadow memory, found " + std::to_string(header.magic));
  if (header.format != kShadowFormat && header.format != kShadowRecordFormat) {
    throw FormatError("shadow memory: format " + std::to_string(header.format) + " of " + header_.path() +
                      " is not known here; this version reads formats " + std::to_string(kShadowFormat) +
                      " and " + std::to_string(kShadowRecordFormat));
  }
  if (header.width == 0 || header.width > 8)
    damaged("expected 1 to 8 bytes of flags an address, found " + std::to_string(header.width));
  tree_.emplace(header_, *others_[0], *others_[1], *others_[2], header.width);
  width_ = header.width;
  range_count();
}

void Shadow::damaged(const std::string& what) const {
  throw DamagedError("shadow memory: " + what + "; run verify(), and restore the store from a backup",
                     header_.path());
}

void Shadow::count_damaged(u64 count) const {
  damaged("expected at most " + std::to_string((header_.size() - kShadowRangesAt) / sizeof(AddressRange)) +
          " ranges, the header says " + std::to_string(count));
}

void Shadow::unbacked(u64 first, u64 last) const {
  const auto begun = range_at_or_after(first);
  const u64 address = begun && begun->first <= first ? begun->last + 1 : first;
  const u64 count = range_count();
  std::string text = "address " + hexadecimal(address) + " is not backed";
  if (first != last) text += " (asked for " + title({first, last}) + ")";
  text += count == 0 ? ": there are no ranges" : ": the ranges are ";
  for (u64 i = 0; i < std::min(count, kRangesNamed); ++i) text += (i == 0 ? "" : ", ") + title(range(i));
  if (count > kRangesNamed) text += " and " + std::to_string(count - kRangesNamed) + " more";
  throw UnbackedError(text + "; add_ranges() adds some");
}

void Shadow::require(const OpenAs& wanted) const {
  if (!wanted.given || wanted.width == width_) return;
  throw FormatError("the shadow memory has " + std::to_string(width_) + " bytes of flags an address, not " +
                    std::to_string(wanted.width) + ": leave width= out, or make a new one");
}

void Shadow::lay_out(unsigned width) {
  EMD_CHECK(!laid_out() && width != 0 && width <= 8);
  ShadowHeader header;
  header.width = width;
  header_.reserve(kShadowRangesAt - header_.size());
  header_.extend(kShadowRangesAt - header_.size());
  store(header_.writable(0, sizeof header), header);
  tree_.emplace(header_, *others_[0], *others_[1], *others_[2], width);
  width_ = width;
}

// ---- Ranges

std::vector<AddressRange> Shadow::ranges() const {
  std::vector<AddressRange> result(range_count());
  for (u64 i = 0; i < result.size(); ++i) {
    result[i] = range(i);
    const bool behind =
        i == 0 || (result[i - 1].last < result[i].first && result[i].first - result[i - 1].last > 1);
    if (result[i].first > result[i].last || !behind)
      damaged("range " + std::to_string(i) + ", " + title(result[i]) +
              ", is none, or not behind the one before");
  }
  return result;
}

std::optional<AddressRange> Shadow::range_at_or_after(u64 address) const {
  u64 low = 0, high = range_count();
  while (low < high) {
    const u64 middle = low + (high - low) / 2;
    if (range(middle).last < address) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == range_count()) return std::nullopt;
  return range(low);
}

void Shadow::add_ranges(std::span<const AddressRange> more) {
  std::vector<AddressRange> all = ranges();
  all.insert(all.end(), more.begin(), more.end());
  for (const AddressRange& range : more) {
    if (range.first > range.last)
      throw std::invalid_argument("expected a range's first address before its last, found " + title(range));
  }
  std::sort(all.begin(), all.end(), before);
  all = merged(all);
  if (all.empty()) return;
  if (all.front() == AddressRange{0, ~u64{0}})
    throw std::invalid_argument("expected ranges of fewer than 2**64 addresses");
  reserve_ranges(all.size());
  tree_->cover(all.back().last);
  set_ranges(all);
}

void Shadow::remove_range(u64 first, u64 last) {
  EMD_CHECK(!find(first, last, {~u64{0}, 0, true}));
  std::vector<AddressRange> left;
  for (const AddressRange& range : ranges()) {
    if (range.first < first) left.push_back({range.first, std::min(range.last, first - 1)});
    if (range.last > last) left.push_back({std::max(range.first, last + 1), range.last});
  }
  set_ranges(left);
}

void Shadow::reserve_ranges(u64 count) {
  const u64 bytes = count * sizeof(AddressRange), held = header_.size() - kShadowRangesAt;
  if (bytes > held) header_.reserve(bytes - held);
}

void Shadow::set_ranges(const std::vector<AddressRange>& all) {
  reserve_ranges(all.size());
  const u64 bytes = all.size() * sizeof(AddressRange), held = header_.size() - kShadowRangesAt;
  if (bytes > held) header_.extend(bytes - held);
  if (bytes != 0) std::memcpy(header_.writable(kShadowRangesAt, bytes), all.data(), bytes);
  store(header_.writable(offsetof(ShadowHeader, range_count), 8), u64{all.size()});
}

// ---- Reading

void Shadow::read(u64 first, u64 last, u8* to) const {
  backing(first, last);
  tree_->walk(first, last, [&](const ShadowTree::Piece& piece) {
    u8* const at = to + (piece.first - first) * stored_width();
    with_width(stored_width(), [&](auto zero) {
      using T = decltype(zero);
      if (piece.flags && sizeof(T) == width_) {
        std::memcpy(at, piece.flags, piece.count() * sizeof(T));
      } else if (piece.flags) {  // a damaged page may have flags beyond the width
        for (u64 i = 0; i < piece.count(); ++i)
          store(at + i * sizeof(T), static_cast<T>(load<T>(piece.flags + i * sizeof(T)) & all_flags()));
      } else {
        for (u64 i = 0; i < piece.count(); ++i)
          store(at + i * sizeof(T), static_cast<T>(piece.value & all_flags()));
      }
    });
    return false;
  });
}

u64 Shadow::count(u64 first, u64 last, const WantedFlags& wanted) const {
  backing(first, last);
  u64 total = 0;
  tree_->walk(first, last, [&](const ShadowTree::Piece& piece) {
    if (!piece.flags) {
      total += wanted(piece.value) ? piece.count() : 0;
      return false;
    }
    total += with_width(stored_width(), [&](auto zero) {
      return flags::count(reinterpret_cast<const decltype(zero)*>(piece.flags), piece.count(), wanted);
    });
    return false;
  });
  return total;
}

std::optional<u64> Shadow::find(u64 first, u64 last, const WantedFlags& wanted) const {
  std::optional<u64> result;
  walk(first, last, [&](const ShadowTree::Piece& piece) {
    if (!piece.flags) {
      if (wanted(piece.value)) result = piece.first;
      return result.has_value();
    }
    const u64 at = with_width(stored_width(), [&](auto zero) {
      return flags::find(reinterpret_cast<const decltype(zero)*>(piece.flags), piece.count(), wanted);
    });
    if (at != piece.count()) result = piece.first + at;
    return result.has_value();
  });
  return result;
}

u64 Shadow::run_length(u64 address, const WantedFlags& wanted, u64 most) const {
  const u64 range_last = backing(address, address).last;
  if (most == 0) return 0;
  const u64 last = most - 1 > range_last - address ? range_last : address + (most - 1);
  const auto end = find(address, last, wanted.others());
  return end ? *end - address : last - address + 1;
}

std::optional<u64> Shadow::find_run(u64 first, u64 last, const WantedFlags& wanted, u64 length) const {
  for (u64 from = first;;) {
    const auto begin = find(from, last, wanted);
    if (!begin) return std::nullopt;
    const u64 found = run_length(*begin, wanted, std::min(length, length_of(*begin, last)));
    if (found == length) return begin;
    if (last - *begin < found) return std::nullopt;
    from = *begin + found;
  }
}

std::vector<AddressRange> Shadow::runs(u64 first, u64 last, const WantedFlags& wanted, u64 most) const {
  std::vector<AddressRange> result;
  for (u64 from = first; result.size() < most;) {
    const auto begin = find(from, last, wanted);
    if (!begin) break;
    const u64 run_last = *begin + (run_length(*begin, wanted, length_of(*begin, last)) - 1);
    result.push_back({*begin, run_last});
    if (run_last >= last) break;
    from = run_last + 1;
  }
  return result;
}

std::vector<FlagRun> Shadow::flag_runs(u64 first, u64 last, u64 most) const {
  std::vector<FlagRun> result;
  // Whether there are enough; the last one is whole then.
  const auto add = [&](u64 from, u64 to, u64 flags) {
    const bool continues = !result.empty() && result.back().flags == flags && result.back().last + 1 == from;
    if (!continues && result.size() == most) return true;
    if (!continues) result.push_back({from, to, flags});
    result.back().last = to;
    return false;
  };
  walk(first, last, [&](const ShadowTree::Piece& piece) {
    if (!piece.flags) return add(piece.first, piece.last, piece.value & all_flags());
    return with_width(stored_width(), [&](auto zero) {
      using T = decltype(zero);
      const T* const flags = reinterpret_cast<const T*>(piece.flags);
      for (u64 begin = 0, end = 0; begin < piece.count(); begin = end) {
        const T value = flags[begin];
        for (end = begin + 1; end < piece.count() && flags[end] == value;) ++end;
        if (add(piece.first + begin, piece.first + end - 1, value & all_flags())) return true;
      }
      return false;
    });
  });
  return result;
}

// ---- Changing

u64 Shadow::count_up(u64 first, u64 last, const FlagCounter& counter) {
  backing(first, last);
  EMD_CHECK((counter.mask() & ~all_flags()) == 0);
  std::vector<u8> counted;
  u64 from = first;
  for (u64 pages = 0; pages < ShadowTree::kPagesAtOnce; ++pages) {
    ShadowTree::Piece piece{};
    tree_->walk(from, last, [&](const ShadowTree::Piece& found) {
      piece = found;
      return true;
    });
    if (!piece.flags) {
      tree_->change(piece.first, piece.last, {0, counter(piece.value & all_flags())});
    } else {
      counted.assign(piece.flags, piece.flags + piece.count() * stored_width());
      with_width(stored_width(), [&](auto zero) {
        using T = decltype(zero);
        for (u64 at = 0; at < counted.size(); at += sizeof(T))
          store(counted.data() + at, static_cast<T>(counter(load<T>(counted.data() + at) & all_flags())));
      });
      tree_->write(piece.first, counted);
    }
    if (piece.last == last) return last;
    from = piece.last + 1;
  }
  return from - 1;
}

void Shadow::write(u64 first, Bytes bytes) {
  if (bytes.empty()) return;
  EMD_CHECK(bytes.size() % stored_width() == 0);
  const u64 more = bytes.size() / stored_width() - 1;
  if (more > ~first) unbacked(first, ~u64{0});
  backing(first, first + more);
  tree_->write(first, bytes);
}

// ---- Inspection

Shadow::Stats Shadow::stats() const {
  u64 addresses = 0;
  const u64 count = range_count();
  for (u64 i = 0; i < count; ++i) addresses += range(i).last - range(i).first + 1;
  return {count, addresses, width_, tree_->stats()};
}

void Shadow::check(Findings& findings) const {
  if (header_.size() == 0) return;
  try {
    const std::size_t before = findings.size();
    check_ranges(findings);
    tree_->check(findings);
    if (findings.size() == before) check_gaps(findings);
  } catch (const DamagedError& error) {
    findings.push_back({error.path(), error.what()});
  }
}

void Shadow::check_ranges(Findings& findings) const {
  const u64 count = range_count();
  for (u64 i = 0; i < count; ++i) {
    findings.step();
    // 1. A range has an address, and the tree reaches it.
    const AddressRange now = range(i);
    if (now.first > now.last || now.last > tree_->covered_last())
      add_while_room(findings,
                     {header_.path(), "range " + std::to_string(i) + ", " + title(now) + ", is none"});
    // 2. Ranges are in order, with a gap between any two.
    if (i != 0 && (range(i - 1).last >= now.first || range(i - 1).last + 1 == now.first))
      add_while_room(findings,
                     {header_.path(), "range " + std::to_string(i) + " should come later, or be merged"});
  }
}

// 3. Addresses that are not backed have no flags.
void Shadow::check_gaps(Findings& findings) const {
  const auto check_gap = [&](u64 first, u64 last) {
    tree_->walk(first, last, [&](const ShadowTree::Piece& piece) {
      findings.step();
      const WantedFlags some{~u64{0}, 0, true};
      const bool sound =
          piece.flags ? with_width(stored_width(),
                                   [&](auto zero) {
                                     return flags::count(reinterpret_cast<const decltype(zero)*>(piece.flags),
                                                         piece.count(), some) == 0;
                                   })
                      : !some(piece.value);
      if (!sound) {
        add_while_room(findings, {header_.path(), "flags at addresses that are not backed, from " +
                                                      hexadecimal(piece.first)});
      }
      return !sound;
    });
  };
  u64 from = 0;
  const u64 last = tree_->covered_last();
  for (const AddressRange& range : ranges()) {
    if (range.first > from && range.first <= last) check_gap(from, range.first - 1);
    if (range.last >= last) return;
    from = range.last + 1;
  }
  check_gap(from, last);
}

}  // namespace emd
