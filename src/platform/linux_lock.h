// The writer's lock: an open-file-description lock on a file that names its holder.
#pragma once

#include <memory>
#include <string>

#include "platform/file.h"

namespace emd::platform {

// `directory` is the descriptor of the directory that holds `name`; `path` is for messages.
std::unique_ptr<Lock> take_lock(int directory, const std::string& path, const std::string& name,
                                LockKind kind, double timeout_seconds);

}  // namespace emd::platform
