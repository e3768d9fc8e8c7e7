// Shadow: flags for each address of some ranges: one to eight bytes an address, of which only what differs takes space.
//
// Four regions: the header and the ranges (sorted, merged where they overlap or touch), and the three of the tree
// (tree.h), in which a run of addresses of the same flags is a word. Flags of addresses that are not backed, that
// is, in none of the ranges, are 0 in the tree.
//
// Runs of addresses are given by their first and last one. Precondition of all calls that take them: first <= last.
//
// Errors, of all calls: DamagedError; of those that take addresses: UnbackedError, naming the first address that is not
// backed; of mutating calls: SystemError (no space): nothing has changed then.
//
// Threads: as the store's. Mutating calls run inside an Operation of the caller.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "base/errors.h"
#include "structures/shadow/tree.h"

namespace emd {

class Shadow {
 public:
  static constexpr Kind kKind{6};
  static constexpr const char* kName = "shadow memory";
  static constexpr unsigned kRegionCount = 4;
  // The width of a new one; of one that is there if it was given.
  struct OpenAs {
    unsigned width = 1;
    bool given = false;
  };

  // Opens it in the member's regions, which are mapped (Store::acquire). Writes nothing.
  // Errors: DamagedError, FormatError.
  Shadow(Store& store, Member& member);
  Shadow(const Shadow&) = delete;
  Shadow& operator=(const Shadow&) = delete;

  // Whether it has a width: one that was only just created has none, and nothing but lay_out() may be called.
  // A rollback may take it back.
  bool laid_out() const { return header_.size() != 0; }
  // Precondition: !laid_out(); the width is 1 to 8.
  void lay_out(unsigned width);
  void lay_out_as(const OpenAs& wanted) { lay_out(wanted.width); }
  // Errors: FormatError if it has another width.
  void require(const OpenAs& wanted) const;
  // Bytes of flags an address.
  unsigned width() const { return width_; }
  // Bytes that they lie in, in pages and in what is read and written: the next power of two. Those above are 0.
  unsigned stored_width() const { return tree_->stored_width(); }
  u64 all_flags() const { return ~u64{0} >> (64 - 8 * width_); }

  // ---- What is backed

  u64 range_count() const {
    const u64 count = load_once<u64>(header_.at(offsetof(ShadowHeader, range_count), 8));
    if (__builtin_expect(count > (header_.size() - kShadowRangesAt) / sizeof(AddressRange), 0))
      count_damaged(count);
    return count;
  }
  // Precondition: index < range_count(). Their order, and that they do not touch, only check() tests.
  AddressRange range(u64 index) const {
    return load<AddressRange>(
        header_.at(kShadowRangesAt + index * sizeof(AddressRange), sizeof(AddressRange)));
  }
  // All of them. Errors: DamagedError if they are not sorted, or touch.
  std::vector<AddressRange> ranges() const;
  // Backs these as well; those that overlap or touch others are merged with them. Flags are kept, or 0.
  // Errors: std::invalid_argument if first > last, or if all 2^64 addresses would be backed. Cost: O(ranges).
  void add_ranges(std::span<const AddressRange> more);
  // Backs none of these any more, whether they were or not. Precondition: their flags are 0. Cost: O(ranges).
  void remove_range(u64 first, u64 last);
  // The range of an address, or the next one behind it.
  std::optional<AddressRange> range_at_or_after(u64 address) const;
  // The range that holds these addresses.
  AddressRange backing(u64 first, u64 last) const {
    const auto range = range_at_or_after(first);
    if (__builtin_expect(!range || range->first > first || range->last < last, 0)) unbacked(first, last);
    return *range;
  }

  // ---- Reading

  u64 get(u64 address) const {
    backing(address, address);
    return tree_->get(address);
  }
  // Flags as they are, stored_width() bytes each. Precondition: `to` has room.
  void read(u64 first, u64 last, u8* to) const;
  // How many addresses have flags that are wanted.
  u64 count(u64 first, u64 last, const WantedFlags& wanted) const;
  // How many from this address on, up to `most` or the end of its range, have flags that are wanted.
  u64 run_length(u64 address, const WantedFlags& wanted, u64 most = ~u64{0}) const;
  // The first backed address of first to last, which need not be backed, whose flags are wanted.
  // Cost: O(1) for each run of equal flags that fills entries of the tree, else a pass over the pages.
  std::optional<u64> find(u64 first, u64 last, const WantedFlags& wanted) const;
  // The first address from which on, within its range, so many have flags that are wanted. Precondition: length != 0.
  std::optional<u64> find_run(u64 first, u64 last, const WantedFlags& wanted, u64 length) const;
  // The longest runs of addresses whose flags are wanted, as many as `most`, cut to first and last, which need not be
  // backed. No run goes beyond its range.
  std::vector<AddressRange> runs(u64 first, u64 last, const WantedFlags& wanted, u64 most) const;
  // The longest runs of backed addresses of the same flags, those of 0 too, as many as `most`, cut to first and last.
  std::vector<FlagRun> flag_runs(u64 first, u64 last, u64 most) const;
  // Calls work(Piece) for flags of backed addresses in order until it returns true.
  template <class Work>
  bool walk(u64 first, u64 last, Work&& work) const;

  // ---- Changing

  // Cost: as find(). Returns the last address that was changed: of very many pages only the first are.
  u64 change(u64 first, u64 last, FlagChange change) {
    backing(first, last);
    return tree_->change(first, last, {change.keep, change.set & all_flags()});
  }
  // Counts up in the flags of each. Precondition: the counter's bits are of all_flags(). Returns the last address that
  // was changed: of many pages only the first are. If space runs out, those before stay counted.
  u64 count_up(u64 first, u64 last, const FlagCounter& counter);
  // Flags as they are, stored_width() bytes each, of the addresses from `first` on.
  // Precondition: at most 64 MiB; none is beyond all_flags().
  void write(u64 first, Bytes bytes);

  struct Stats {
    u64 ranges, addresses, width;
    ShadowTree::Stats tree;
  };
  Stats stats() const;
  // Every invariant, commented one by one. Cost: a step a node, and the pages at the ends of ranges.
  void check(Findings& findings) const;

 private:
  void reserve_ranges(u64 count);
  void set_ranges(const std::vector<AddressRange>& all);
  void check_ranges(Findings& findings) const;
  void check_gaps(Findings& findings) const;
  [[noreturn]] void damaged(const std::string& what) const;
  [[noreturn]] void count_damaged(u64 count) const;
  [[noreturn]] void unbacked(u64 first, u64 last) const;

  Region& header_;
  Region* others_[3];
  std::optional<ShadowTree> tree_;
  unsigned width_ = 0;
};

template <class Work>
bool Shadow::walk(u64 first, u64 last, Work&& work) const {
  for (u64 from = first;;) {
    const auto range = range_at_or_after(from);
    if (!range || range->first > last) return false;
    if (range->last < from || range->first > range->last) damaged("the ranges are not in order");
    const u64 end = std::min(last, range->last);
    if (tree_->walk(std::max(from, range->first), end, work)) return true;
    if (end == last) return false;
    from = end + 1;
  }
}

}  // namespace emd
