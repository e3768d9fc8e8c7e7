// Compaction: a container written anew, in order and without dead space, beside the old one.
//
// In place, the new content grows in a hidden member of the same store and takes the old one's place by one commit. So
// a crash, an error or a cancellation leaves the old content, and what was written goes at the next opening.
//
// Threads: as the store's.
#pragma once

#include <functional>
#include <string>

#include "store/store.h"

namespace emd {

// Called now and then with how many entries are done, of how many. What it throws cancels the work.
using Progress = std::function<void(u64 done, u64 total)>;

// Compacts a member in place. Objects of Dict and List on it stay valid; their views, positions and blocks do not.
// Cost: an insertion an entry, and the live bytes once more on disk until the next checkpoint. Commits what is pending.
// Errors: StateError in a transaction; SystemError, DamagedError, what `progress` throws: nothing has changed.
void compact(Store& store, Member& member, const Progress& progress);

// Writes a compacted copy of the whole store into a new one at `target`, a directory that does not exist or is empty,
// and that has the copy when it is whole. `files`: the disk of the target; null: the real one.
// Errors: as above; SnapshotError beside a writer that did not wait so long. Nothing is left of the copy then.
void compact_to(Store& store, const std::string& target, const Progress& progress,
                std::shared_ptr<platform::FileSystem> files = nullptr);

}  // namespace emd
