// Dict::Sweep: the last step, in which the values of records are fetched and the keys compared.
#include "structures/dict/sweep.h"

#include "index/fetch.h"

namespace emd {

std::span<const SweepOrder::Entry> Dict::Sweep::fetch_step(const Dict& dict, u64 first) {
  const u64 records = dict.log_region_.size() / kRecordUnit;
  order_.ask_ahead(first, kRecordUnit, [&](const Entry& entry) {
    return entry.sort_key < records ? dict.log_region_.data() + entry.sort_key * kRecordUnit : nullptr;
  });
  const std::span<const Entry> step = order_.step(first);
  const FetchPages fetch(dict.readahead_);
  try {
    for (const Entry& entry : step) dict.fetch_value(fetch, entry.sort_key);
    for (const Entry& entry : step) dict.fetch_block(fetch, entry.sort_key);
  } catch (const DamagedError&) {
    // Whoever looks up the key that led here meets it again, and says so.
  }
  return step;
}

std::optional<Dict::Record> Dict::Sweep::find(const Dict& dict, const Entry& entry, const Wanted& wanted) {
  if (entry.sort_key == BufferedIndex::kNone) return std::nullopt;
  RecordView view;
  if (dict.log_.match(entry.sort_key * kRecordUnit, wanted.key, view)) return dict.to_record(view);
  return dict.find(wanted);
}

}  // namespace emd
