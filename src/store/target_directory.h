// TargetDirectory: the directory that a copy of a store is written into: new or empty, and as it was if the copy fails.
#pragma once

#include <memory>
#include <string>

#include "platform/file.h"

namespace emd {

class TargetDirectory {
 public:
  // Makes it if it is missing. Errors: SystemError; ENOTEMPTY if there is something in it.
  TargetDirectory(std::shared_ptr<platform::FileSystem> files, const std::string& path);
  // Removes what is in it, unless it was kept.
  ~TargetDirectory();
  TargetDirectory(const TargetDirectory&) = delete;
  TargetDirectory& operator=(const TargetDirectory&) = delete;

  platform::Directory& get() { return *directory_; }
  void keep() { kept_ = true; }

 private:
  std::shared_ptr<platform::FileSystem> files_;
  std::string path_;
  bool was_there_;
  std::unique_ptr<platform::Directory> directory_;
  bool kept_ = false;
};

}  // namespace emd
