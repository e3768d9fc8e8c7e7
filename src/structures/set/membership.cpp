// The join itself: what a key becomes, how it is found in a walk, and the table.
#include "structures/set/membership.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>

#include "base/hash.h"
#include "platform/random.h"
#include "store/scan.h"
#include "structures/set/row_walk.h"

namespace emd {
namespace {

constexpr u64 kKeysAtOnce = 4096;
constexpr u64 kBytesAtOnce = u64{1} << 20;
constexpr u64 kLeastSlots = 1024;
// Slots that are fetched before they are looked at.
constexpr std::size_t kAhead = 16;

// ---- What stands for a key: a word or 128 bits, each of which is as likely as any other

// By steps that can be taken back, so that different words stay different: shifts, and odd factors (Murmur3's).
u64 mixed(u64 word, u64 seed) {
  word ^= seed;
  word = (word ^ word >> 33) * 0xff51afd7ed558ccd;
  word = (word ^ word >> 33) * 0xc4ceb9fe1a85ec53;
  return word ^ word >> 33;
}

// By the upper bits the passes are told apart, by the lower ones the slots.
u64 upper(u64 hash) { return hash; }
u64 lower(u64 hash) { return std::rotl(hash, 32); }
u64 upper(const Hash128& hash) { return hash.high; }
u64 lower(const Hash128& hash) { return hash.low; }

// Open addressing, linear probing.
template <class Hash>
class HashTable {
 public:
  // Three of four slots are in use at most, or a few more.
  static u64 keys_in(u64 slots) { return slots / 4 * 3; }
  static u64 slots_for(u64 keys) { return keys / 3 * 4 + 4; }

  explicit HashTable(u64 slots) : slots_(slots) {}
  void clear() {
    std::fill(slots_.begin(), slots_.end(), Hash{});
    count_ = 0;
    has_zero_ = false;
  }
  void prefetch(const Hash& hash) const { __builtin_prefetch(&slots_[first_slot(hash)]); }
  void add(const Hash& hash) {
    if (count_ >= slots_.size() / 8 * 7) widen();
    if (hash == Hash{}) {
      has_zero_ = true;
      return;
    }
    Hash& slot = find(hash);
    count_ += slot != hash;
    slot = hash;
  }
  bool contains(const Hash& hash) { return hash == Hash{} ? has_zero_ : find(hash) == hash; }

 private:
  // Where a range has more hashes than others.
  void widen() {
    std::vector<Hash> old(2 * slots_.size());
    old.swap(slots_);
    for (const Hash& hash : old) {
      if (hash != Hash{}) find(hash) = hash;
    }
  }
  u64 first_slot(const Hash& hash) const {
    __extension__ using Product = unsigned __int128;
    return static_cast<u64>(static_cast<Product>(lower(hash)) * slots_.size() >> 64);
  }
  Hash& find(const Hash& hash) {
    for (u64 at = first_slot(hash);;) {
      Hash& slot = slots_[at];
      if (slot == hash || slot == Hash{}) return slot;
      if (++at == slots_.size()) at = 0;
    }
  }

  std::vector<Hash> slots_;  // zero: free
  u64 count_ = 0;
  bool has_zero_ = false;
};

// ---- Walks

// As RowWalk, along records.
class RecordWalk {
 public:
  template <class Take>
  bool next(const Dict& dict, Scan& scan, Take&& take) {
    auto record = position_ ? dict.next(*position_) : dict.first();
    for (u64 keys = 0, bytes = 0; record && keys < kKeysAtOnce && bytes < kBytesAtOnce; ++keys) {
      take(record->key);
      bytes += record->key.size();
      position_ = record->position;
      record = dict.next(*position_);
    }
    if (position_) dict.reached(*position_, scan);
    return record.has_value();
  }

 private:
  std::optional<RecordPos> position_;
};

// Calls use(number of the first, hashes) for all keys, some thousand at a time, in insertion order.
template <class Walk, class S, class HashOf, class Use>
void walk_hashes(const MembershipReader<S>& read, const HashOf& hash_of, const std::function<void()>& on_step,
                 Use&& use) {
  Scan scan;
  Walk walk;
  u64 number = 0;
  std::vector<decltype(hash_of(Bytes()))> hashes;
  for (bool more = true; more;) {
    Walk then;
    read([&](const S& structure) {
      hashes.clear();
      then = walk;
      more = then.next(structure, scan, [&](Bytes key) { hashes.push_back(hash_of(key)); });
    });
    walk = then;
    use(number, hashes);
    number += hashes.size();
    on_step();
  }
}

template <class S>
u64 size_of(const MembershipReader<S>& read) {
  u64 size = 0;
  read([&](const S& structure) { size = structure.size(); });
  return size;
}

template <class Walk, class S, class HashOf>
Membership join(const MembershipReader<S>& first, const MembershipReader<S>& second, u64 memory,
                const std::function<void()>& on_step, const HashOf& hash_of) {
  using Hash = decltype(hash_of(Bytes()));
  using Table = HashTable<Hash>;
  const u64 second_count = size_of(second);
  Membership result(size_of(first));
  if (result.count() == 0 || second_count == 0) return result;
  const u64 slots =
      std::max(kLeastSlots, std::min<u64>(memory / sizeof(Hash), Table::slots_for(second_count)));
  const u64 passes = (second_count - 1) / Table::keys_in(slots) + 1;
  const u64 width = ~u64{0} / passes + 1;  // of a range of hashes; zero: of all
  Table table(slots);
  for (u64 pass = 0; pass < passes; ++pass) {
    const auto is_of_pass = [&](const Hash& hash) { return passes == 1 || upper(hash) / width == pass; };
    // Calls use(number, hash) for those of this pass, whose slots are on the way by then.
    std::vector<std::pair<u64, Hash>> chosen;
    const auto for_chosen = [&](u64 number, const std::vector<Hash>& hashes, auto&& use) {
      chosen.clear();
      for (const Hash& hash : hashes) {
        if (is_of_pass(hash)) chosen.emplace_back(number, hash);
        ++number;
      }
      for (std::size_t i = 0; i < chosen.size(); ++i) {
        if (i + kAhead < chosen.size()) table.prefetch(chosen[i + kAhead].second);
        use(chosen[i].first, chosen[i].second);
      }
    };
    table.clear();
    walk_hashes<Walk>(second, hash_of, on_step, [&](u64 from, const std::vector<Hash>& hashes) {
      for_chosen(from, hashes, [&](u64, const Hash& hash) { table.add(hash); });
    });
    walk_hashes<Walk>(first, hash_of, on_step, [&](u64 from, const std::vector<Hash>& hashes) {
      for_chosen(from, hashes, [&](u64 number, const Hash& hash) {
        if (number < result.count() && table.contains(hash)) result.add(number);
      });
    });
  }
  return result;
}

}  // namespace

u64 Membership::found() const {
  u64 count = 0;
  for (const u64 word : words_) count += static_cast<u64>(std::popcount(word));
  return count;
}

Membership members_of(const MembershipReader<Dict>& first, const MembershipReader<Dict>& second, u64 memory,
                      const std::function<void()>& on_step) {
  const u64 seed = platform::random_bits();
  return join<RecordWalk>(first, second, memory, on_step, [seed](Bytes key) { return hash128(key, seed); });
}

Membership members_of(const MembershipReader<TypedDict>& first, const MembershipReader<TypedDict>& second,
                      u64 memory, const std::function<void()>& on_step) {
  const u64 seed = platform::random_bits();
  u32 key_bytes = 0;
  first([&](const TypedDict& dict) { key_bytes = dict.key_bytes(); });
  if (key_bytes > sizeof(u64))
    return join<RowWalk>(first, second, memory, on_step, [seed](Bytes key) { return hash128(key, seed); });
  return join<RowWalk>(first, second, memory, on_step, [seed, key_bytes](Bytes key) {
    u64 word = 0;
    if (key_bytes == sizeof word) {
      std::memcpy(&word, key.data(), sizeof word);
    } else {
      std::memcpy(&word, key.data(), key_bytes);
    }
    return mixed(word, seed);
  });
}

}  // namespace emd
