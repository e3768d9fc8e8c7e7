// Compaction of a dict, and of a set: the live records in insertion order, put into the new one a batch at a time.
#include "algorithms/compact/copy.h"

#include <optional>

namespace emd {
namespace {

CopyBatch records_behind(const Dict& dict, std::optional<RecordPos> position, Scan& scan) {
  CopyBatch batch;
  for (auto record = position ? dict.next(*position) : dict.first(); record && !batch.full();
       record = dict.next(record->position)) {
    dict.reached(record->position, scan);
    batch.records.push_back(
        {record->position, batch.keep(record->key), batch.keep(record->annex), batch.keep(record->value)});
  }
  return batch;
}

}  // namespace

void copy_content(Of<Dict>, const Copying& copying) {
  auto& [from_store, from, to_store, to, count] = copying;
  std::optional<Dict> source;
  const Dict::Options options =
      from_store.read_consistent(from, [&] { return source.emplace(from_store, from).options(); });
  Dict copy(to_store, to, options);
  Scan scan;
  for (std::optional<RecordPos> position;;) {
    const CopyBatch batch =
        from_store.read_consistent(from, [&] { return records_behind(*source, position, scan); });
    if (batch.empty()) return;
    for (const CopyBatch::Record& record : batch.records) {
      const Operation operation(to_store);
      copy.put(batch.at(record.key), batch.at(record.annex), batch.at(record.value));
    }
    position = batch.records.back().position;
    count.add(batch.records.size());
  }
}

}  // namespace emd
