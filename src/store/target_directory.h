// TargetDirectory: the directory that a copy of a store is written into: at its place whole, or not at all.
//
// It is made beside its place, and moved there when the copy is whole and durable. So whatever is at the place stays,
// of a copy that fails nothing stays, and one that is killed leaves a directory whose name says what it was.
#pragma once

#include <memory>
#include <string>

#include "platform/file.h"

namespace emd {

class TargetDirectory {
 public:
  // For files with these permissions in a directory that has `mode` at most. `doing` becomes a part of its name.
  // Errors: SystemError; EEXIST unless the place is free, or an empty directory.
  TargetDirectory(platform::FileSystem& files, const std::string& path, const std::string& doing,
                  const platform::Permissions& permissions, u32 mode = 0777);
  // For a copy of the store in `source`, which nobody may use who may not use that.
  TargetDirectory(platform::FileSystem& files, const std::string& path, const std::string& doing,
                  platform::Directory& source);
  // Removes it, unless it was kept.
  ~TargetDirectory();
  TargetDirectory(const TargetDirectory&) = delete;
  TargetDirectory& operator=(const TargetDirectory&) = delete;

  std::shared_ptr<platform::Directory> get() { return directory_->directory(); }
  // Moves it to its place. Precondition: what is in it is durable. Errors: SystemError; EEXIST if something has come
  // there meanwhile.
  void keep() { directory_->move_to_its_place(); }
  // Does not fail: what cannot be removed stays.
  void discard() noexcept;

 private:
  std::unique_ptr<platform::NewDirectory> directory_;
};

}  // namespace emd
