// OpenStore and Member: attaching of handles to members, transactions, snapshots, and what a rollback or a close
// detaches.
#include "api/open_store.h"

#include <exception>

namespace emd::v2::detail {

namespace {
std::string member_title(const std::string& path, std::string_view name) {
  return name.empty() ? "'" + path + "'" : "'" + std::string(name) + "' in '" + path + "'";
}
}  // namespace

// ---- OpenStore

OpenStore::OpenStore(const std::string& path, const core::StoreOptions& options)
    : core_(core::Store::open(path, options)) {
  core_->on_rollback(this, [this] {
    // A compaction calls this too.
    if (in_transaction_) attention_.fetch_or(kRolledBack, std::memory_order_relaxed);
  });
}

OpenStore::~OpenStore() {
  if (lost()) {
    (void)core_.release();  // not even its memory is touched: other threads may have been in it
    return;
  }
  try {
    close();
  } catch (const std::exception&) {
  }
}

void OpenStore::refuse() const {
  const u32 why = attention_.load(std::memory_order_relaxed);
  if (why & kForked) {
    throw StateError(core_->path() + ": opened before fork(); a child process must open the store itself");
  }
  if (why & kClosed) throw ClosedError(core_->path() + ": the store is closed; open it again");
  throw StateError(core_->path() +
                   ": the transaction was rolled back, since it had outgrown the memory budget; let it end");
}

void OpenStore::refuse_expired() const {
  throw SnapshotError(core_->path() +
                      ": the snapshot has expired, since a writer had waited for it as long as its "
                      "snapshot_timeout_seconds say; let it end and begin a new one, or read a backup()");
}

void OpenStore::close() {
  if (lost() || closed()) return;
  in_transaction_ = false;
  detach_all();
  attention_.fetch_or(kClosed, std::memory_order_relaxed);
  core_->close();
}

void OpenStore::detach_all() noexcept {
  while (!members_.empty()) members_.begin()->second->detach();
}

// What a rollback has undone.
void OpenStore::detach_dead() noexcept {
  for (auto at = members_.begin(); at != members_.end();) {
    Member& member = *(at++)->second;  // detaching erases its own entry alone
    if (!member.member().live || !member.laid_out()) member.detach();
  }
}

u64 OpenStore::begin() {
  use().begin();
  in_transaction_ = true;
  return ++transactions_;
}

void OpenStore::commit(u64 transaction) {
  if (!active(transaction)) throw StateError(core_->path() + ": the transaction has ended already");
  use().commit_transaction();
  end_transaction();
}

void OpenStore::rollback(u64 transaction) {
  if (!active(transaction) || lost()) return;
  // Also where it fails: then the store refuses.
  struct End {
    OpenStore& store;
    ~End() { store.end_transaction(); }
  } const end{*this};
  if (core_->in_transaction()) core_->rollback();
}

void OpenStore::end_transaction() {
  in_transaction_ = false;
  attention_.fetch_and(~u32{kRolledBack}, std::memory_order_relaxed);
  detach_dead();
}

void OpenStore::begin_snapshot() {
  core::Store& core = use();
  if (!core.read_only()) {
    throw StateError(core.path() +
                     ": open for writing: a writer sees its own state; a snapshot is for Mode::read");
  }
  if (snapshots_ == 0 && core.live()) core.take_snapshot();
  ++snapshots_;
}

bool OpenStore::begin_snapshot_if_possible() {
  if (!use().live()) return false;
  try {
    begin_snapshot();
    return true;
  } catch (const SystemError&) {
    return false;
  }
}

void OpenStore::end_snapshot() noexcept {
  if (lost() || closed() || snapshots_ == 0 || --snapshots_ != 0) return;
  if (core_->live() && core_->in_snapshot()) core_->end_snapshot();
}

std::shared_ptr<core::Member> OpenStore::find_or_create(std::string_view name, Kind kind) {
  core::Store& core = use();
  std::shared_ptr<core::Member> found = core.find(name);
  if (found == nullptr) {
    if (!core.read_only()) return core.create(name, kind, region_count_of(kind));
    throw FormatError("there is no " + std::string(kind_name(kind)) + " " + member_title(core.path(), name) +
                      ", and the store is open for reading");
  }
  if (found->kind != kind) {
    throw FormatError(member_title(core.path(), name) + " holds a " + kind_name(found->kind) + ", not a " +
                      kind_name(kind));
  }
  return found;
}

std::shared_ptr<Member> OpenStore::attached(const core::Member& member) const {
  const auto found = members_.find(&member);
  return found == members_.end() ? nullptr : found->second->shared_from_this();
}

void OpenStore::attach(Member& member) { members_[&member.member()] = &member; }

void OpenStore::drop(std::string_view name) {
  core::Store& core = use();
  if (const auto member = core.find(name)) {
    if (const auto known = attached(*member)) known->detach();
  }
  core.drop(name);
}

// ---- Member

Member::Member(std::shared_ptr<OpenStore> store, std::shared_ptr<core::Member> member)
    : store_(std::move(store)), member_(std::move(member)) {
  core().acquire(*member_);
  acquired_ = true;
}

Member::~Member() { let_go(); }

void Member::become_attached() {
  store_->attach(*this);
  attached_ = true;
}

void Member::detach() noexcept {
  if (!attached_) return;
  attached_ = false;
  close_structure(store_->lost());
  let_go();
}

void Member::let_go() noexcept {
  if (!acquired_) return;
  acquired_ = false;
  store_->forget(*member_);
  if (store_->lost()) return;
  try {
    core().release(*member_);
  } catch (const Error&) {
    // What is wrong with the store shows at its next use.
  }
}

void Member::refuse() const {
  throw ClosedError(member_title(core().path(), member_->name) +
                    " was dropped, or its creation was rolled back; ask the store for it again");
}

ContainerStats summary_of(const MemberStats& stats) {
  ContainerStats result;
  result.entries = std::get<u64>(stats.figures.front().second);  // each kind counts them first
  for (const RegionStats& region : stats.regions) {
    result.region_bytes += region.bytes;
    result.dirty_bytes += region.dirty_bytes;
    result.disk_bytes += region.disk_bytes;
  }
  for (const RegionUse& use : stats.uses) {
    result.dead_bytes += use.dead;
    result.free_bytes += use.free;
  }
  return result;
}

void refuse_empty_handle() {
  throw ClosedError("a handle that refers to nothing was used; ask a store for one");
}

Member& use(const Container& handle) {
  Member* const member = Access::member(handle).get();
  if (member == nullptr) refuse_empty_handle();
  member->require();
  return *member;
}

}  // namespace emd::v2::detail
