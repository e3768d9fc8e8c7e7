// Groups of indices: words, and then the blocks that they refer to, are fetched for all at once, before they are read.
#include <type_traits>

#include "base/check.h"
#include "index/fetch.h"
#include "structures/list/list.h"

namespace emd {

void List::fetch(std::span<const u64> indices) const { fetch_by(FetchLines(), indices); }

// The advice: as in Dict::read_ahead().
void List::read_ahead(std::span<const u64> indices) const {
  for (Region* region : {&words_, &heap_region_}) region->advise(Access::random);
  fetch_by(FetchPages(readahead_), indices);
}

template <class Fetch>
void List::fetch_by(const Fetch& fetch, std::span<const u64> indices) const {
  EMD_CHECK(indices.size() <= kMaxGroup);
  const std::span<const Word> all = words();
  const auto each = [&](const auto& work) {
    for (const u64 index : indices) {
      if (index < all.size()) work(all[index]);
    }
  };
  each([&](const Word& word) { fetch.head(reinterpret_cast<const u8*>(&word), sizeof word); });
  if (heap_region_.size() == 0) return;
  each([&](const Word& word) {
    const Bytes head = word.is_reference() ? heap_.head(word.as_reference()) : Bytes();
    if (!head.empty()) fetch.head(head.data(), head.size());
  });
  if constexpr (std::is_same_v<Fetch, FetchPages>) {
    each([&](const Word& word) {
      if (word.is_reference()) fetch_block(fetch, word);
    });
  }
}

// The rest of a long block.
template <class Fetch>
void List::fetch_block(const Fetch& fetch, Word word) const {
  try {
    const Bytes block = heap_.read(word.as_reference());
    fetch.rest(block.data(), block.size());
  } catch (const DamagedError&) {
    // Whoever reads the element meets it again, and says so.
  }
}

}  // namespace emd
