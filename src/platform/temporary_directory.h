// TemporaryDirectory: a directory with a new name, removed with all that is in it when its owner goes. A forked child
// leaves its parent's alone.
#pragma once

#include <string>

namespace emd::platform {

class TemporaryDirectory {
 public:
  // Makes `prefix` and some random characters in the directory `parent`. Errors: SystemError.
  TemporaryDirectory(const std::string& parent, const std::string& prefix);
  // What cannot be removed stays.
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
  int process_;
};

}  // namespace emd::platform
