// StoreHandle: how threads are kept apart, with the GIL and without; transactions, snapshots, and which containers of
// a store there are.
#include "python/core/handle.h"

#include <chrono>

#include "platform/file.h"
#include "python/core/container.h"
#include "structures/kinds.h"

namespace pyr {

namespace {

std::string member_title(const std::string& path, std::string_view name) {
  return name.empty() ? "'" + path + "'" : "'" + std::string(name) + "' in '" + path + "'";
}

// What a weak reference refers to, if it is still there.
OwnedRef referent(PyObject* weak) {
#if PY_VERSION_HEX >= 0x030d0000
  PyObject* object = nullptr;
  if (PyWeakref_GetRef(weak, &object) < 0) PyErr_Clear();
  return OwnedRef(object);
#else
  PyObject* const object = PyWeakref_GetObject(weak);
  return object == Py_None ? OwnedRef() : OwnedRef::borrowed(object);
#endif
}

}  // namespace

// ---- Entering

#ifdef Py_GIL_DISABLED

StoreHandle::BusyGuard::BusyGuard(StoreHandle& handle) : handle_(handle) {
  handle.busy_thread_ = PyThread_get_thread_ident();
  released_.emplace();
}
StoreHandle::BusyGuard::~BusyGuard() {
  released_.reset();
  handle_.busy_thread_ = 0;
}

#else

StoreHandle::BusyGuard::BusyGuard(StoreHandle& handle) : handle_(handle) {
  {
    const std::lock_guard lock(handle.mutex_);
    handle.busy_ = true;
  }
  handle.busy_thread_ = PyThread_get_thread_ident();
  handle.attention_ |= kBusy;
  released_.emplace();
}

StoreHandle::BusyGuard::~BusyGuard() {
  released_.reset();
  handle_.attention_ &= ~emd::u32{kBusy};
  handle_.busy_thread_ = 0;
  {
    const std::lock_guard lock(handle_.mutex_);
    handle_.busy_ = false;
  }
  handle_.idle_.notify_all();
}

void StoreHandle::wait_until_idle() {
  {
    const GilReleaseGuard released;
    std::unique_lock lock(mutex_);
    ++waiting_;
    attention_ |= kWanted;
    const auto idle = [this] { return !busy_; };
    while (!idle_.wait_for(lock, std::chrono::milliseconds(100), idle)) {
      // Whoever is in will not get the GIL any more: it does not leave.
      if (!interpreter_is_finalizing()) continue;
      attention_ |= kStranded;
      break;
    }
  }
  {
    const std::lock_guard lock(mutex_);
    if (--waiting_ == 0) attention_ &= ~emd::u32{kWanted};
  }
  taken_.notify_all();
}

// A thread that makes one long call after the other would leave the others no moment in which it is idle: who comes
// anew lets those in that wait already.
void StoreHandle::let_others_in() {
  const GilReleaseGuard released;
  std::unique_lock lock(mutex_);
  taken_.wait_for(lock, std::chrono::milliseconds(20), [this] { return waiting_ == 0; });
}

#endif

void StoreHandle::require_no_report() const {
  if (!in_own_report()) return;
  throw emd::StateError(
      "the store '" + path_ +
      "' is used by the callable that is told of its progress; use it when the work has ended");
}

// In a fork's child another thread may have been in for ever: it is refused before it waits.
void StoreHandle::enter_slowly() {
  require_parent();
  require_no_report();
#ifndef Py_GIL_DISABLED
  if (attention_.load(std::memory_order_relaxed) & kWanted) let_others_in();
#endif
  lock();
  try {
    require_parent();
    require_own_transaction();
  } catch (...) {
    leave();
    throw;
  }
}

void StoreHandle::require_parent() const {
  if (!lost()) return;
  if (attention_.load(std::memory_order_relaxed) & kStranded) {
    throw emd::StateError("the store '" + path_ +
                          "' was in use by a daemon thread when the interpreter ended; nothing more can be "
                          "done with it in this process");
  }
  throw emd::StateError("the store '" + path_ +
                        "' was opened before fork(), in another process: open it again here, with mode=\"r\" "
                        "if its writer goes on (a container that is sent by pickle does so by itself)");
}

void StoreHandle::require_own_transaction() const {
  if (!in_transaction()) return;
  if (transaction_thread_ != PyThread_get_thread_ident()) {
    throw emd::StateError("a transaction of another thread is on in '" + path_ + "'");
  }
  if (!transaction_context_.inside()) {
    throw emd::StateError(
        "a transaction of another task is on in '" + path_ +
        "': do not await inside of a transaction, or let other tasks wait for its end (asyncio.Lock)");
  }
  if (attention_.load(std::memory_order_relaxed) & kRolledBack) {
    throw emd::StateError("the transaction in '" + path_ + "' was rolled back: leave its block");
  }
}

emd::Store& StoreHandle::use() {
  if (!store_) throw emd::ClosedError("the store '" + path_ + "' is closed");
  store_->require_readable();
  return *store_;
}

// ---- Life

emd::u64 StoreHandle::first_epoch() {
  static std::atomic<emd::u64> openings = 0;
  return ++openings << 32;
}

StoreHandle::StoreHandle(const std::string& path, emd::StoreOptions options, bool temporary)
    : temporary_(temporary), path_(path) {
  options.region_count_of = &emd::region_count_of;
  options.pause = [this](std::chrono::microseconds time) { pause(time); };
  if (temporary) {
    directory_.emplace(path, "pyrsistence-");
    path_ = directory_->path();
    options.file_system = emd::platform::temporary_file_system();
  }
  if (temporary) {
    store_ = emd::Store::open(path_, options);  // in memory: it waits for nothing
  } else {
    run_long([&] { store_ = emd::Store::open(path_, options); });
  }
  read_only_ = store_->read_only();
  // A commit that an operation begins with may wait for the disk, and for readers.
  store_->on_implied_commit([this](const std::function<void()>& commit) {
    if (in_own_report()) return commit();  // the GIL is released already
    run_long(commit);
  });
  store_->on_rollback(this, [this] {
    ++epoch_;
    if (!in_transaction()) return;  // a compaction
    attention_ |= kRolledBack;
    ++rollbacks_;
    if (outcome_) *outcome_ = TransactionOutcome::undone;
  });
}

StoreHandle::~StoreHandle() {
  if (lost()) {
    let_go_of_lost();
  } else if (store_) {
    DeferredDecrefs deferred;
    detach_all(deferred);
    store_->remove_callback(this);
  }
}

bool StoreHandle::closed() {
  if (lost()) return store_ == nullptr;
  const LockGuard inside(*this);
  return store_ == nullptr;
}

// Called by waits in the store, for other processes. The GIL is released already where the work is a long one.
void StoreHandle::pause(std::chrono::microseconds time) {
  if (in_own_report()) return signals_.pause(time);
  run_long([&] { signals_.pause(time); });
}

// Nothing of the store is touched, not even its memory.
void StoreHandle::let_go_of_lost() {
  DeferredDecrefs deferred;
  detach_all(deferred);
  if (store_) new std::shared_ptr<emd::Store>(std::move(store_));
}

void StoreHandle::close() {
  if (lost()) return let_go_of_lost();
  require_no_report();
  DeferredDecrefs deferred;
  TransactionContext ended;
  const LockGuard inside(*this);
  if (lost()) return let_go_of_lost();
  if (!store_) return;
  if (in_transaction()) roll_back(deferred, ended);
  detach_all(deferred);
  store_->remove_callback(this);
  const std::shared_ptr<emd::Store> store = std::move(store_);
  run_long([&] {
    store->close();
    directory_.reset();
  });
}

void StoreHandle::abandon() {
  if (lost()) return let_go_of_lost();
  require_no_report();
  DeferredDecrefs deferred;
  TransactionContext ended;
  const LockGuard inside(*this);
  if (lost()) return let_go_of_lost();
  if (!store_) return;
  end_transaction(ended);
  detach_all(deferred);
  store_->remove_callback(this);
  std::shared_ptr<emd::Store> store = std::move(store_);
  const bool viewed = store->viewed();
  if (store->in_memory() && !store->has_directory()) return store.reset();
  run_long([&] {
    if (viewed) store->close();  // so that the views keep what they show
    store.reset();
    directory_.reset();
  });
}

// ---- Durability

void StoreHandle::commit() {
  const EntryGuard entered(*this);
  emd::Store& store = use();
  run_long([&] { store.commit(); });
}

void StoreHandle::checkpoint() {
  const EntryGuard entered(*this);
  emd::Store& store = use();
  run_long([&] { store.checkpoint(); });
}

void StoreHandle::require_files() {
  if (lost() || in_transaction()) return;
  const EntryGuard entered(*this);
  if (store_ && store_->in_memory()) run_long([&] { store_->move_to_files(); });
}

emd::u64 StoreHandle::begin() {
  TransactionContext context = TransactionContext::begin();
  const EntryGuard entered(*this);
  emd::Store& store = use();
  if (in_transaction()) throw emd::StateError("a transaction is on in '" + path_ + "': they do not nest");
  auto outcome = std::make_shared<TransactionOutcome>(TransactionOutcome::open);
  run_long([&] { store.begin(); });
  outcome_ = std::move(outcome);
  transaction_context_ = std::move(context);
  transaction_thread_ = PyThread_get_thread_ident();
  attention_ |= kTransaction;
  return ++transactions_;
}

void StoreHandle::end_transaction(TransactionContext& ended) {
  ended = std::move(transaction_context_);
  attention_ &= ~emd::u32{kTransaction | kRolledBack};
  outcome_.reset();
}

void StoreHandle::join_transaction(emd::u64 transaction) {
  if (!in_transaction() || transaction != transactions_ || transaction_context_.inside()) return;
  transaction_context_.join();
}

void StoreHandle::commit_transaction() {
  TransactionContext ended;
  const EntryGuard entered(*this);
  emd::Store& store = use();
  run_long([&] { store.commit_transaction(); });
  if (outcome_) *outcome_ = TransactionOutcome::committed;
  end_transaction(ended);
}

void StoreHandle::rollback(emd::u64 transaction) {
  if (lost()) return;
  DeferredDecrefs deferred;
  TransactionContext ended;
  const LockGuard inside(*this);
  if (lost() || !in_transaction() || transaction != transactions_) return;
  roll_back(deferred, ended);
}

void StoreHandle::roll_back(DeferredDecrefs& deferred, TransactionContext& ended) {
  // Also where it fails: then the store refuses.
  struct End {
    StoreHandle& handle;
    TransactionContext& ended;
    ~End() { handle.end_transaction(ended); }
  } const end{*this, ended};
  if (store_ && store_->in_transaction()) run_long([&] { store_->rollback(); });
  detach_dead(deferred);
}

void StoreHandle::begin_snapshot() {
  const EntryGuard entered(*this);
  emd::Store& store = use();
  if (!store.read_only()) {
    throw emd::StateError("the store '" + path_ +
                          "' is open for writing: a writer sees its own state; a snapshot is for mode=\"r\"");
  }
  if (snapshots_ == 0 && store.live()) store.take_snapshot();
  ++snapshots_;
}

bool StoreHandle::begin_snapshot_if_possible() {
  if (!read_only_) return false;
  try {
    begin_snapshot();
    return true;
  } catch (const emd::SystemError&) {
    return false;
  }
}

void StoreHandle::end_snapshot() {
  if (lost()) return;
  const LockGuard inside(*this);
  if (lost()) return;
  if (snapshots_ == 0 || --snapshots_ != 0) return;
  if (store_ && store_->live() && store_->in_snapshot()) store_->end_snapshot();
}

void StoreHandle::refuse_expired() const {
  throw emd::SnapshotError("the snapshot of '" + path_ +
                           "' has expired, since a writer had waited for it as long as its snapshot_timeout "
                           "says; leave the block and begin a new one, or read a backup()");
}

// ---- Members

std::shared_ptr<emd::Member> StoreHandle::member(std::string_view name, emd::Kind kind) {
  emd::Store& store = use();
  std::shared_ptr<emd::Member> found = store.find(name);
  if (!found) {
    if (store.read_only()) {
      throw emd::FormatError("there is no " + std::string(emd::kind_name(kind)) + " " +
                             member_title(path_, name) + ", and the store is open for reading");
    }
    return store.create(name, kind, emd::region_count_of(kind));
  }
  if (found->kind != kind) {
    throw emd::FormatError(member_title(path_, name) + " holds a " + emd::kind_name(found->kind) +
                           ", not a " + emd::kind_name(kind) +
                           "; pyrsistence.open() opens whatever a directory holds");
  }
  return found;
}

void StoreHandle::drop(std::string_view name) {
  DeferredDecrefs deferred;
  const EntryGuard entered(*this);
  emd::Store& store = use();
  const std::shared_ptr<emd::Member> member = store.find(name);
  if (!member) throw emd::ClosedError("there is no " + member_title(path_, name));
  if (Container* container = container_of(*member)) container->let_go(deferred);
  store.drop(name);
}

void StoreHandle::attach(Container& container, OwnedRef weak_reference) {
  containers_[&container.member()] = {&container, std::move(weak_reference)};
}

void StoreHandle::forget(Container& container, DeferredDecrefs& deferred) noexcept {
  const auto found = containers_.find(&container.member());
  if (found == containers_.end() || found->second.container != &container) return;
  deferred.push_back(std::move(found->second.weak_reference));
  containers_.erase(found);
}

Container* StoreHandle::container_of(const emd::Member& member) const {
  const auto found = containers_.find(&member);
  return found == containers_.end() ? nullptr : found->second.container;
}

OwnedRef StoreHandle::object_of(const emd::Member& member) const {
  const auto found = containers_.find(&member);
  return found == containers_.end() ? OwnedRef() : referent(found->second.weak_reference.get());
}

std::vector<OwnedRef> StoreHandle::objects() const {
  std::vector<OwnedRef> result;
  for (const auto& [member, attached] : containers_) {
    OwnedRef object = referent(attached.weak_reference.get());
#ifndef Py_GIL_DISABLED
    // The collector clears weak references before it runs finalizers: what is to be written is there still.
    PyObject* const self = attached.container->self();
    if (!object && Py_REFCNT(self) > 0) object = OwnedRef::borrowed(self);
#endif
    if (object) result.push_back(std::move(object));
  }
  return result;
}

void StoreHandle::detach_all(DeferredDecrefs& deferred) {
  while (!containers_.empty()) containers_.begin()->second.container->let_go(deferred);
}

// Detaches the containers of which a rollback has taken back the member, or its layout.
void StoreHandle::detach_dead(DeferredDecrefs& deferred) {
  std::vector<Container*> dead;
  for (const auto& [member, attached] : containers_) {
    if (!member->live || !attached.container->laid_out()) dead.push_back(attached.container);
  }
  for (Container* container : dead) container->let_go(deferred);
}

}  // namespace pyr
