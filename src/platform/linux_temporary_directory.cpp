#include <stdlib.h>
#include <unistd.h>

#include <filesystem>

#include "platform/system_error.h"
#include "platform/temporary_directory.h"

namespace emd::platform {

// Other systems: without mkdtemp, a random name and mkdir until it is new.
TemporaryDirectory::TemporaryDirectory(const std::string& parent, const std::string& prefix)
    : path_(parent + "/" + prefix + "XXXXXX"), process_(::getpid()) {
  if (::mkdtemp(path_.data()) == nullptr) throw_errno("mkdtemp", parent);
}

TemporaryDirectory::~TemporaryDirectory() {
  if (process_ != ::getpid()) return;
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace emd::platform
