// Compaction of a typed dict: rows that are alive, as columns of keys and of values.
#include "algorithms/compact/copy.h"

#include <optional>
#include <vector>

namespace emd {
namespace {

// Rows taken out of a typed dict in one read, as columns.
struct Columns {
  bool full() const {
    return count >= CopyBatch::kEntries || keys.size() + values.size() >= CopyBatch::kBytes;
  }
  std::vector<u8> keys, values;
  u64 count = 0;
  u64 behind = 0;  // where the next read begins
};

Columns rows_from(const TypedDict& dict, u64 row) {
  Columns columns;
  for (row = dict.next_live(row); row != TypedDict::kNone && !columns.full(); row = dict.next_live(row + 1)) {
    const u8* const key = dict.key_at(row);
    const u8* const value = dict.value_at(row);
    columns.keys.insert(columns.keys.end(), key, key + dict.key_bytes());
    columns.values.insert(columns.values.end(), value, value + dict.value_bytes());
    columns.behind = row + 1;
    ++columns.count;
  }
  return columns;
}

}  // namespace

void copy_content(Of<TypedDict>, const Copying& copying) {
  auto& [from_store, from, to_store, to, count] = copying;
  std::optional<TypedDict> source;
  u64 version = 0;
  const TypedDict::Layout layout = from_store.read_consistent(from, [&] {
    source.emplace(from_store, from);
    version = source->version();
    return source->layout();
  });
  TypedDict copy(to_store, to, layout);
  for (u64 row = 0;;) {
    const Columns columns = from_store.read_consistent(from, [&] { return rows_from(*source, row); });
    {
      const Operation operation(to_store);
      if (columns.count == 0) return copy.continue_from(version);
      copy.put_many(columns.keys.data(), columns.values.data(), columns.count);
    }
    row = columns.behind;
    count.add(columns.count);
  }
}

}  // namespace emd
