// StoreHandle: one open store as Python sees it, shared by the Store object and its containers.
//
// It keeps the threads apart. All of its state is guarded by the GIL. A long piece of work that needs no
// Python object runs with the GIL released and the handle busy; a thread that enters a busy handle waits.
// A transaction belongs to the thread that began it. After a fork the child's handle refuses.
//
// Containers attach themselves; closing the handle, or dropping their member, detaches them.
#pragma once

#include <Python.h>
#include <sys/types.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "store/store.h"

namespace pyr {

class Container;

class StoreHandle {
 public:
  // Opens the store, with the GIL released. Errors: those of emd::Store::open.
  StoreHandle(const std::string& path, const emd::StoreOptions& options);
  // Commits nothing.
  ~StoreHandle();
  StoreHandle(const StoreHandle&) = delete;
  StoreHandle& operator=(const StoreHandle&) = delete;

  // Before every use: waits while the handle is busy. Errors: StateError if a transaction of another
  // thread is on, or was rolled back by the budget, or if this process is a fork's child.
  void enter() {
    if (__builtin_expect(attention_ != 0, 0)) settle();
  }
  bool needs_attention() const { return attention_ != 0; }
  // enter(), and the open store. Errors: also ClosedError.
  emd::Store& use();

  // For work that runs code which may close the handle.
  std::shared_ptr<emd::Store> share() const { return store_; }

  const std::string& path() const { return path_; }
  bool closed() const { return store_ == nullptr; }
  bool forked() const;
  // Grows with every rollback: iterators that began before one compare it.
  emd::u64 epoch() const { return epoch_; }

  void commit();
  void checkpoint();
  void begin();
  void commit_transaction();
  // Undoes the transaction (or notes that the budget did) and detaches what was created in it.
  void rollback();
  // Waits for a long piece of work in another thread; unlike enter(), it does not throw.
  void wait_while_busy() {
    while (__builtin_expect((attention_ & kBusy) != 0, 0)) wait_until_idle();
  }
  bool in_transaction() const { return (attention_ & kTransaction) != 0; }
  // Rolls back the transaction that may be on, commits, closes and detaches all. Harmless when closed.
  // In a fork's child it only lets go.
  void close();
  // Closes without a commit: for stores about to be removed.
  void abandon();

  // The member of this name, created if there is none and the store can be written.
  // Errors: FormatError if it is of another kind, or missing in a store open for reading.
  std::shared_ptr<emd::Member> member(std::string_view name, emd::Kind kind);
  void drop(std::string_view name);

  // One container per member at a time: a second one detaches the first.
  void attach(Container& container);
  void forget(Container& container) noexcept;
  Container* container_of(const emd::Member& member) const;
  const std::unordered_map<const emd::Member*, Container*>& containers() const { return containers_; }

  // Runs `work` with the GIL released and the handle busy. It must not touch Python objects.
  template <class Work>
  void run_long(Work&& work) {
    const Busy busy(*this);
    work();
  }

 private:
  // The scope of a long piece of work: the handle busy, the GIL released.
  class Busy {
   public:
    explicit Busy(StoreHandle& handle);
    ~Busy();
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;

   private:
    StoreHandle& handle_;
    PyThreadState* state_;
  };
  enum : unsigned { kBusy = 1, kTransaction = 2, kRolledBack = 4 };

  void settle();
  void wait_until_idle();
  void detach_all();
  void detach_dead();
  void end_transaction() { attention_ &= ~(kTransaction | kRolledBack); }

  unsigned attention_ = 0;
  unsigned long transaction_thread_ = 0;
  emd::u64 epoch_ = 0;
  std::shared_ptr<emd::Store> store_;
  std::unordered_map<const emd::Member*, Container*> containers_;
  std::string path_;
  pid_t process_;
  std::mutex mutex_;
  std::condition_variable idle_;
  bool busy_ = false;  // kBusy, for threads that wait without the GIL; guarded by mutex_
};

}  // namespace pyr
