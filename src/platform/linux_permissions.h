// Mode, owner and group of files that are made: as SQLite keeps them, so that a store's files stay its users' whoever
// writes it, under whatever umask.
#pragma once

#include <sys/stat.h>

#include "platform/file.h"

namespace emd::platform {

// What a file is locked through is for those that may write it: who may read it may hold a lock on it, too.
enum class FileUse { data, lock };

// For open(): never wider than what settle_permissions() makes of it.
mode_t creation_mode(const Permissions& permissions, FileUse use = FileUse::data);
// Gives a file that has just been made with that mode, or a directory made with `permissions.mode`, what it shall have.
// What the system refuses leaves it narrower. Errors: SystemError.
void settle_permissions(int fd, const Permissions& permissions, const std::string& path,
                        FileUse use = FileUse::data);
// A lock file made by others.
void narrow_lock(int fd);
Permissions permissions_of(const struct stat& status);

}  // namespace emd::platform
