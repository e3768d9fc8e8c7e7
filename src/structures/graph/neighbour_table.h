// NeighbourTable: where the neighbours of a hub are in its list, so that one is found without reading the list.
//
// Open addressing with linear probing over slots of a u32: zero, or one more than the place in the list of neighbours,
// which holds the number itself. A removal moves up what was displaced (Knuth, The Art of Computer Programming 3, 6.4,
// algorithm R), so that no marks are left. Reading and changing take slots as they are: whatever the bytes, each call
// ends within as many steps as there are slots, and reads within list and table.
//
// Threads: any. It is a view: valid as long as the bytes are.
#pragma once

#include "base/bytes.h"

namespace emd {

class NeighbourTable {
 public:
  static constexpr u32 kNone = ~u32{0};

  // Of a table for so many neighbours: a third of it stays empty.
  static constexpr u64 bytes_for(u64 neighbours) { return sizeof(u32) * (neighbours + neighbours / 2 + 1); }

  NeighbourTable() = default;
  NeighbourTable(Bytes bytes, u64 seed)
      : slots_(reinterpret_cast<const u32*>(bytes.data())), count_(bytes.size() / sizeof(u32)), seed_(seed) {}

  explicit operator bool() const { return slots_ != nullptr; }
  u64 slot_count() const { return count_; }
  u32 entry(u64 slot) const { return load_once<u32>(slots_ + slot); }

  // The place of a number that is one of the first `used` of the list; kNone if it is none of them.
  // Precondition: there are slots.
  u32 find(const u32* list, u32 used, u32 number) const {
    const u64 slot = slot_of(list, used, number);
    return slot == count_ ? kNone : entry(slot) - 1;
  }

  // Where the place of a number that is not there is to be written; slot_count() if there is no empty slot.
  u64 slot_for(u32 number) const {
    u64 slot = home(number);
    for (u64 steps = 0; steps < count_; ++steps, slot = next(slot)) {
      if (entry(slot) == 0) return slot;
    }
    return count_;
  }

  // Calls write(slot, entry) for what changes when the number, which the list still holds, is taken out. False if it is
  // not there, or another slot leads nowhere.
  template <class Write>
  bool erase(const u32* list, u32 used, u32 number, Write&& write) const {
    u64 hole = slot_of(list, used, number);
    if (hole == count_) return false;
    u64 slot = next(hole);
    for (u64 steps = 1; steps < count_; ++steps, slot = next(slot)) {
      const u32 moved = entry(slot);
      if (moved == 0) break;
      if (moved > used) return false;
      // It may not move before its home.
      if (distance(home(load_once<u32>(list + moved - 1)), slot) < distance(hole, slot)) continue;
      write(hole, moved);
      hole = slot;
    }
    write(hole, u32{0});
    return true;
  }

 private:
  u64 home(u32 number) const {
    u64 mixed = (number ^ seed_) * 0x9e3779b97f4a7c15;
    mixed = (mixed ^ mixed >> 32) * 0xd6e8feb86659fd93;
    return static_cast<u64>(static_cast<__uint128_t>(mixed) * count_ >> 64);
  }
  u64 next(u64 slot) const { return slot + 1 == count_ ? 0 : slot + 1; }
  u64 distance(u64 from, u64 to) const { return to >= from ? to - from : to + count_ - from; }
  u64 slot_of(const u32* list, u32 used, u32 number) const {
    u64 slot = home(number);
    for (u64 steps = 0; steps < count_; ++steps, slot = next(slot)) {
      const u32 found = entry(slot);
      if (found == 0) break;
      if (found <= used && load_once<u32>(list + found - 1) == number) return slot;
    }
    return count_;
  }

  const u32* slots_ = nullptr;
  u64 count_ = 0;
  u64 seed_ = 0;
};

}  // namespace emd
