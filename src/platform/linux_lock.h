// The writer's lock: an open-file-description lock on a file that names its holder. And the page that processes share.
#pragma once

#include <memory>
#include <string>

#include "platform/file.h"

namespace emd::platform {

// `directory` is the descriptor of the directory that holds `name`; `path` is for messages.
std::unique_ptr<Lock> take_lock(int directory, const std::string& path, const std::string& name,
                                LockKind kind, const Patience& patience);

bool is_writer_present(int directory, const std::string& path, const std::string& name);

std::unique_ptr<SharedPage> map_shared_page(int directory, const std::string& path, const std::string& name,
                                            bool create);

}  // namespace emd::platform
