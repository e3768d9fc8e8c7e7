#include "store/target_directory.h"

#include <cerrno>

#include "base/errors.h"

namespace emd {

TargetDirectory::TargetDirectory(std::shared_ptr<platform::FileSystem> files, const std::string& path)
    : files_(std::move(files)),
      path_(path),
      was_there_(files_->exists(path)),
      directory_(files_->open_directory(path, true)) {
  if (directory_->list().empty()) return;
  throw SystemError(ENOTEMPTY, "expected a directory that is empty or does not exist", path);
}

TargetDirectory::~TargetDirectory() {
  if (kept_) return;
  try {
    for (const std::string& name : directory_->list()) directory_->remove(name);
    if (!was_there_) files_->remove_directory(path_);
  } catch (const Error&) {
    // What cannot be removed stays: there is no superblock, or the copy failed for the same reason.
  }
}

}  // namespace emd
