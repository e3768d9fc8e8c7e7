// Sorting of lists: words of one kind by radix sort, all else by comparisons; runs that do not fit the memory given
// are merged from files (merge.h).
#include "algorithms/sort/sort.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>
#include <vector>

#include "algorithms/sort/merge.h"

namespace emd {

namespace {

// Shorter runs would cost more in the merge than they save in memory.
constexpr u64 kMinRunWords = 512;
// Twice as many words fit the second-level cache.
constexpr u64 kCachedWords = 32768;
// Words written at a time by a merge.
constexpr u64 kOutputWords = 32768;

// ---- Keys: unsigned integers in the order of the words

// Integers and booleans; False and True are 0 and 1 in both payloads.
struct IntegerKey {
  u64 operator()(Word word) const {
    return word.payload() ^ u64 { 1 } << 47;
  }
};

// Integers, reals and booleans. 48 bits fit a double's 53, so the conversion is exact; adding 0.0 makes -0.0 and 0.0
// equal.
struct NumberKey {
  u64 operator()(Word word) const {
    const double value =
        word.tag() == Word::Tag::real ? word.as_real() + 0.0 : static_cast<double>(integer(word));
    const u64 bits = std::bit_cast<u64>(value);
    return bits >> 63 != 0 ? ~bits : bits | u64{1} << 63;
  }
  static i64 integer(Word word) {
    return word.tag() == Word::Tag::boolean ? word.as_boolean() : word.as_integer();
  }
};

// Texts: UTF-8 orders as its code points do, byte by byte from the first, and the padding zeros come before all.
struct TextKey {
  u64 operator()(Word word) const { return __builtin_bswap64(word.payload() << 16); }
};

// Inverting the key, not the result, keeps the order of equal words.
template <class Key>
struct Inverted {
  u64 operator()(Word word) const { return ~Key{}(word); }
};

// ---- What kind of words there are

enum class Domain { none, integers, numbers, texts };

Domain domain_of(std::span<const Word> words) {
  unsigned tags = 0;
  bool nan = false;
  for (const Word word : words) {
    const Word::Tag tag = word.tag();
    tags |= 1u << static_cast<unsigned>(tag);
    if (tag == Word::Tag::real) nan |= word.as_real() != word.as_real();
  }
  const auto only = [tags](std::initializer_list<Word::Tag> allowed) {
    unsigned mask = 0;
    for (const Word::Tag tag : allowed) mask |= 1u << static_cast<unsigned>(tag);
    return (tags & ~mask) == 0;
  };
  using Tag = Word::Tag;
  if (nan) return Domain::none;
  if (only({Tag::integer, Tag::boolean})) return Domain::integers;
  if (only({Tag::integer, Tag::boolean, Tag::real})) return Domain::numbers;
  return only({Tag::text}) ? Domain::texts : Domain::none;
}

// ---- Runs

// Of one digit of the keys: where each value's words begin, and as they are put there, end.
using DigitEnds = std::array<u64, 256>;

template <class Key>
void distribute(std::span<const Word> from, std::span<Word> to, unsigned shift, DigitEnds& ends) {
  const Key key;
  ends.fill(0);
  for (const Word word : from) ++ends[key(word) >> shift & 0xff];
  u64 sum = 0;
  for (u64& end : ends) sum += std::exchange(end, sum);
  for (const Word word : from) to[ends[key(word) >> shift & 0xff]++] = word;
}

// Stable; `spare` is of the same size. The two spans together are best in the cache: that is what the last digit first
// wants, and why more words are parted by their first digit before.
template <class Key>
void radix_sort(std::span<Word> words, std::span<Word> spare) {
  const Key key;
  u64 differing = 0;  // bits
  for (const Word word : words) differing |= key(word) ^ key(words[0]);
  if (differing == 0) return;
  DigitEnds ends;
  if (words.size() > kCachedWords) {
    const unsigned width = static_cast<unsigned>(std::bit_width(differing));
    distribute<Key>(words, spare, width > 8 ? width - 8 : 0, ends);
    u64 begin = 0;
    for (const u64 end : ends) {
      std::ranges::copy(spare.subspan(begin, end - begin),
                        words.begin() + static_cast<std::ptrdiff_t>(begin));
      radix_sort<Key>(words.subspan(begin, end - begin), spare.subspan(begin, end - begin));
      begin = end;
    }
    return;
  }
  std::span<Word> from = words;
  std::span<Word> to = spare;
  for (unsigned shift = 0; shift < 64; shift += 8) {
    if ((differing >> shift & 0xff) == 0) continue;
    distribute<Key>(from, to, shift, ends);
    std::swap(from, to);
  }
  if (from.data() != words.data()) std::ranges::copy(from, words.begin());
}

template <class Key>
class KeyCursor {
 public:
  explicit KeyCursor(std::size_t runs) : heads_(runs) {}
  void load(std::size_t run, Word head) { heads_[run] = Key{}(head); }
  bool less(std::size_t a, std::size_t b) const { return heads_[a] < heads_[b]; }

 private:
  std::vector<u64> heads_;
};

std::vector<std::span<const Word>> split(std::span<const Word> words, u64 run_words) {
  std::vector<std::span<const Word>> runs;
  for (u64 at = 0; at < words.size(); at += run_words) {
    runs.push_back(words.subspan(at, std::min<u64>(run_words, words.size() - at)));
  }
  return runs;
}

// Merges `sorted`, runs of `run_words` words, into a new order.
template <class Cursor>
List::Reordering merge(List& list, List::Reordering& sorted, u64 run_words, Cursor& cursor) {
  List::Reordering merged = list.reorder();
  std::vector<Word> chunk;
  chunk.reserve(std::min(kOutputWords, sorted.size()));
  u64 written = 0;
  const auto flush = [&] {
    merged.write(written, chunk);
    written += chunk.size();
    chunk.clear();
  };
  merge_runs(split(sorted.words(), run_words), cursor, [&](Word word) {
    chunk.push_back(word);
    if (chunk.size() == kOutputWords) flush();
  });
  flush();
  return merged;
}

// Copies the list's words, run by run sorted, to `sorted`.
template <class Key>
void make_runs(const List& list, u64 run_words, List::Reordering& sorted) {
  const std::span<const Word> all = list.words();
  std::vector<Word> words(run_words), spare(run_words);
  for (u64 at = 0; at < all.size(); at += run_words) {
    const u64 count = std::min<u64>(run_words, all.size() - at);
    std::copy_n(all.begin() + static_cast<std::ptrdiff_t>(at), count, words.begin());
    const std::span<Word> run{words.data(), count};
    radix_sort<Key>(run, {spare.data(), count});
    sorted.write(at, run);
  }
}

template <class Key>
void sort_by(List& list, u64 budget_bytes) {
  const auto descends = [](Word a, Word b) { return Key{}(b) < Key{}(a); };
  if (std::ranges::adjacent_find(list.words(), descends) == list.words().end()) return;
  const u64 length = list.size();
  const u64 run_words = std::min(length, std::max(kMinRunWords, budget_bytes / (2 * sizeof(Word))));
  List::Reordering sorted = list.reorder();
  make_runs<Key>(list, run_words, sorted);
  if (run_words == length) return list.adopt(std::move(sorted));
  KeyCursor<Key> cursor((length + run_words - 1) / run_words);
  list.adopt(merge(list, sorted, run_words, cursor));
}

template <class Key>
bool sort_in(List& list, Order order, u64 budget_bytes) {
  if (order == Order::ascending) {
    sort_by<Key>(list, budget_bytes);
  } else {
    sort_by<Inverted<Key>>(list, budget_bytes);
  }
  return true;
}

}  // namespace

bool sort_native(Store& store, List& list, Order order, u64 budget_bytes) {
  Operation operation(store);
  switch (domain_of(list.words())) {
    case Domain::integers:
      return sort_in<IntegerKey>(list, order, budget_bytes);
    case Domain::numbers:
      return sort_in<NumberKey>(list, order, budget_bytes);
    case Domain::texts:
      return sort_in<TextKey>(list, order, budget_bytes);
    case Domain::none:
      break;
  }
  return false;
}

void sort_general(Store& store, List& list, u64 run_words, RunSorter& sorter) {
  EMD_CHECK(run_words != 0);
  { Operation operation(store); }  // refuses early what cannot be written in the end
  List::Reordering order = list.reorder();
  const std::span<Word> to = order.words();
  for (u64 at = 0; at < to.size(); at += run_words) {
    list.require_unchanged(order.version());  // and the words are asked for again: commits may move them
    const std::span<Word> run = to.subspan(at, std::min<u64>(run_words, to.size() - at));
    std::copy_n(list.words().begin() + static_cast<std::ptrdiff_t>(at), run.size(), run.begin());
    sorter.sort_run(run);
  }
  list.require_unchanged(order.version());
  if (run_words < to.size()) order = merge(list, order, run_words, sorter);
  Operation operation(store);
  list.adopt(std::move(order));
}

}  // namespace emd
