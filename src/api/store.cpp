// The handles Store, Transaction and Snapshot, and what all containers have.
#include <optional>
#include <utility>

#include "api/open_store.h"
#include "base/check.h"

namespace emd::v2 {

using detail::OpenStore;

namespace {

static_assert(EMD_VERSION_MAJOR == 2, "the inline namespace of the public headers is named after it");
static_assert(
    std::is_same_v<Kinds, KindList<core::Dict, core::List, core::Array, core::TypedDict, core::Graph,
                                   core::Shadow, core::Set, core::TypedSet, core::Deque>>,
    "each kind of member has a handle, and a method of Store that gives it; typed sets have none yet");
static_assert(static_cast<int>(Mode::append) == static_cast<int>(core::Mode::append) &&
              static_cast<int>(Mode::read) == static_cast<int>(core::Mode::read) &&
              static_cast<int>(Mode::read_write) == static_cast<int>(core::Mode::read_write) &&
              static_cast<int>(Mode::exclusive) == static_cast<int>(core::Mode::exclusive));

core::StoreOptions to_core(const StoreOptions& options) {
  core::StoreOptions result;
  result.mode = static_cast<core::Mode>(options.mode);
  result.commit_interval_seconds = options.commit_interval_seconds;
  result.lock_timeout_seconds = options.lock_timeout_seconds;
  result.snapshot_timeout_seconds = options.snapshot_timeout_seconds;
  result.read_timeout_seconds = options.read_timeout_seconds;
  result.memory_bytes = options.memory_bytes;
  result.permissions = options.permissions;
  result.region_count_of = &region_count_of;
  return result;
}

OpenStore& opened(const std::shared_ptr<OpenStore>& store) {
  if (store == nullptr) detail::refuse_empty_handle();
  return *store;
}

// Beside a writer: what is found is of one state.
class SnapshotGuard {
 public:
  explicit SnapshotGuard(OpenStore& store) : store_(store), held_(store.begin_snapshot_if_possible()) {}
  ~SnapshotGuard() {
    if (held_) store_.end_snapshot();
  }
  SnapshotGuard(const SnapshotGuard&) = delete;
  SnapshotGuard& operator=(const SnapshotGuard&) = delete;

 private:
  OpenStore& store_;
  bool held_;
};

}  // namespace

const char* version() { return EMD_VERSION; }

std::uint64_t memory_budget() { return core::memory_budget(); }
void set_memory_budget(std::uint64_t bytes) { core::set_memory_budget(bytes); }

// ---- Store

Store::Store(std::shared_ptr<OpenStore> store) : store_(std::move(store)) {}

Store Store::open(const std::string& path, const StoreOptions& options) {
  return Store(std::make_shared<OpenStore>(path, to_core(options)));
}

Store::operator bool() const { return store_ != nullptr && !store_->closed() && !store_->lost(); }
std::string Store::path() const { return opened(store_).core().path(); }
bool Store::read_only() const { return opened(store_).core().read_only(); }
void Store::close() {
  if (store_ != nullptr) store_->close();
}

Dict Store::dict(std::string_view name) { return Dict(detail::open_member<core::Dict>(store_, name)); }
List Store::list(std::string_view name) { return List(detail::open_member<core::List>(store_, name)); }
Set Store::set(std::string_view name) { return Set(detail::open_member<core::Set>(store_, name)); }

bool Store::contains(std::string_view name) { return opened(store_).use().find(name) != nullptr; }

std::vector<MemberInfo> Store::members() {
  std::vector<MemberInfo> result;
  for (const auto& member : opened(store_).use().members())
    result.push_back({member->name, kind_name(member->kind)});
  return result;
}

void Store::drop(std::string_view name) { opened(store_).drop(name); }

void Store::commit() { opened(store_).use().commit(); }
void Store::checkpoint() { opened(store_).use().checkpoint(); }

Transaction Store::transaction() {
  const u64 number = opened(store_).begin();
  return Transaction(store_, number);
}

bool Store::in_transaction() const { return opened(store_).in_transaction(); }

Snapshot Store::snapshot() {
  opened(store_).begin_snapshot();
  return Snapshot(store_);
}

std::vector<Finding> Store::verify() {
  OpenStore& store = opened(store_);
  const SnapshotGuard held(store);
  core::Findings findings;
  emd::verify(store.use(), findings);
  std::vector<Finding> result;
  for (core::Finding& finding : findings)
    result.push_back({std::move(finding.where), std::move(finding.what)});
  return result;
}

void Store::check() {
  const std::vector<Finding> findings = verify();
  if (findings.empty()) return;
  throw DamagedError(path() + ": " + findings[0].where + ": " + findings[0].what + " (" +
                         std::to_string(findings.size()) + " findings); restore the store from a backup",
                     path());
}

StoreStats Store::stats() const {
  const core::StoreStats found = opened(store_).use().stats();
  StoreStats result;
  result.commits = found.commits;
  result.checkpoints = found.checkpoints;
  result.journal_bytes = found.journal_bytes;
  result.dirty_bytes = found.dirty_bytes;
  result.private_bytes = found.private_bytes;
  result.mapped_bytes = found.mapped_bytes;
  result.resident_bytes = found.resident_bytes;
  result.region_bytes = found.region_bytes;
  result.disk_bytes = found.disk_bytes;
  result.budget_bytes = found.budget_bytes;
  return result;
}

void Store::backup(const std::string& target, const Progress& progress) {
  core::Store& store = opened(store_).use();
  if (!store.read_only()) store.commit();
  core::StoreOptions options;
  options.region_count_of = &region_count_of;
  emd::backup(*store.directory(), target, options, progress);
}

void Store::compact_to(const std::string& target, const Progress& progress) {
  emd::compact_to(opened(store_).use(), target, progress);
}

// ---- Transaction

Transaction::Transaction(std::shared_ptr<OpenStore> store, std::uint64_t number)
    : store_(std::move(store)), number_(number) {}

Transaction::Transaction(Transaction&& other) noexcept = default;

Transaction& Transaction::operator=(Transaction&& other) noexcept {
  const Transaction ended(std::move(*this));
  store_ = std::move(other.store_);
  number_ = other.number_;
  return *this;
}

Transaction::~Transaction() {
  try {
    rollback();
  } catch (const std::exception&) {
    // The store refuses from now on, and says why.
  }
}

void Transaction::commit() { opened(store_).commit(number_); }
void Transaction::rollback() {
  if (store_ != nullptr) store_->rollback(number_);
}
bool Transaction::active() const { return store_ != nullptr && store_->active(number_); }

// ---- Snapshot

Snapshot::Snapshot(std::shared_ptr<OpenStore> store) : store_(std::move(store)) {}
Snapshot::Snapshot(Snapshot&& other) noexcept = default;
Snapshot& Snapshot::operator=(Snapshot&& other) noexcept {
  const Snapshot ended(std::move(*this));
  store_ = std::move(other.store_);
  return *this;
}
Snapshot::~Snapshot() {
  if (store_ != nullptr) store_->end_snapshot();
}

// ---- Container

Container::Container(std::shared_ptr<detail::Member> member) : member_(std::move(member)) {}

Container::operator bool() const {
  return member_ != nullptr && member_->attached() && !member_->store().lost();
}

std::string Container::name() const {
  if (member_ == nullptr) detail::refuse_empty_handle();
  return member_->member().name;
}

Store Container::store() const {
  if (member_ == nullptr) detail::refuse_empty_handle();
  return detail::Access::store(member_->share_store());
}

void Container::compact(const Progress& progress) {
  detail::Member& member = detail::use(*this);
  emd::compact(member.core(), member.member(), progress);
}

ContainerStats Container::stats() const { return detail::use(*this).stats(); }

}  // namespace emd::v2
