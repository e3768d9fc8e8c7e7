// TemporaryDirectory: a new name for a directory, which is removed with all that is in it, if it was made, when the
// owner of the name goes. A forked child
// leaves its parent's alone.
#pragma once

#include <string>

namespace emd::platform {

class TemporaryDirectory {
 public:
  // `prefix` and 64 random bits, in the directory `parent`. Nothing is made.
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
