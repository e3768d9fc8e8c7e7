// Compaction of a member in place, and of a whole store into another directory: member by member, by copy_content().
#include "algorithms/compact/compact.h"

#include <optional>
#include <utility>
#include <vector>

#include "algorithms/compact/copy.h"
#include "base/errors.h"
#include "store/target_directory.h"

namespace emd {
namespace {

// A region without bytes is an empty structure that nobody has laid out yet.
bool is_empty(const Member& member) { return member.region(0).size() == 0; }

u64 entries_of(Store& store, Member& member) {
  const AcquireGuard mapped(store, member);
  return store.read_consistent(member, [&]() -> u64 {
    if (is_empty(member)) return 0;
    return visit_kind(store, member, [&]<class S>(Of<S>) { return entries_to_copy(S(store, member)); });
  });
}

// A state that stays while it is copied, of a store that another process may be writing.
class SnapshotGuard {
 public:
  explicit SnapshotGuard(Store& store) : store_(store), held_(store.live() && !store.in_snapshot()) {
    if (held_) store_.take_snapshot();
  }
  ~SnapshotGuard() {
    if (held_) store_.end_snapshot();
  }
  SnapshotGuard(const SnapshotGuard&) = delete;
  SnapshotGuard& operator=(const SnapshotGuard&) = delete;

 private:
  Store& store_;
  bool held_;
};

// `to` is an empty member of the same kind, in the same store or another.
void copy_member(Store& from_store, Member& from, Store& to_store, Member& to, CopyCount& count) {
  const AcquireGuard source(from_store, from), copy(to_store, to);
  if (is_empty(from)) return;
  visit_kind(from_store, from, [&](auto kind) {
    copy_content(kind, {from_store, from, to_store, to, count});
  });
}

// Before the work rather than at its end.
void require_no_views(Store& store, Member& member) {
  const AcquireGuard mapped(store, member);
  for (unsigned i = 0; i < member.region_count; ++i) member.regions[i]->require_no_views("compacting it");
}

void copy_store(Store& store, const std::string& target, std::shared_ptr<platform::Directory> directory,
                std::shared_ptr<platform::FileSystem> files, CopyCount& count) {
  StoreOptions options;
  options.region_count_of = &region_count_of;
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
    CopyCount count{progress, entries_of(store, member)};
    copy_member(store, member, store, *fresh, count);
    const AcquireGuard old(store, member);
    store.replace(member, *fresh);
  } catch (...) {
    store.drop_compaction();
    throw;
  }
  store.commit();
}

void compact_to(Store& store, const std::string& target, const Progress& progress,
                std::shared_ptr<platform::FileSystem> files) {
  const SnapshotGuard held(store);
  if (!store.read_only()) store.commit();
  CopyCount count{progress};
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
