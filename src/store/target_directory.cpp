// TargetDirectory: the work beside the place, and its removal if the copy does not come to its end.
#include "store/target_directory.h"

#include "base/errors.h"
#include "store/superblock.h"

namespace emd {
namespace {

// Of a file that others cannot reach, since they may not enter the directory, they get no copy that they can.
platform::Permissions of_copy(platform::Directory& source) {
  platform::Permissions files = source.permissions(kSuperblockName);
  files.mode &= 7 * (source.permissions().mode & 0111);
  files.mode |= 0600;  // whoever makes it can read and write it
  files.masked = true;
  files.owner = platform::Permissions::kOwn;
  return files;
}

}  // namespace

TargetDirectory::TargetDirectory(platform::FileSystem& files, const std::string& path,
                                 const std::string& doing, const platform::Permissions& permissions, u32 mode)
    : directory_(files.make_directory(path, doing, permissions, mode)) {}

TargetDirectory::TargetDirectory(platform::FileSystem& files, const std::string& path,
                                 const std::string& doing, platform::Directory& source)
    : TargetDirectory(files, path, doing, of_copy(source), source.permissions().mode | 0700) {}

TargetDirectory::~TargetDirectory() { discard(); }

void TargetDirectory::discard() noexcept {
  try {
    directory_->discard();
  } catch (const Error&) {
    // The disk that the copy could not be written to may not let it be removed either.
  } catch (const std::bad_alloc&) {
  }
}

}  // namespace emd
