// The steps carried out on the store, and on the models of what a crash may find.
#include "crash/workload_actor.h"

#include <unistd.h>

#include "base/hash.h"
#include "platform/mapping.h"
#include "store/superblock.h"

namespace emd::testing {
namespace {

constexpr u64 kSeed = 0x5eed;

// Until an interval of zero seconds is over.
void wait_for_clock() {
  for (const double now = platform::coarse_seconds(); platform::coarse_seconds() <= now;) ::usleep(200);
}

// How many changes a step makes as one operation: enough that a dict's index grows.
u64 changes_of(Shape shape, const Workload& workload, Random& random) {
  switch (shape) {
    case Shape::dict:
    case Shape::typed:
    case Shape::set:
      return 1 + random() % (workload.budget_bytes != 0 || random() % 4 == 0 ? 150 : 12);
    case Shape::graph:
      return 1 + random() % (workload.budget_bytes != 0 || random() % 3 == 0 ? 60 : 12);
    case Shape::deque:
      return 1 + random() % 8;
    case Shape::list:
      return 1 + random() % (workload.long_lists ? 2 : 4);
    default:
      return 1 + random() % (workload.budget_bytes != 0 ? 12 : 2);
  }
}

}  // namespace

WorkloadActor::WorkloadActor(const Workload& workload, std::string path, std::shared_ptr<SimulatedDisk> disk)
    : workload_(workload), path_(std::move(path)), disk_(std::move(disk)), usual_budget_(memory_budget()) {
  if (workload_.budget_bytes != 0) set_memory_budget(workload_.budget_bytes);
}

WorkloadActor::~WorkloadActor() {
  abandon();
  set_memory_budget(usual_budget_);
}

StoreOptions WorkloadActor::options() const {
  StoreOptions options;
  options.commit_interval_seconds = workload_.commit_at_each_step ? 0 : -1;
  if (workload_.background_sync) options.background_sync_bytes = 1;
  options.file_system = disk_->file_system();
  return options;
}

void WorkloadActor::open() {
  store_ = Store::open(path_, options());
  if (store_->seed() != kSeed) fix_seed();
}

// A new store draws the seed of its hashes, which must be the same in every run of a workload.
void WorkloadActor::fix_seed() {
  store_->close();
  store_.reset();
  const SimulatedDisk::Quiet quiet(*disk_);
  const auto directory = disk_->file_system()->open_directory(path_, nullptr);
  const auto file = directory->open(kSuperblockName, platform::Directory::Open::read_write);
  for (u64 i = 0; i < 2; ++i) {
    SuperblockSlot slot;
    file->read(i * kPageSize, &slot, sizeof slot);
    slot.seed = kSeed;
    slot.checksum = hash64({reinterpret_cast<const u8*>(&slot), offsetof(SuperblockSlot, checksum)}, 0);
    file->write(i * kPageSize, &slot, sizeof slot);
  }
  file->sync();
  store_ = Store::open(path_, options());
}

void WorkloadActor::abandon() {
  members_.clear();
  store_.reset();
  in_transaction_ = false;
}

void WorkloadActor::adopt(const State& state) {
  current_ = committed_ = state;
  in_flight_.reset();
}

std::vector<State> WorkloadActor::allowed() const {
  std::vector<State> states{committed_};
  if (in_flight_) states.push_back(*in_flight_);
  return states;
}

void WorkloadActor::require_current() {
  if (const auto found = difference(*store_, workload_, current_)) throw Violation(*found);
}

void WorkloadActor::act(const Step& step) {
  Random random(step.seed);
  switch (step.action) {
    case Action::change:
      return current_.empty() ? create(random) : change(random);
    case Action::create:
      return create(random);
    case Action::drop:
      return drop(random);
    case Action::let_go:
      return let_go(random);
    case Action::commit:
      return in_transaction_ ? void() : commit_by([this] { store_->commit(); });
    case Action::begin:
      return begin();
    case Action::end:
      return end();
    case Action::roll_back:
      return roll_back();
    case Action::checkpoint:
      return in_transaction_ ? void() : commit_by([this] { store_->checkpoint(); });
    case Action::compact:
      return compact(random);
    case Action::reopen:
      return reopen();
  }
}

u64 WorkloadActor::commits() {
  const SimulatedDisk::Quiet quiet(*disk_);
  return store_->stats().commits;
}

// Runs `work` as one operation, at whose beginning the store may commit what was there.
template <class F>
void WorkloadActor::operate(F&& work) {
  const bool may_commit = workload_.implicit_commits() && !in_transaction_;
  if (workload_.commit_at_each_step) wait_for_clock();
  const State before = current_;
  const u64 commits_before = may_commit ? commits() : 0;
  if (may_commit) in_flight_ = before;
  const auto note_commit = [&] {
    if (!may_commit || commits() == commits_before) return;
    committed_ = before;
    ++implicit_commits_;
  };
  try {
    const Operation operation(*store_);
    work();
  } catch (const BudgetError&) {  // a transaction, and it has been rolled back
    in_transaction_ = false;
    current_ = committed_;
    forget_dead_members();
    return require_current();
  } catch (const ProcessKilled&) {
    throw;
  } catch (...) {
    note_commit();
    throw;
  }
  note_commit();
  in_flight_.reset();
}

// Runs a call that makes the current state the committed one; a crash in it may find either.
template <class F>
void WorkloadActor::commit_by(F&& call) {
  in_flight_ = current_;
  call();
  committed_ = current_;
  in_flight_.reset();
}

WorkloadMember& WorkloadActor::member(const std::string& name) {
  auto& handle = members_[name];
  if (handle == nullptr) {
    try {
      handle = std::make_unique<WorkloadMember>(*store_, name, workload_);
    } catch (...) {
      members_.erase(name);
      throw;
    }
  }
  return *handle;
}

void WorkloadActor::forget_dead_members() {
  std::erase_if(members_, [](const auto& one) { return !one.second->live(); });
}

std::string WorkloadActor::some_name(Random& random) const {
  auto at = current_.begin();
  std::advance(at, random() % current_.size());
  return at->first;
}

std::string WorkloadActor::new_name(Random& random) const {
  switch (workload_.subject) {
    case Subject::dict:
      return "d0";
    case Subject::list:
      return "l0";
    case Subject::typed:
      return "t0";
    case Subject::array:
      return "a0";
    case Subject::shadow:
      return "s0";
    case Subject::set:
      return "u0";
    case Subject::deque:
      return "q" + std::to_string(random() % 2);
    case Subject::graph:
      return "g" + std::to_string(random() % 3);
    case Subject::store:
      return "dddllatggsuq"[random() % 12] + std::to_string(random() % 3);
    case Subject::regions:
      return "r" + std::to_string(random() % 3);
    default:
      return "r0";
  }
}

void WorkloadActor::change(Random& random) {
  const std::string name = some_name(random);
  operate([&] {
    WorkloadMember& changed = member(name);
    const auto content = std::make_shared<Content>(*current_.at(name));
    current_[name] = content;
    const u64 count = changes_of(shape_of(name), workload_, random);
    for (u64 i = 0; i < count; ++i) changed.change(*content, random);
  });
}

void WorkloadActor::create(Random& random) {
  const std::string name = new_name(random);
  if (current_.contains(name)) return change(random);
  operate([&] {
    try {
      member(name);
    } catch (const SystemError&) {  // the member may be there without its first bytes
      if (store_->find(name) != nullptr) current_[name] = std::make_shared<Content>();
      throw;
    }
    current_[name] = std::make_shared<Content>();
  });
}

void WorkloadActor::drop(Random& random) {
  if (current_.empty()) return;
  const std::string name = some_name(random);
  operate([&] {
    store_->drop(name);
    members_.erase(name);
    current_.erase(name);
  });
}

void WorkloadActor::let_go(Random& random) {
  if (!current_.empty()) members_.erase(some_name(random));
}

void WorkloadActor::begin() {
  if (in_transaction_) return;
  commit_by([this] { store_->begin(); });
  in_transaction_ = true;
}

void WorkloadActor::end() {
  if (!in_transaction_) return;
  commit_by([this] { store_->commit_transaction(); });
  in_transaction_ = false;
}

void WorkloadActor::roll_back() {
  if (!in_transaction_) return;
  store_->rollback();
  in_transaction_ = false;
  current_ = committed_;
  forget_dead_members();
  require_current();
}

void WorkloadActor::compact(Random& random) {
  if (in_transaction_ || current_.empty()) return;
  if (workload_.commit_at_each_step)
    return;  // it makes many operations: the clock would say which of them commits
  WorkloadMember& compacted = member(some_name(random));
  commit_by([&] { compacted.compact(); });
  require_current();
}

void WorkloadActor::reopen() {
  if (in_transaction_) return;
  commit_by([this] {
    members_.clear();
    store_->close();
  });
  store_.reset();
  open();
  require_current();
}

}  // namespace emd::testing
