// Permissions on Linux: what a new file is created with, and what is settled after that whatever the umask was.
#include "platform/linux_permissions.h"

#include <unistd.h>

#include "platform/system_error.h"

namespace emd::platform {
namespace {

mode_t of_lock(mode_t mode) { return (mode & 0222) | (mode & 0222) << 1; }

// Filesystems without owners and modes refuse, and so does the system whoever is not the owner.
bool is_refusal(int error) {
  return error == EPERM || error == EACCES || error == EINVAL || error == ENOSYS || error == EOPNOTSUPP ||
         error == EROFS;
}

void give(int fd, uid_t owner, gid_t group, const std::string& path) {
  if (::fchown(fd, owner, group) != 0 && !is_refusal(errno)) throw_errno("fchown", path);
}

}  // namespace

mode_t creation_mode(const Permissions& permissions, FileUse use) {
  const mode_t mode = permissions.masked ? permissions.mode : permissions.mode & 0700;
  return use == FileUse::lock ? mode & 0222 : mode;
}

void settle_permissions(int fd, const Permissions& permissions, const std::string& path, FileUse use) {
  struct stat status;
  if (::fstat(fd, &status) != 0) throw_errno("fstat", path);
  constexpr u32 kOwn = Permissions::kOwn;
  // Each for itself: who may not give files away may still give them to a group of his.
  if (permissions.owner != kOwn && permissions.owner != status.st_uid)
    give(fd, permissions.owner, static_cast<gid_t>(-1), path);
  if (permissions.group != kOwn && permissions.group != status.st_gid) {
    give(fd, static_cast<uid_t>(-1), permissions.group, path);
    if (::fstat(fd, &status) != 0) throw_errno("fstat", path);
  }
  // A directory may have inherited that it hands on its group.
  const mode_t present = status.st_mode & 07777, special = status.st_mode & 07000;
  mode_t mode = permissions.masked ? present : permissions.mode | special;
  if (use == FileUse::lock) mode = of_lock(mode) | special;
  const bool other_group = permissions.group != kOwn && permissions.group != status.st_gid;
  if (other_group) mode &= ~mode_t{070} | (mode & 07) << 3;
  if (mode != present && ::fchmod(fd, mode) != 0 && !is_refusal(errno)) throw_errno("fchmod", path);
}

void narrow_lock(int fd) {
  struct stat status;
  if (::fstat(fd, &status) != 0) return;
  const mode_t mode = status.st_mode & 0777;
  if ((mode & ~of_lock(mode)) != 0) (void)!::fchmod(fd, mode & of_lock(mode));
}

Permissions permissions_of(const struct stat& status) {
  return {status.st_mode & 07777, false, status.st_uid, status.st_gid};
}

}  // namespace emd::platform
