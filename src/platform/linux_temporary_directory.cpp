// A temporary directory is removed with all that is in it; what cannot be removed is left.
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "platform/random.h"
#include "platform/temporary_directory.h"

namespace emd::platform {

TemporaryDirectory::TemporaryDirectory(const std::string& parent, const std::string& prefix)
    : process_(::getpid()) {
  char name[17];
  (void)std::snprintf(name, sizeof name, "%016llx", static_cast<unsigned long long>(random_bits()));
  path_ = parent + "/" + prefix + name;
}

TemporaryDirectory::~TemporaryDirectory() {
  if (process_ != ::getpid()) return;
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace emd::platform
