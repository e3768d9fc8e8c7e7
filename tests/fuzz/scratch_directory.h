// A directory in memory for a fuzzing process, so that syncing costs nothing. A process that dies leaves it behind: the
// next one removes what belongs to no living process.
#pragma once

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <filesystem>
#include <string>

#include "support/fast_directory.h"

namespace emd::fuzz {

class ScratchDirectory {
 public:
  ScratchDirectory() {
    namespace fs = std::filesystem;
    const fs::path root = fast_directory();
    for (const fs::directory_entry& entry : fs::directory_iterator(root)) remove_if_stale(entry.path());
    path_ = root / (kPrefix + std::to_string(::getpid()));
    fs::remove_all(path_);
    fs::create_directory(path_);
  }
  ~ScratchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  std::string path(const std::string& name) const { return (path_ / name).string(); }

 private:
  static inline const std::string kPrefix = "emd-fuzz-";

  static void remove_if_stale(const std::filesystem::path& path) {
    const std::string name = path.filename().string();
    if (!name.starts_with(kPrefix)) return;
    pid_t process = 0;
    std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), process);
    if (process <= 0 || ::kill(process, 0) == 0 || errno != ESRCH) return;
    std::error_code ignored;  // another process may be removing it too
    std::filesystem::remove_all(path, ignored);
  }

  std::filesystem::path path_;
};

}  // namespace emd::fuzz
