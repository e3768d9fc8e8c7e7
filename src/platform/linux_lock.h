// The writer's lock: an open-file-description lock on a file that names its holder. And the page that processes share.
//
// Whoever may read a file may hold a shared lock on it, for ever. So what a writer has to lock for itself lies on the
// lock file, which only those may read that may write: the writer's own lock, and those of the readers that make it
// wait. On the page, which all readers can read, there is but the writer's shared lock that shows that it is there.
#pragma once

#include <memory>
#include <string>

#include "platform/linux_directory.h"

namespace emd::platform {

// As the calls of Directory.
std::unique_ptr<Lock> take_lock(const DirectoryHandle& directory, const std::string& name, LockKind kind,
                                const Patience& patience);
std::unique_ptr<SharedPage> map_shared_page(const DirectoryHandle& directory, const std::string& name,
                                            const std::string& locks, const Lock* writer);
bool is_writer_present(const DirectoryHandle& directory, const std::string& name);

}  // namespace emd::platform
