// Tables of neighbours' places, against a model and over any bytes.
#include "structures/graph/neighbour_table.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace emd {
namespace {

// A table of so many slots beside its list.
struct Subject {
  explicit Subject(u64 slots, u64 seed) : bytes(4 * slots), table(bytes, seed) {}
  void put(u32 number) {
    const u64 slot = table.slot_for(number);
    ASSERT_LT(slot, table.slot_count());
    list.push_back(number);
    write(slot, static_cast<u32>(list.size()));
  }
  void write(u64 slot, u32 entry) { store(bytes.data() + 4 * slot, entry); }
  u32 find(u32 number) const { return table.find(list.data(), static_cast<u32>(list.size()), number); }
  bool erase(u32 number) {
    return table.erase(list.data(), static_cast<u32>(list.size()), number,
                       [&](u64 slot, u32 entry) { write(slot, entry); });
  }

  std::vector<u8> bytes;
  std::vector<u32> list;
  NeighbourTable table;
};

TEST(NeighbourTable, FindsWhatIsInTheListUntilItIsErased) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 50; ++round) {
    // Nearly full, so that many are displaced.
    const u32 numbers = 1 + random() % 60;
    Subject subject(numbers + 1, random());
    std::vector<bool> there;
    for (u32 i = 0; i < numbers; ++i) {
      subject.put(i * 7);
      there.push_back(true);
    }
    for (int step = 0; step < 200; ++step) {
      const u32 place = random() % numbers;
      ASSERT_EQ(subject.find(place * 7), there[place] ? place : NeighbourTable::kNone);
      ASSERT_EQ(subject.erase(place * 7), there[place]);
      there[place] = false;
      for (u32 i = 0; i < numbers; ++i) ASSERT_EQ(subject.find(i * 7) == i, there[i]);
      ASSERT_EQ(subject.find(place * 7 + 1), NeighbourTable::kNone);
    }
  }
}

TEST(NeighbourTable, AnyBytesGiveAnAnswer) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 2000; ++round) {
    Subject subject(1 + random() % 20, random());
    subject.list.resize(random() % 12);
    for (u32& number : subject.list) number = random() % 8;
    for (u64 slot = 0; slot < subject.table.slot_count(); ++slot) {
      subject.write(slot, random() % 5 == 0 ? static_cast<u32>(random()) : random() % 14);
    }
    const u32 number = random() % 8, place = subject.find(number);
    if (place != NeighbourTable::kNone) {
      ASSERT_LT(place, subject.list.size());
      ASSERT_EQ(subject.list[place], number);
    }
    ASSERT_LE(subject.table.slot_for(number), subject.table.slot_count());
    subject.erase(number);
  }
}

}  // namespace
}  // namespace emd
