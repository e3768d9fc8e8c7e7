// Verification of a whole store: its own files, and every member as its kind.
//
// Threads: as the store's.
#pragma once

#include "store/store.h"

namespace emd {

// Adds what is wrong: what Store::verify() finds, and what check() of each member's structure does. `findings.on_step`
// is called all the time. Beside a writer it should be called under a snapshot.
// Cost: a pass over all files. Errors: FormatError for a kind that this version does not know; what
// on_step throws; SnapshotError, SystemError.
void verify(Store& store, Findings& findings);

}  // namespace emd
