// Compaction of shadow memory: its ranges, then the runs of flags within them.
#include "algorithms/compact/copy.h"

#include <optional>
#include <vector>

namespace emd {
namespace {

// Flags taken out of the source in one read.
struct FlagRuns {
  struct Run {
    u64 first, last, value;
    CopyBatch::Part flags;  // empty: each address has `value`
  };
  std::vector<Run> runs;
  CopyBatch bytes;
  u64 pages = 0;

  bool full() const { return runs.size() >= CopyBatch::kEntries || bytes.full(); }
};

FlagRuns flags_from(const Shadow& shadow, u64 first) {
  FlagRuns found;
  shadow.walk(first, ~u64{0}, [&](const ShadowTree::Piece& piece) {
    FlagRuns::Run run{piece.first, piece.last, piece.value, {}};
    if (piece.flags) run.flags = found.bytes.keep({piece.flags, piece.count() * shadow.stored_width()});
    found.pages += piece.flags != nullptr;
    found.runs.push_back(run);
    return found.full();
  });
  return found;
}

void put_flags(Store& store, Shadow& shadow, const FlagRuns& found) {
  for (const FlagRuns::Run& run : found.runs) {
    const Operation operation(store);
    if (run.flags.size != 0) {
      shadow.write(run.first, found.bytes.at(run.flags));
    } else if (run.value != 0) {
      shadow.change(run.first, run.last, {0, run.value});
    }
  }
}

}  // namespace

void copy_content(Of<Shadow>, const Copying& copying) {
  auto& [from_store, from, to_store, to, count] = copying;
  std::optional<Shadow> source;
  std::vector<AddressRange> ranges;
  from_store.read_consistent(from, [&] { ranges = source.emplace(from_store, from).ranges(); });
  Shadow copy(to_store, to);
  {
    const Operation operation(to_store);
    copy.lay_out(source->width());
    copy.add_ranges(ranges);
  }
  for (u64 first = 0;;) {
    const FlagRuns found = from_store.read_consistent(from, [&] { return flags_from(*source, first); });
    if (found.runs.empty()) return;
    put_flags(to_store, copy, found);
    count.add(found.pages);
    if (found.runs.back().last == ~u64{0}) return;
    first = found.runs.back().last + 1;
  }
}

}  // namespace emd
