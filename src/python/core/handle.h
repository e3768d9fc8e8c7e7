// StoreHandle: one open store as Python sees it, shared by the Store object and its containers.
//
// It keeps the threads apart. Whoever works on the store or its structures has entered the handle (EntryGuard, and
// Container::EntryGuard): one thread at a time. With the GIL that costs nothing, since the GIL is held meanwhile;
// without it, it is a mutex. No Python code runs in between, so nothing is waited for but bytes. A long piece of work
// that needs no Python object lets go of the GIL (run_long) and stays entered: others wait.
//
// A transaction belongs to the thread that began it, and there to the context (contextvars) that began it and those
// copied from it: of two tasks of an event loop only one is in. After a fork the child's handle refuses. So it does
// where the interpreter ends and another thread has not left it: that will not go on (gil.h).
// Containers attach themselves; closing the handle, or dropping their member, detaches them.
#pragma once

#include <Python.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "platform/fork_guard.h"
#include "platform/temporary_directory.h"
#include "python/codec/support.h"
#include "python/kit/gil.h"
#include "python/kit/transaction_context.h"
#include "store/store.h"

namespace pyr {

class Container;

// References that were given up while a handle was entered: released after it was left, for that may run code. Declare
// it before the scope that enters; and so a TransactionContext that ends.
using DeferredDecrefs = std::vector<OwnedRef>;

class StoreHandle {
 public:
  // The scope of work on the handle itself. Errors: as enter().
  class EntryGuard {
   public:
    explicit EntryGuard(StoreHandle& handle) : handle_(handle) { handle.enter(); }
    ~EntryGuard() { handle_.leave(); }
    EntryGuard(const EntryGuard&) = delete;
    EntryGuard& operator=(const EntryGuard&) = delete;

   private:
    StoreHandle& handle_;
  };

  // One state of the store over many steps, where it can be held.
  class SnapshotGuard {
   public:
    explicit SnapshotGuard(StoreHandle& handle)
        : handle_(handle), held_(handle.begin_snapshot_if_possible()) {}
    ~SnapshotGuard() {
      if (held_) handle_.end_snapshot();
    }
    SnapshotGuard(const SnapshotGuard&) = delete;
    SnapshotGuard& operator=(const SnapshotGuard&) = delete;

   private:
    StoreHandle& handle_;
    const bool held_;
  };

  // Opens the store, with the GIL released. A temporary one is made in the directory `path`, under a name of its own,
  // and removed when it is closed, or collected. Errors: those of emd::Store::open.
  StoreHandle(const std::string& path, emd::StoreOptions options, bool temporary);
  // Commits nothing.
  ~StoreHandle();
  StoreHandle(const StoreHandle&) = delete;
  StoreHandle& operator=(const StoreHandle&) = delete;

  // Waits until no other thread is in. Errors: StateError if a transaction of another thread is on, or was rolled back
  // by the budget, or if this process is a fork's child: then it has not entered.
  void enter() {
    if (__builtin_expect(kMutex || needs_attention(), kMutex)) enter_slowly();
  }
  void leave() {
    if constexpr (kMutex) unlock();
  }
  bool needs_attention() const { return attention_.load(std::memory_order_relaxed) != 0; }
  // The open store. Precondition: entered. Errors: ClosedError.
  emd::Store& use();
  // For work that runs code which may close the handle. Precondition: entered.
  std::shared_ptr<emd::Store> share() const { return store_; }

  const std::string& path() const { return path_; }
  bool closed();
  // Whether nothing of the store may be touched any more: it is a parent process's, or a thread's that has stopped in
  // it.
  bool lost() const { return (attention_.load(std::memory_order_relaxed) & (kForked | kStranded)) != 0; }
  bool in_transaction() const { return (attention_.load(std::memory_order_relaxed) & kTransaction) != 0; }
  // Grows with every rollback, and differs from any other handle's: iterators that began before one, or with what was
  // open before this, compare it. Precondition: entered.
  emd::u64 epoch() const { return epoch_; }
  // Which of all handles that the process has had this is.
  emd::u64 opening() const { return epoch_ >> 32; }
  // How many transactions were rolled back. Precondition: entered.
  emd::u64 rollbacks() const { return rollbacks_; }
  enum class TransactionOutcome { open, committed, undone };
  // What becomes of the transaction that is on; null if there is none. Precondition: entered.
  const std::shared_ptr<TransactionOutcome>& outcome() const { return outcome_; }
  bool read_only() const { return read_only_; }
  bool temporary() const { return temporary_; }

  // These enter by themselves.
  void commit();
  void checkpoint();
  // Of a temporary store in memory: makes its files, unless it is closed, or in a transaction.
  void require_files();
  // Begins a transaction; returns its number. Nothing has begun if it throws.
  emd::u64 begin();
  void commit_transaction();
  // Has the current context be inside of the transaction with this number, if it is on; called to end it.
  void join_transaction(emd::u64 transaction);
  // The number of the transaction that has begun last.
  emd::u64 transaction() const { return transactions_; }
  // Undoes the transaction with this number (or notes that the budget did), and detaches what was created in it. Does
  // nothing if it has ended already.
  void rollback(emd::u64 transaction);
  // Rolls back the transaction that may be on, commits, closes and detaches all. Harmless when closed.
  // In a fork's child it only lets go.
  void close();
  // Closes without a commit, unless there are views: for stores about to be removed.
  void abandon();
  void drop(std::string_view name);
  // Holds the present state of a store that a writer in another process may change, until as many end_snapshot()
  // calls; where nobody can write it, nothing needs to be held. Errors: StateError of a writer; SystemError.
  void begin_snapshot();
  // The same for one call of many steps, which goes on without where no state can be held (a filesystem that this
  // process cannot write, no place left in the table): false, and nothing is to be ended. False for a writer too.
  bool begin_snapshot_if_possible();
  void end_snapshot();

  // Precondition of all that follows: the caller has entered.

  // The member of this name, created if there is none and the store can be written.
  // Errors: FormatError if it is of another kind, or missing in a store open for reading.
  std::shared_ptr<emd::Member> member(std::string_view name, emd::Kind kind);
  // One container per member at a time: a second one detaches the first.
  void attach(Container& container, OwnedRef weak_reference);
  void forget(Container& container, DeferredDecrefs& deferred) noexcept;
  Container* container_of(const emd::Member& member) const;
  // The container's object, or none: it may be about to go.
  OwnedRef object_of(const emd::Member& member) const;
  std::vector<OwnedRef> objects() const;

  // Errors: SnapshotError if one that was begun has expired: what is read under it would be of another state.
  void require_snapshot() const {
    if (__builtin_expect(snapshots_ != 0, 0) && !store_->in_snapshot()) refuse_expired();
  }

  // Runs `work` with the GIL released. It must not touch Python objects. Precondition: entered.
  template <class Work>
  void run_long(Work&& work) {
    const BusyGuard busy(*this);
    work();
  }
  // The scope of code that may use the store by itself, within a scope that has entered.
  class LeaveGuard {
   public:
    explicit LeaveGuard(StoreHandle& handle) : handle_(handle) { handle.leave(); }
    ~LeaveGuard() { handle_.lock(); }
    LeaveGuard(const LeaveGuard&) = delete;
    LeaveGuard& operator=(const LeaveGuard&) = delete;

   private:
    StoreHandle& handle_;
  };
  // In, whatever the state is; not in a fork's child.
  class LockGuard {
   public:
    explicit LockGuard(StoreHandle& handle) : handle_(handle) { handle.lock(); }
    ~LockGuard() { handle_.leave(); }
    LockGuard(const LockGuard&) = delete;
    LockGuard& operator=(const LockGuard&) = delete;

   private:
    StoreHandle& handle_;
  };

 private:
  // The scope of a long piece of work.
  class BusyGuard {
   public:
    explicit BusyGuard(StoreHandle& handle);
    ~BusyGuard();
    BusyGuard(const BusyGuard&) = delete;
    BusyGuard& operator=(const BusyGuard&) = delete;

   private:
    StoreHandle& handle_;
    std::optional<GilReleaseGuard> released_;
  };
  enum : emd::u32 {
    kBusy = 1,
    kTransaction = 2,
    kRolledBack = 4,
    kForked = 8,
    kWanted = 16,
    kStranded = 32,
  };

#ifdef Py_GIL_DISABLED
  static constexpr bool kMutex = true;
  void lock() {
    if (!in_own_report()) PyMutex_Lock(&entered_);
  }
  void unlock() {
    if (!in_own_report()) PyMutex_Unlock(&entered_);
  }
  PyMutex entered_{};
#else
  static constexpr bool kMutex = false;
  void lock() {
    while (__builtin_expect((attention_.load(std::memory_order_relaxed) & kBusy) != 0, 0) && !in_own_report())
      wait_until_idle();
  }
  void unlock() {}
  void wait_until_idle();
  void let_others_in();
  std::mutex mutex_;
  std::condition_variable idle_;
  std::condition_variable taken_;  // those that waited have come in
  unsigned waiting_ = 0;           // threads in wait_until_idle(); guarded by mutex_
  bool busy_ = false;              // kBusy, for threads that wait without the GIL; guarded by mutex_
#endif

  struct Attached {
    Container* container;
    OwnedRef weak_reference;
  };

  // Whether this thread is in a callable that is told of its own long work: it may not use the store, but containers
  // may be collected meanwhile.
  bool in_own_report() const {
    return busy_thread_.load(std::memory_order_relaxed) == PyThread_get_thread_ident();
  }
  void require_no_report() const;
  void enter_slowly();
  [[noreturn]] void refuse_expired() const;
  void require_parent() const;
  void require_own_transaction() const;
  void detach_all(DeferredDecrefs& deferred);
  void detach_dead(DeferredDecrefs& deferred);
  void roll_back(DeferredDecrefs& deferred, TransactionContext& ended);
  void end_transaction(TransactionContext& ended);
  void let_go_of_lost();
  void pause(std::chrono::microseconds time);

  static emd::u64 first_epoch();

  std::atomic<emd::u32> attention_ = 0;
  emd::platform::ForkGuard fork_guard_{attention_, kForked};
  unsigned long transaction_thread_ = 0;
  emd::u64 transactions_ = 0;  // so many were begun
  TransactionContext transaction_context_;
  std::atomic<unsigned long> busy_thread_ = 0;  // of run_long()
  emd::u64 epoch_ = first_epoch();
  emd::u64 rollbacks_ = 0;
  std::shared_ptr<TransactionOutcome> outcome_;
  unsigned snapshots_ = 0;  // begin_snapshot() calls not yet ended
  // Removed behind the store.
  std::optional<emd::platform::TemporaryDirectory> directory_;
  bool temporary_ = false;
  std::shared_ptr<emd::Store> store_;
  std::unordered_map<const emd::Member*, Attached> containers_;
  std::string path_;
  bool read_only_ = false;
  SignalWatch signals_;
};

}  // namespace pyr
