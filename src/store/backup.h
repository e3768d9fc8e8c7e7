// Backup: a consistent copy of a store's committed state, made from its files while a writer works.
//
// The files are copied as they are, page by page of whatever commit, while a slot in the reader table keeps the writer
// from restarting its journal. So the journal names every byte that has changed since the copying began. At the end a
// snapshot holds the state for a moment: what the files have grown by is copied, and the journal up to that state's
// commit. Recovery then makes the copy whole, as it does after a power cut ("fuzzy" copy and redo).
//
// Who may not write the reader table can hold nothing: then the copy counts only if no commit came in between.
//
// Threads: any; it works on the directory and not on a Store, and takes no lock that a writer would wait for.
#pragma once

#include <functional>
#include <string>

#include "store/store.h"

namespace emd {

// Copies the store in a directory (Store::directory()) to `target`, a directory that does not exist or is empty, and
// that has the copy when it is whole. `progress` is told bytes done and bytes in all, and cancels by throwing. Returns
// how many bytes were copied (or shared, where the filesystem can share blocks). Of `options` the file system counts,
// for the target. Cost: reads the store once; the journal grows meanwhile.
// Errors: SystemError, DamagedError, SnapshotError if the writer gave up waiting (it does so when its journal has
// grown by gigabytes), LockedError; nothing is left of the copy.
u64 backup(platform::Directory& source, const std::string& target, const StoreOptions& options,
           const std::function<void(u64 done, u64 total)>& progress);
// The same for the store at a path.
u64 backup(const std::string& path, const std::string& target, const StoreOptions& options,
           const std::function<void(u64 done, u64 total)>& progress);

}  // namespace emd
