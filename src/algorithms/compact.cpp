#include "algorithms/compact.h"

#include <cerrno>
#include <filesystem>
#include <vector>

#include "base/errors.h"
#include "structures/dict.h"
#include "structures/list.h"

namespace emd {
namespace {

constexpr u64 kReportEvery = 4096;
constexpr u64 kBatchWords = 4096;

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
  if (is_empty(member)) return 0;
  return member.kind == Kind::dict ? Dict(store, member).size() : List(store, member).size();
}

void copy_dict(Store& from_store, Member& from, Store& to_store, Member& to, Count& count) {
  const Dict source(from_store, from);
  Dict copy(to_store, to, source.options());
  for (auto record = source.first(); record; record = source.next(record->position)) {
    {
      const Operation operation(to_store);
      copy.put(record->key, record->annex, record->value);
    }
    count.add(1);
  }
}

void copy_list(Store& from_store, Member& from, Store& to_store, Member& to, Count& count) {
  const List source(from_store, from);
  List copy(to_store, to);
  copy.continue_from(source.version());
  std::vector<Word> batch;
  for (u64 at = 0; at < source.size(); at += batch.size()) {
    batch.clear();
    const u64 end = std::min(source.size(), at + kBatchWords);
    {
      const Operation operation(to_store);
      for (u64 i = at; i < end; ++i) {
        const Word word = source.get(i);
        batch.push_back(word.is_reference() ? copy.store_block(source.block(word)) : word);
      }
      copy.extend(batch);
    }
    count.add(batch.size());
  }
}

// `to` is an empty member of the same kind, in the same store or another.
void copy_member(Store& from_store, Member& from, Store& to_store, Member& to, Count& count) {
  const Acquired source(from_store, from), copy(to_store, to);
  if (is_empty(from)) return;
  if (from.kind == Kind::dict) {
    copy_dict(from_store, from, to_store, to, count);
  } else {
    copy_list(from_store, from, to_store, to, count);
  }
}

void copy_store(Store& store, const std::string& target, Count& count) {
  StoreOptions options;
  options.mode = Mode::exclusive;
  options.commit_interval_seconds = -1;
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
  const std::shared_ptr<Member> fresh = store.create(kCompactionName, member.kind, member.region_count);
  try {
    Count count{progress, entries_of(store, member)};
    copy_member(store, member, store, *fresh, count);
    const Acquired old(store, member);
    store.replace(member, *fresh);
  } catch (...) {
    store.drop(kCompactionName);
    throw;
  }
  store.commit();
}

void compact_to(Store& store, const std::string& target, const Progress& progress) {
  if (store.live()) {
    throw StateError(
        store.path() +
        ": a store that other processes may write cannot be compacted into a copy by a reader; open it for "
        "writing, or make a backup() and compact that");
  }
  if (!store.read_only()) store.commit();
  Count count{progress};
  for (const auto& member : store.members()) count.total += entries_of(store, *member);
  std::error_code error;
  const bool was_there = std::filesystem::exists(target, error);
  if (was_there && !std::filesystem::is_empty(target, error)) {
    throw SystemError(ENOTEMPTY, "expected a directory that is empty or does not exist", target);
  }
  try {
    copy_store(store, target, count);
  } catch (...) {
    for (const auto& entry : std::filesystem::directory_iterator(target, error)) {
      std::filesystem::remove_all(entry.path(), error);
    }
    if (!was_there) std::filesystem::remove(target, error);
    throw;
  }
}

}  // namespace emd
