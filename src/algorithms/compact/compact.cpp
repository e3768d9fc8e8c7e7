#include "algorithms/compact/compact.h"

#include <optional>
#include <utility>
#include <vector>

#include "algorithms/compact/copy_graph.h"
#include "base/errors.h"
#include "store/target_directory.h"
#include "structures/array/array.h"
#include "structures/dict/dict.h"
#include "structures/graph/graph.h"
#include "structures/list/list.h"
#include "structures/shadow/shadow.h"
#include "structures/typed_dict/typed_dict.h"

namespace emd {
namespace {

constexpr u64 kReportEvery = 4096;
constexpr u64 kArrayBytesAtOnce = u64{8} << 20;

// Holds a member mapped.
class Acquired {
 public:
  Acquired(Store& store, Member& member) : store_(store), member_(member) { store.acquire(member); }
  ~Acquired() { store_.release(member_); }
  Acquired(const Acquired&) = delete;
  Acquired& operator=(const Acquired&) = delete;

 private:
  Store& store_;
  Member& member_;
};

// Entries done so far, over all members that are copied.
struct Count {
  const Progress& progress;
  u64 total = 0;
  u64 done = 0;

  void add(u64 entries) {
    const u64 before = done;
    done += entries;
    if (progress && (before / kReportEvery != done / kReportEvery || done == total)) progress(done, total);
  }
};

// A region without bytes is an empty structure that nobody has laid out yet.
bool is_empty(const Member& member) { return member.regions[0]->size() == 0; }

u64 entries_of(Store& store, Member& member) {
  const Acquired mapped(store, member);
  return store.look(member, [&]() -> u64 {
    if (is_empty(member)) return 0;
    switch (member.kind) {
      case Kind::dict:
        return Dict(store, member).size();
      case Kind::list:
        return List(store, member).size();
      case Kind::array:
        return Array(store, member).size();
      case Kind::typed_dict:
        return TypedDict(store, member).size();
      case Kind::graph:
        return Graph(store, member).vertex_count();
      case Kind::shadow:
        return Shadow(store, member).stats().tree.chunks;
    }
    return 0;
  });
}

// Entries taken out of the source in one look: a reader beside a writer may not keep pointers into it.
class Batch {
 public:
  static constexpr u64 kEntries = 512;
  static constexpr u64 kBytes = u64{1} << 20;

  bool full() const { return words.size() + records.size() >= kEntries || bytes_.size() >= kBytes; }
  bool empty() const { return words.empty() && records.empty(); }
  struct Part {
    u64 begin = 0, size = 0;
  };
  Part keep(Bytes bytes) {
    const Part part{bytes_.size(), bytes.size()};
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return part;
  }
  Bytes at(const Part& part) const { return Bytes(bytes_).subspan(part.begin, part.size); }

  struct Record {
    RecordPos position;
    Part key, annex, value;
  };
  std::vector<Record> records;               // of a dict
  std::vector<std::pair<Word, Part>> words;  // of a list, with the bytes of those that refer to some

 private:
  std::vector<u8> bytes_;
};

Batch records_behind(const Dict& dict, std::optional<RecordPos> position, Scan& scan) {
  Batch batch;
  for (auto record = position ? dict.next(*position) : dict.first(); record && !batch.full();
       record = dict.next(record->position)) {
    dict.reached(record->position, scan);
    batch.records.push_back(
        {record->position, batch.keep(record->key), batch.keep(record->annex), batch.keep(record->value)});
  }
  return batch;
}

Batch words_from(const List& list, u64 index, Scan& scan, Scan& blocks) {
  Batch batch;
  for (; index < list.size() && !batch.full(); ++index) {
    const Word word = list.get(index);
    list.reached(index, scan);
    if (word.is_reference()) list.reached_block(word, blocks);
    batch.words.emplace_back(word, word.is_reference() ? batch.keep(list.block(word)) : Batch::Part{});
  }
  return batch;
}

void copy_dict(Store& from_store, Member& from, Store& to_store, Member& to, Count& count) {
  std::optional<Dict> source;
  const Dict::Options options =
      from_store.look(from, [&] { return source.emplace(from_store, from).options(); });
  Dict copy(to_store, to, options);
  Scan scan;
  for (std::optional<RecordPos> position;;) {
    const Batch batch = from_store.look(from, [&] { return records_behind(*source, position, scan); });
    if (batch.empty()) return;
    for (const Batch::Record& record : batch.records) {
      const Operation operation(to_store);
      copy.put(batch.at(record.key), batch.at(record.annex), batch.at(record.value));
    }
    position = batch.records.back().position;
    count.add(batch.records.size());
  }
}

void copy_list(Store& from_store, Member& from, Store& to_store, Member& to, Count& count) {
  std::optional<List> source;
  const u64 version = from_store.look(from, [&] { return source.emplace(from_store, from).version(); });
  List copy(to_store, to);
  copy.continue_from(version);
  std::vector<Word> words;
  Scan scan, blocks;
  for (u64 index = 0;; index += words.size()) {
    const Batch batch = from_store.look(from, [&] { return words_from(*source, index, scan, blocks); });
    if (batch.empty()) return;
    words.clear();
    {
      const Operation operation(to_store);
      for (const auto& [word, bytes] : batch.words) {
        words.push_back(word.is_reference() ? copy.store_block(batch.at(bytes)) : word);
      }
      copy.extend(words);
    }
    count.add(words.size());
  }
}

// Rows taken out of a typed dict in one look, as columns.
struct Columns {
  bool full() const { return count >= Batch::kEntries || keys.size() + values.size() >= Batch::kBytes; }
  std::vector<u8> keys, values;
  u64 count = 0;
  u64 behind = 0;  // where the next look begins
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

void copy_typed_dict(Store& from_store, Member& from, Store& to_store, Member& to, Count& count) {
  std::optional<TypedDict> source;
  u64 version = 0;
  const TypedDict::Layout layout = from_store.look(from, [&] {
    source.emplace(from_store, from);
    version = source->version();
    return source->layout();
  });
  TypedDict copy(to_store, to, layout);
  for (u64 row = 0;;) {
    const Columns columns = from_store.look(from, [&] { return rows_from(*source, row); });
    {
      const Operation operation(to_store);
      if (columns.count == 0) return copy.continue_from(version);
      copy.put_many(columns.keys.data(), columns.values.data(), columns.count);
    }
    row = columns.behind;
    count.add(columns.count);
  }
}

void copy_array(Store& from_store, Member& from, Store& to_store, Member& to, Count& count) {
  std::optional<Array> source;
  const Array::Type type = from_store.look(from, [&] { return source.emplace(from_store, from).type(); });
  Array copy(to_store, to);
  {
    const Operation operation(to_store);
    copy.lay_out(type);
  }
  const u64 at_once = std::max<u64>(1, kArrayBytesAtOnce / source->item_bytes());
  std::vector<u8> items;
  for (;;) {
    from_store.look(from, [&] {
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

// Flags taken out of the source in one look.
struct FlagRuns {
  struct Run {
    u64 first, last, value;
    Batch::Part flags;  // empty: each address has `value`
  };
  std::vector<Run> runs;
  Batch bytes;
  u64 pages = 0;

  bool full() const { return runs.size() >= Batch::kEntries || bytes.full(); }
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

void copy_shadow(Store& from_store, Member& from, Store& to_store, Member& to, Count& count) {
  std::optional<Shadow> source;
  std::vector<AddressRange> ranges;
  from_store.look(from, [&] { ranges = source.emplace(from_store, from).ranges(); });
  Shadow copy(to_store, to);
  {
    const Operation operation(to_store);
    copy.lay_out(source->width());
    copy.add_ranges(ranges);
  }
  for (u64 first = 0;;) {
    const FlagRuns found = from_store.look(from, [&] { return flags_from(*source, first); });
    if (found.runs.empty()) return;
    put_flags(to_store, copy, found);
    count.add(found.pages);
    if (found.runs.back().last == ~u64{0}) return;
    first = found.runs.back().last + 1;
  }
}

// A state that stays while it is copied, of a store that another process may be writing.
class Held {
 public:
  explicit Held(Store& store) : store_(store), held_(store.live() && !store.in_snapshot()) {
    if (held_) store_.take_snapshot();
  }
  ~Held() {
    if (held_) store_.end_snapshot();
  }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

 private:
  Store& store_;
  bool held_;
};

// `to` is an empty member of the same kind, in the same store or another.
void copy_member(Store& from_store, Member& from, Store& to_store, Member& to, Count& count) {
  const Acquired source(from_store, from), copy(to_store, to);
  if (is_empty(from)) return;
  switch (from.kind) {
    case Kind::dict:
      return copy_dict(from_store, from, to_store, to, count);
    case Kind::list:
      return copy_list(from_store, from, to_store, to, count);
    case Kind::array:
      return copy_array(from_store, from, to_store, to, count);
    case Kind::typed_dict:
      return copy_typed_dict(from_store, from, to_store, to, count);
    case Kind::graph:
      return copy_graph(from_store, from, to_store, to, [&](u64 vertices) { count.add(vertices); });
    case Kind::shadow:
      return copy_shadow(from_store, from, to_store, to, count);
  }
}

// Before the work rather than at its end.
void require_no_views(Store& store, Member& member) {
  const Acquired mapped(store, member);
  for (unsigned i = 0; i < member.region_count; ++i) member.regions[i]->require_no_views("compacting it");
}

void copy_store(Store& store, const std::string& target, std::shared_ptr<platform::Directory> directory,
                std::shared_ptr<platform::FileSystem> files, Count& count) {
  StoreOptions options;
  options.directory = std::move(directory);
  options.file_system = std::move(files);
  options.mode = Mode::exclusive;
  options.commit_interval_seconds = -1;
  options.memory_bytes = store.memory_budget();
  const auto copy = Store::open(target, options);
  for (const auto& member : store.members()) {
    const auto twin = copy->create(member->name, member->kind, member->region_count);
    copy_member(store, *member, *copy, *twin, count);
  }
  copy->close();
}

}  // namespace

void compact(Store& store, Member& member, const Progress& progress) {
  store.commit();
  require_no_views(store, member);
  const std::shared_ptr<Member> fresh = store.create_compaction(member.kind, member.region_count);
  try {
    Count count{progress, entries_of(store, member)};
    copy_member(store, member, store, *fresh, count);
    const Acquired old(store, member);
    store.replace(member, *fresh);
  } catch (...) {
    store.drop_compaction();
    throw;
  }
  store.commit();
}

void compact_to(Store& store, const std::string& target, const Progress& progress,
                std::shared_ptr<platform::FileSystem> files) {
  const Held held(store);
  if (!store.read_only()) store.commit();
  Count count{progress};
  for (const auto& member : store.members()) count.total += entries_of(store, *member);
  if (files == nullptr) files = platform::real_file_system();
  std::optional<TargetDirectory> copy;
  if (store.in_memory()) {
    copy.emplace(*files, target, "compact",
                 platform::Permissions{0600});  // as those of a temporary directory
  } else {
    copy.emplace(*files, target, "compact", *store.directory());
  }
  copy_store(store, target, copy->get(), files, count);
  copy->keep();
}

}  // namespace emd
