// Shadow: one to eight bytes of flags for each address of some ranges, of which only what differs takes space.
//
// Runs of addresses are given by their first and last one, both included, so that the highest address needs no 65th
// bit.
//
// Threads, what is durable: store.h. Errors: as there; UnbackedError for addresses that are in no range; RangeError if
// the first lies behind the last, or for flags that the width has no room for. In Python: EMShadowMemory.
#pragma once

#include <emd/store.h>

namespace emd {
inline namespace v2 {

struct AddressRun {
  std::uint64_t first = 0, last = 0;
  friend bool operator==(const AddressRun&, const AddressRun&) = default;
};

// Flags that are asked for: those under `mask` are `value`; negated: they are not.
struct FlagPattern {
  std::uint64_t mask = 0, value = 0;
  bool negated = false;

  static FlagPattern all_of(std::uint64_t flags) { return {flags, flags, false}; }
  static FlagPattern any_of(std::uint64_t flags) { return {flags, 0, true}; }
  static FlagPattern none_of(std::uint64_t flags) { return {flags, 0, false}; }
};

class EMD_API Shadow : public Container {
 public:
  Shadow() = default;

  // Bytes of flags an address.
  unsigned width() const;
  // Backs these addresses as well, with flags of 0 where they were not backed before. Ranges that touch are one.
  void add_range(std::uint64_t first, std::uint64_t last);
  // Backs none of these any more, whether they were or not; their flags are gone.
  void remove_range(std::uint64_t first, std::uint64_t last);
  std::vector<AddressRun> ranges() const;
  bool backed(std::uint64_t address) const;

  std::uint64_t get(std::uint64_t address) const;
  // Of each address: its flags become these; get these as well; lose these.
  // Cost: O(1) for each run of equal flags that it meets, else a pass over the pages. A very long one is many changes,
  // between which a commit may come.
  void assign(std::uint64_t first, std::uint64_t last, std::uint64_t flags);
  void mark(std::uint64_t first, std::uint64_t last, std::uint64_t flags);
  void unmark(std::uint64_t first, std::uint64_t last, std::uint64_t flags);

  // How many addresses have such flags. Cost: as above.
  std::uint64_t count(std::uint64_t first, std::uint64_t last, const FlagPattern& wanted) const;
  // The first backed address of these, which need not be backed, that has such flags.
  std::optional<std::uint64_t> find(std::uint64_t first, std::uint64_t last, const FlagPattern& wanted) const;
  // Runs of addresses that have such flags, in order, at most so many. The addresses need not be backed.
  std::vector<AddressRun> runs(std::uint64_t first, std::uint64_t last, const FlagPattern& wanted,
                               std::uint64_t most) const;

 private:
  friend class Store;
  explicit Shadow(std::shared_ptr<detail::Member> member) : Container(std::move(member)) {}
  void change(std::uint64_t first, std::uint64_t last, std::uint64_t keep, std::uint64_t set);
};

}  // namespace v2
}  // namespace emd
