#include "bindings/handle.h"

#include <unistd.h>

#include "bindings/container.h"
#include "structures/dict.h"
#include "structures/list.h"

namespace pyr {
namespace {

const char* kind_name(emd::Kind kind) {
  switch (kind) {
    case emd::Kind::dict:
      return "dict";
    case emd::Kind::list:
      return "list";
  }
  return "container of an unknown kind";
}

unsigned region_count(emd::Kind kind) {
  return kind == emd::Kind::dict ? emd::Dict::kRegionCount : emd::List::kRegionCount;
}

std::string member_title(const std::string& path, std::string_view name) {
  return name.empty() ? "'" + path + "'" : "'" + std::string(name) + "' in '" + path + "'";
}

}  // namespace

StoreHandle::Busy::Busy(StoreHandle& handle) : handle_(handle) {
  {
    const std::lock_guard lock(handle.mutex_);
    handle.busy_ = true;
  }
  handle.attention_ |= kBusy;
  state_ = PyEval_SaveThread();
}

StoreHandle::Busy::~Busy() {
  PyEval_RestoreThread(state_);
  handle_.attention_ &= ~kBusy;
  {
    const std::lock_guard lock(handle_.mutex_);
    handle_.busy_ = false;
  }
  handle_.idle_.notify_all();
}

StoreHandle::StoreHandle(const std::string& path, const emd::StoreOptions& options)
    : path_(path), process_(getpid()) {
  run_long([&] { store_ = emd::Store::open(path, options); });
  store_->on_rollback(this, [this] {
    ++epoch_;
    if (in_transaction()) attention_ |= kRolledBack;
  });
}

StoreHandle::~StoreHandle() {
  if (forked()) {
    close();
    return;
  }
  if (store_) {
    detach_all();
    store_->remove_callback(this);
  }
}

bool StoreHandle::forked() const { return getpid() != process_; }

emd::Store& StoreHandle::use() {
  enter();
  if (!store_) throw emd::ClosedError("the store '" + path_ + "' is closed");
  store_->require_readable();
  return *store_;
}

void StoreHandle::settle() {
  if (forked()) {
    throw emd::StateError("the store '" + path_ + "' was opened before a fork: open it again in the child");
  }
  wait_while_busy();
  if (!(attention_ & kTransaction)) return;
  if (transaction_thread_ != PyThread_get_thread_ident()) {
    throw emd::StateError("a transaction of another thread is on in '" + path_ + "'");
  }
  if (attention_ & kRolledBack) {
    throw emd::StateError("the transaction in '" + path_ + "' was rolled back: leave its block");
  }
}

void StoreHandle::wait_until_idle() {
  PyThreadState* state = PyEval_SaveThread();
  {
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [this] { return !busy_; });
  }
  PyEval_RestoreThread(state);
}

void StoreHandle::commit() {
  emd::Store& store = use();
  run_long([&] { store.commit(); });
}

void StoreHandle::checkpoint() {
  emd::Store& store = use();
  run_long([&] { store.checkpoint(); });
}

void StoreHandle::begin() {
  emd::Store& store = use();
  if (in_transaction()) throw emd::StateError("a transaction is on in '" + path_ + "': they do not nest");
  run_long([&] { store.begin(); });
  transaction_thread_ = PyThread_get_thread_ident();
  attention_ |= kTransaction;
}

void StoreHandle::commit_transaction() {
  emd::Store& store = use();
  run_long([&] { store.commit_transaction(); });
  end_transaction();
}

void StoreHandle::rollback() {
  if (!forked()) wait_while_busy();
  if (!store_ || forked()) {
    end_transaction();
    return;
  }
  if (store_->in_transaction()) run_long([&] { store_->rollback(); });
  end_transaction();
  detach_dead();
}

void StoreHandle::close() {
  if (!store_) return;
  if (forked()) {
    detach_all();
    new std::shared_ptr<emd::Store>(
        std::move(store_));  // the parent's: nothing of it is touched, not even its memory
    return;
  }
  wait_while_busy();
  if (!store_) return;
  if (in_transaction()) rollback();
  detach_all();
  store_->remove_callback(this);
  const std::shared_ptr<emd::Store> store = std::move(store_);
  run_long([&] { store->close(); });
}

void StoreHandle::abandon() {
  if (!store_) return;
  if (forked()) return close();
  wait_while_busy();
  if (!store_) return;
  end_transaction();
  detach_all();
  store_->remove_callback(this);
  std::shared_ptr<emd::Store> store = std::move(store_);
  run_long([&] { store.reset(); });
}

std::shared_ptr<emd::Member> StoreHandle::member(std::string_view name, emd::Kind kind) {
  emd::Store& store = use();
  std::shared_ptr<emd::Member> found = store.find(name);
  if (!found) {
    if (store.read_only()) {
      throw emd::FormatError("there is no " + std::string(kind_name(kind)) + " " + member_title(path_, name) +
                             ", and the store is open for reading");
    }
    return store.create(name, kind, region_count(kind));
  }
  if (found->kind != kind) {
    throw emd::FormatError(member_title(path_, name) + " holds a " + kind_name(found->kind) + ", not a " +
                           kind_name(kind));
  }
  return found;
}

void StoreHandle::drop(std::string_view name) {
  emd::Store& store = use();
  const std::shared_ptr<emd::Member> member = store.find(name);
  if (!member) throw emd::ClosedError("there is no " + member_title(path_, name));
  if (Container* container = container_of(*member)) container->detach();
  store.drop(name);
}

void StoreHandle::attach(Container& container) { containers_[&container.member()] = &container; }

void StoreHandle::forget(Container& container) noexcept {
  const auto found = containers_.find(&container.member());
  if (found != containers_.end() && found->second == &container) containers_.erase(found);
}

Container* StoreHandle::container_of(const emd::Member& member) const {
  const auto found = containers_.find(&member);
  return found == containers_.end() ? nullptr : found->second;
}

void StoreHandle::detach_all() {
  while (!containers_.empty()) containers_.begin()->second->detach();
}

// Detaches the containers whose member a rollback has taken back.
void StoreHandle::detach_dead() {
  std::vector<Container*> dead;
  for (const auto& [member, container] : containers_) {
    if (!member->live) dead.push_back(container);
  }
  for (Container* container : dead) container->detach();
}

}  // namespace pyr
