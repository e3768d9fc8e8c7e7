#include "structures/set/membership.h"

#include <algorithm>
#include <bit>
#include <optional>

#include "base/hash.h"
#include "platform/random.h"
#include "store/scan.h"

namespace emd {
namespace {

constexpr u64 kKeysAtOnce = 4096;
constexpr u64 kBytesAtOnce = u64{1} << 20;
constexpr u64 kLeastSlots = 1024;

// Open addressing, linear probing. No hash is zero.
class HashTable {
 public:
  // Three of four slots are in use at most, or a few more.
  static u64 keys_in(u64 slots) { return slots / 4 * 3; }

  explicit HashTable(u64 slots) : slots_(slots) {}
  void clear() {
    std::fill(slots_.begin(), slots_.end(), Hash128{});
    count_ = 0;
  }
  void add(const Hash128& hash) {
    if (count_ >= slots_.size() / 8 * 7) widen();
    Hash128& slot = find(hash);
    count_ += slot != hash;
    slot = hash;
  }
  bool contains(const Hash128& hash) { return find(hash) == hash; }

 private:
  // Where a range has more hashes than others.
  void widen() {
    std::vector<Hash128> old(2 * slots_.size());
    old.swap(slots_);
    for (const Hash128& hash : old) {
      if (hash != Hash128{}) find(hash) = hash;
    }
  }
  Hash128& find(const Hash128& hash) {
    const u64 mask = slots_.size() - 1;
    for (u64 at = hash.low & mask;; at = (at + 1) & mask) {
      Hash128& slot = slots_[at];
      if (slot == hash || slot == Hash128{}) return slot;
    }
  }
  std::vector<Hash128> slots_;  // a power of two
  u64 count_ = 0;
};

// Calls take(number, hash) for each key, in insertion order.
template <class Take>
void walk(const MembershipReader& read, u64 seed, const std::function<void()>& on_step, Take&& take) {
  Scan scan;
  std::optional<RecordPos> position;
  u64 number = 0;
  std::vector<Hash128> hashes;
  for (bool more = true; more;) {
    std::optional<RecordPos> reached;
    read([&](const Dict& dict) {
      hashes.clear();
      reached = position;
      more = false;
      u64 bytes = 0;
      for (auto record = reached ? dict.next(*reached) : dict.first(); record; record = dict.next(*reached)) {
        Hash128 hash = hash128(record->key, seed);
        hash.low |= hash == Hash128{} ? 1 : 0;
        hashes.push_back(hash);
        reached = record->position;
        bytes += record->key.size();
        more = hashes.size() == kKeysAtOnce || bytes >= kBytesAtOnce;
        if (more) break;
      }
      if (reached) dict.reached(*reached, scan);
    });
    position = reached;
    for (const Hash128& hash : hashes) take(number++, hash);
    on_step();
  }
}

u64 size_of(const MembershipReader& read) {
  u64 size = 0;
  read([&](const Dict& dict) { size = dict.size(); });
  return size;
}

}  // namespace

u64 Membership::found() const {
  u64 count = 0;
  for (const u64 word : words_) count += static_cast<u64>(std::popcount(word));
  return count;
}

Membership members_of(const MembershipReader& first, const MembershipReader& second, u64 memory,
                      const std::function<void()>& on_step) {
  const u64 seed = platform::random_bits();
  const u64 second_count = size_of(second);
  Membership result(size_of(first));
  if (result.count() == 0 || second_count == 0) return result;
  const u64 most_slots = std::bit_floor(std::max(kLeastSlots, memory / sizeof(Hash128)));
  const u64 slots = std::min(most_slots, std::max(kLeastSlots, std::bit_ceil(second_count / 3 * 4 + 4)));
  const u64 passes = (second_count - 1) / HashTable::keys_in(slots) + 1;
  const u64 width = ~u64{0} / passes + 1;  // of a range of hashes; zero: of all
  HashTable table(slots);
  for (u64 pass = 0; pass < passes; ++pass) {
    const auto is_of_pass = [&](const Hash128& hash) { return passes == 1 || hash.high / width == pass; };
    table.clear();
    walk(second, seed, on_step, [&](u64, const Hash128& hash) {
      if (is_of_pass(hash)) table.add(hash);
    });
    walk(first, seed, on_step, [&](u64 number, const Hash128& hash) {
      if (number < result.count() && is_of_pass(hash) && table.contains(hash)) result.add(number);
    });
  }
  return result;
}

}  // namespace emd
