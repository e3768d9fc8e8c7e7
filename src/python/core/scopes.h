// The scopes of transactions and snapshots as Python sees them: what `with` enters and leaves.
//
// Each is one object whose __enter__ and __exit__ are calls of C, between which CPython looks at no signal: so there is
// no moment at which a scope has begun and an interrupt skips what ends it. A scope that is entered and never left ends
// when its object goes.
//
// Threads: call with the GIL held, or attached where there is none.
#pragma once

#include <nanobind/nanobind.h>

#include "python/core/handle.h"

namespace pyr {

// All or nothing: commits at its end, or rolls back if the block has raised. `flush` is called with the handle, before
// the begin and before the commit, to write back what containers keep; `forget` with the containers that are open after
// a rollback.
class TransactionScope {
 public:
  TransactionScope(nanobind::object handle, nanobind::object flush, nanobind::object forget);
  ~TransactionScope();
  TransactionScope(const TransactionScope&) = delete;
  TransactionScope& operator=(const TransactionScope&) = delete;

  // Errors: those of `flush` and of StoreHandle::begin(); nothing has begun then.
  void enter();
  // Errors: those of `flush` and of the commit; all is rolled back then.
  void exit(bool raised);

 private:
  void roll_back(emd::u64 number);

  nanobind::object handle_object_;
  StoreHandle& handle_;
  nanobind::object flush_, forget_;
  emd::u64 number_ = 0;  // of the transaction; zero: none has begun
};

// One state of a store that another process may be writing, over many reads.
class SnapshotScope {
 public:
  // `if_possible`: goes on without, where none can be held or needs to be; see StoreHandle.
  SnapshotScope(nanobind::object handle, bool if_possible);
  ~SnapshotScope();
  SnapshotScope(const SnapshotScope&) = delete;
  SnapshotScope& operator=(const SnapshotScope&) = delete;

  void enter();
  void exit();

 private:
  nanobind::object handle_object_;
  StoreHandle& handle_;
  bool if_possible_;
  bool entered_ = false, held_ = false;
};

// The containers that are open, as a list: closing or flushing them may run code that changes the set.
nanobind::list open_containers(StoreHandle& handle);

void bind_scopes(nanobind::module_& module);

}  // namespace pyr
