// Compaction and backup, as the package's methods call them: long work with the GIL released, which tells a Python
// callable how far it is and can be interrupted by it, or by a signal.
#pragma once

#include <Python.h>

#include <optional>
#include <string>

#include "python/core/handle.h"

namespace pyr {

// Both: `progress` is a callable of (done, total), or None. What it raises, and KeyboardInterrupt, cancels the work:
// nothing has changed. It may not use the store.

// In place, the member of this name; with none, the whole store into the directory `target`.
void compact(StoreHandle& handle, const std::optional<std::string>& member, const std::string& target,
             PyObject* progress);
// Copies what is committed into the directory `target`, while other threads and processes go on.
void back_up(StoreHandle& handle, const std::string& target, PyObject* progress);

}  // namespace pyr
