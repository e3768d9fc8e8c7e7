// TransactionContext: which tasks of an event loop a transaction belongs to: the one that began it, and those that this
// one has started since. A task copies the context of PEP 567 when it is made, so a variable in the context tells.
//
// Threads: call with the GIL held, or attached where there is none; inside() by the thread of the transaction. Begin
// and end where no store is entered: garbage may be collected.
#pragma once

#include <Python.h>

#include "python/kit/owned_ref.h"

namespace pyr {

class TransactionContext {
 public:
  // Of no transaction.
  TransactionContext() = default;
  // From now on the current context, and copies of it, are inside. Errors: PythonError.
  static TransactionContext begin();
  // Ends it, also in another context than it was begun in. Keeps the error that may be set.
  ~TransactionContext();
  TransactionContext(TransactionContext&&) = default;
  TransactionContext& operator=(TransactionContext&&) = default;

  bool inside() const noexcept;
  // The current context is inside too from now on. Errors: PythonError.
  void join() const;

 private:
  OwnedRef
      token_;  // an empty list, so a new one: the context has a tuple of those of all transactions that are on
};

}  // namespace pyr
