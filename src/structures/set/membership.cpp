#include "structures/set/membership.h"

#include <algorithm>
#include <bit>

#include "base/hash.h"
#include "platform/random.h"
#include "store/scan.h"

namespace emd {
namespace {

constexpr u64 kKeysAtOnce = 4096;
constexpr u64 kBytesAtOnce = u64{1} << 20;
// Of the table: three of four slots are in use at most.
constexpr u64 kBytesAKey = sizeof(Hash128) * 4 / 3 + 2;
constexpr u64 kLeastKeys = 1024;

// Open addressing, linear probing. No hash is zero.
class HashTable {
 public:
  explicit HashTable(u64 expected) : slots_(std::bit_ceil(expected * 4 / 3 + 1)) {}
  void clear() {
    std::fill(slots_.begin(), slots_.end(), Hash128{});
    count_ = 0;
  }
  void add(const Hash128& hash) {
    if (count_ >= slots_.size() / 8 * 7) widen();
    Hash128* const slot = find(hash);
    count_ += *slot != hash;
    *slot = hash;
  }
  bool contains(const Hash128& hash) { return *find(hash) == hash; }

 private:
  // Where there are more than were expected.
  void widen() {
    std::vector<Hash128> old(2 * slots_.size());
    old.swap(slots_);
    for (const Hash128& hash : old) {
      if (!(hash == Hash128{})) *find(hash) = hash;
    }
  }
  Hash128* find(const Hash128& hash) {
    const u64 mask = slots_.size() - 1;
    for (u64 at = hash.low & mask;; at = (at + 1) & mask) {
      Hash128& slot = slots_[at];
      if (slot == hash || slot == Hash128{}) return &slot;
    }
  }
  std::vector<Hash128> slots_;
  u64 count_ = 0;
};

// Calls take(number, hash) for each key in insertion order.
template <class Take>
void walk(const Dict& dict, u64 seed, const std::function<void(const std::function<void()>&)>& look,
          const std::function<void()>& on_step, Take&& take) {
  Scan scan;
  std::optional<RecordPos> position;
  u64 number = 0;
  std::vector<Hash128> hashes;
  for (bool more = true; more;) {
    std::optional<RecordPos> reached;
    look([&] {
      hashes.clear();
      reached = position;
      u64 bytes = 0;
      more = false;
      for (auto record = reached ? dict.next(*reached) : dict.first(); record; record = dict.next(*reached)) {
        hashes.push_back(hash128(record->key, seed));
        hashes.back().low |= hashes.back() == Hash128{} ? 1 : 0;
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

}  // namespace

u64 Membership::found() const {
  u64 count = 0;
  for (const u64 word : words_) count += static_cast<u64>(std::popcount(word));
  return count;
}

Membership members_of(const Dict& first, const Dict& second, const MembershipOptions& options) {
  const u64 seed = platform::random_bits();
  u64 first_count = 0, second_count = 0;
  options.look_at_first([&] { first_count = first.size(); });
  options.look_at_second([&] { second_count = second.size(); });
  Membership result(first_count);
  if (first_count == 0 || second_count == 0) return result;
  const u64 at_once = std::max(kLeastKeys, options.memory / kBytesAKey);
  const u64 passes = (second_count + at_once - 1) / at_once;
  HashTable table(std::min(second_count, at_once));
  const u64 width = passes == 1 ? 0 : ~u64{0} / passes + 1;
  for (u64 pass = 0; pass < passes; ++pass) {
    const auto is_of_pass = [&](const Hash128& hash) { return passes == 1 || hash.high / width == pass; };
    table.clear();
    walk(second, seed, options.look_at_second, options.on_step, [&](u64, const Hash128& hash) {
      if (is_of_pass(hash)) table.add(hash);
    });
    walk(first, seed, options.look_at_first, options.on_step, [&](u64 number, const Hash128& hash) {
      if (number < first_count && is_of_pass(hash) && table.contains(hash)) result.add(number);
    });
  }
  return result;
}

}  // namespace emd
