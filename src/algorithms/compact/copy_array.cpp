// Compaction of an array: its items, as bytes, in pieces of one consistent read each.
#include "algorithms/compact/copy.h"

#include <algorithm>
#include <optional>
#include <vector>

namespace emd {
namespace {

constexpr u64 kArrayBytesAtOnce = u64{8} << 20;

}  // namespace

void copy_content(Of<Array>, const Copying& copying) {
  auto& [from_store, from, to_store, to, count] = copying;
  std::optional<Array> source;
  const Array::Type type =
      from_store.read_consistent(from, [&] { return source.emplace(from_store, from).type(); });
  Array copy(to_store, to);
  {
    const Operation operation(to_store);
    copy.lay_out(type);
  }
  const u64 at_once = std::max<u64>(1, kArrayBytesAtOnce / source->item_bytes());
  std::vector<u8> items;
  for (;;) {
    from_store.read_consistent(from, [&] {
      const u64 begin = copy.size(), end = std::min(source->size(), begin + at_once);
      const Bytes bytes = begin < end ? source->items(begin, end) : Bytes{};
      items.assign(bytes.begin(), bytes.end());
    });
    if (items.empty()) return;
    const Operation operation(to_store);
    copy.extend(items);
    count.add(items.size() / copy.item_bytes());
  }
}

}  // namespace emd
