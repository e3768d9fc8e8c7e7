// Opening of regular files on Linux: the type is looked at after the open, which does not wait.
#include "platform/linux_open.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "platform/system_error.h"

namespace emd::platform {
namespace {

const char* name_of_type(mode_t mode) {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISSOCK(mode)) return "a socket";
  if (S_ISLNK(mode)) return "a symbolic link";
  return "a device";
}

[[noreturn]] void refuse(const std::string& path, mode_t mode) {
  throw DamagedError(path + ": expected a regular file, found " + name_of_type(mode) +
                         "; put the store's own file back, or restore the store from a backup",
                     path);
}

}  // namespace

int open_regular(int directory, const char* name, int flags, const std::string& path, unsigned mode) {
  const int fd = ::openat(directory, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, mode);
  struct stat status;
  if (fd < 0) {
    const int error = errno;
    const bool there = ::fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0;
    if (there && !S_ISREG(status.st_mode)) refuse(path, status.st_mode);
    errno = error;
    return -1;
  }
  const bool told = ::fstat(fd, &status) == 0;
  if (told && S_ISREG(status.st_mode)) return fd;
  const int error = errno;
  ::close(fd);
  if (!told) throw_errno("fstat", path, error);
  refuse(path, status.st_mode);
}

}  // namespace emd::platform
