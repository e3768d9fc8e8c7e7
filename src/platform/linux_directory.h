// What a directory's files share on Linux: its descriptor.
#pragma once

#include <unistd.h>

#include <memory>
#include <string>
#include <utility>

#include "platform/file.h"

namespace emd::platform {

struct DirectoryHandle {
  DirectoryHandle(int fd, std::string where, bool kept)
      : descriptor(fd), path(std::move(where)), durable(kept) {}
  ~DirectoryHandle() { ::close(descriptor); }
  DirectoryHandle(const DirectoryHandle&) = delete;
  DirectoryHandle& operator=(const DirectoryHandle&) = delete;
  const int descriptor;
  const std::string path;
  const bool durable;  // else nothing in it is synced
  Permissions new_files;
};

// Errors: as of Directory::open().
std::unique_ptr<File> open_file(std::shared_ptr<DirectoryHandle> directory, const std::string& name,
                                Directory::Open how);
std::unique_ptr<Directory> open_directory(std::shared_ptr<DirectoryHandle> handle);
std::unique_ptr<NewDirectory> make_directory(const std::string& path, const std::string& doing,
                                             const Permissions& files, u32 mode, bool durable);
// Makes the names in a directory durable. `what`: it, or a name by which it is found from there. One that may not be
// read cannot be synced.
void sync_names(int directory, const char* what, const std::string& path);

}  // namespace emd::platform
