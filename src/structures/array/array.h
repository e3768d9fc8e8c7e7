// Array: a sequence of items of one fixed size, one behind the other in memory: the bytes themselves.
//
// One region: a page with the header, then the items, so that they begin at a page's boundary and can be handed out as
// they lie (Region::View). What lies behind the last item is not used. An item is an element, or a block of elements
// (`shape`); what an element is, a text says (`dtype`), which means nothing here.
//
// Errors, of all mutating calls: SystemError (no space); ViewError where views of the items forbid it: the array is as
// before. Of all calls: DamagedError if the header contradicts the region.
//
// Threads: as the store's. Mutating calls run inside an Operation of the caller.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "store/store.h"

namespace emd {

class Array {
 public:
  static constexpr Kind kKind{3};
  static constexpr const char* kName = "array";
  static constexpr unsigned kRegionCount = 1;
  static constexpr u64 kDataAt = kPageSize;
  static constexpr u32 kMaxDimensions = 16;
  static constexpr u64 kMaxTypeBytes = 3584;
  static constexpr u64 kMaxItemBytes = u64{1} << 40;
  // Shrinking to less than half of a region of more than this writes it anew.
  static constexpr u64 kRewriteThreshold = u64{1} << 20;

  struct Type {
    std::string dtype;
    u64 element_bytes = 0;
    std::vector<u64> shape;  // of an item; empty: an item is an element

    friend bool operator==(const Type&, const Type&) = default;
    // Of an item; 0 if that is not within 1..kMaxItemBytes, or a text or shape is too long for the header.
    u64 item_bytes() const;
  };
  // A new array is laid out with all of the type. An array that is there must agree in the parts that were given.
  struct OpenAs {
    Type type;
    bool dtype_given = false;
    bool shape_given = false;
  };

  // Opens the array in the member's region, which is mapped (Store::acquire). Writes nothing.
  // Errors: DamagedError, FormatError.
  Array(Store& store, Member& member);
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;

  // Whether the array has its type: one that was only just created has none, and nothing but lay_out() may be called.
  // A rollback may take it back.
  bool laid_out() const { return region_.size() != 0; }
  // Precondition: !laid_out(); type.item_bytes() != 0.
  void lay_out(const Type& type);
  void lay_out_as(const OpenAs& wanted) { lay_out(wanted.type); }
  // Errors: FormatError if it has another type.
  void require(const OpenAs& wanted) const;
  const Type& type() const { return type_; }
  u64 item_bytes() const { return item_bytes_; }

  u64 size() const {
    const u64 bytes = region_.size();
    if (__builtin_expect(bytes < kDataAt, 0)) size_damaged();
    const u64 count = load_once<u64>(region_.data() + kCountAt);
    if (__builtin_expect(count > (bytes - kDataAt) / item_bytes_, 0)) count_damaged(count);
    return count;
  }
  // The items [from, to), as they lie; valid until the next mutating call, commit or rollback.
  // Precondition: from <= to <= size().
  Bytes items(u64 from, u64 to) const {
    EMD_DCHECK(from <= to && to <= size());
    return {region_.data() + offset_of(from), (to - from) * item_bytes_};
  }
  // The addresses of items from this one on, and behind the last those that views may have: an item that is written
  // lies there. Precondition: from <= size().
  Bytes reachable(u64 from) const {
    const u64 end = std::max(region_.size(), region_.viewed_end());
    return {region_.data() + offset_of(from), end - offset_of(from)};
  }
  // The items as T. Precondition: sizeof(T) is item_bytes().
  template <class T>
  std::span<const T> as() const {
    static_assert(std::is_trivially_copyable_v<T>);
    EMD_CHECK(sizeof(T) == item_bytes_);
    return {reinterpret_cast<const T*>(region_.data() + kDataAt), size()};
  }
  // All items, at addresses that stay through growth: see Region::view.
  Region::View view(bool writable);
  unsigned view_count() const { return region_.view_count(); }

  // Whole items, which replace those from `from` on. They may lie in the array itself.
  // Cost of both: the pages touched, copied at their first change since the last commit.
  void set(u64 from, Bytes items);
  // Item i replaces that at indices[i]; of equal indices the last counts.
  void scatter(std::span<const u64> indices, Bytes items);

  // Whole items, at the end. They may lie in a view of the array.
  // Cost: large runs go by pwrite, not by page faults.
  void extend(Bytes items);
  // Items that are added are zero. Cost: O(1) in memory and time where it grows, but for room that was used before;
  // where it shrinks to less than half, what is left is written anew.
  // Errors: ViewError if it shrinks to less than views have reached.
  void resize(u64 count);
  // Items behind the last one for which the region has been used: extending into them changes it in place.
  u64 used_room() const { return (region_.size() - offset_of(size())) / item_bytes_; }

  struct Stats {
    u64 entries, item_bytes, data_bytes, free_bytes, views;
  };
  Stats stats() const;
  // Every invariant, commented one by one. Cost: O(1).
  void check(Findings& findings) const;

 private:
  static constexpr u64 kCountAt = 8;

  u64 offset_of(u64 index) const { return kDataAt + index * item_bytes_; }
  Type read_type() const;
  void set_count(u64 count);
  void add_zeros(u64 count);
  void zero(u64 from, u64 to);
  void write_anew(u64 count);
  [[noreturn]] void damaged(const std::string& what) const;
  [[noreturn]] void size_damaged() const;
  [[noreturn]] void count_damaged(u64 count) const;

  Region& region_;
  Type type_;
  u64 item_bytes_ = 0;
};

}  // namespace emd
