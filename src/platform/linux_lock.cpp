// The lock file's first 2 KiB name the last writer as text. The lock itself is the kernel's and dies
// with the process, so a stale file is no obstacle.
#include "platform/linux_lock.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>

#include "base/bytes.h"
#include "platform/fork_guard.h"
#include "platform/mapping.h"
#include "platform/system_error.h"

namespace emd::platform {
namespace {

constexpr std::size_t kHolderBytes = 2048;

class LinuxLock : public Lock {
 public:
  LinuxLock(int fd, LockKind kind, bool follows_a_crash)
      : fd_(fd), kind_(kind), follows_a_crash_(follows_a_crash), child_closes_(fd) {}
  ~LinuxLock() override {
    if (child_closes_.owned()) ::close(fd_);
  }
  bool follows_a_crash() const override { return follows_a_crash_; }
  // The name goes; one left by a crash is told from a holder by the lock itself.
  void end_in_order() override {
    if (kind_ == LockKind::writer && child_closes_.owned()) (void)!::pwrite(fd_, "", 1, 0);
  }

 private:
  int fd_;
  LockKind kind_;
  bool follows_a_crash_;
  ChildCloses child_closes_;
};

// Closes on the way out of a failed attempt.
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
  int release() { return std::exchange(fd, -1); }
};

std::string command_of_self() {
  std::ifstream in("/proc/self/cmdline", std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(in)), {});
  std::replace(text.begin(), text.end(), '\0', ' ');
  return text.substr(0, 200);
}

// "pid 123 (python job.py)", printable; empty if no writer has the lock, or was cut off with it.
std::string read_holder(int fd) {
  std::array<char, kHolderBytes> text{};
  const ssize_t n = ::pread(fd, text.data(), text.size(), 0);
  std::string holder(text.data(), n > 0 ? ::strnlen(text.data(), static_cast<std::size_t>(n)) : 0);
  std::erase_if(holder, [](char c) { return c < ' '; });
  return holder;
}

bool try_lock(int fd, LockKind kind, const std::string& path) {
  struct flock request = {};
  request.l_type = kind == LockKind::writer ? F_WRLCK : F_RDLCK;
  request.l_whence = SEEK_SET;
  if (::fcntl(fd, F_OFD_SETLK, &request) == 0) return true;
  if (errno != EAGAIN && errno != EACCES) throw_errno("lock", path);
  return false;
}

void write_holder(int fd, const std::string& path) {
  std::array<char, kHolderBytes> text{};
  const std::string holder = "pid " + std::to_string(::getpid()) + " (" + command_of_self() + ")";
  std::copy_n(holder.begin(), std::min(holder.size(), kHolderBytes - 1), text.begin());
  if (::pwrite(fd, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
    throw_errno("write", path);
}

// The window relies on untouched private pages showing later writes to the file. Linux's page cache does so
// on local filesystems; on one that does not, refuse.
void probe_private_mapping(int fd, const std::string& path) {
  void* const page = ::mmap(nullptr, kPageSize, PROT_READ, MAP_PRIVATE, fd, 0);
  if (page == MAP_FAILED) throw_errno("mmap", path);
  const u8 before = static_cast<volatile u8*>(page)[kHolderBytes - 1];
  const u8 other = static_cast<u8>(before ^ 1);
  const bool written = ::pwrite(fd, &other, 1, kHolderBytes - 1) == 1;
  const u8 after = static_cast<volatile u8*>(page)[kHolderBytes - 1];
  ::munmap(page, kPageSize);
  if (!written) throw_errno("write", path);
  if (after != other) {
    throw SystemError(EOPNOTSUPP,
                      "this filesystem does not show file writes in private mappings; use a local one", path);
  }
}

// Waits for the lock; throws LockedError after the time-out, at once if this very process holds it.
void wait_for_lock(int fd, const std::string& path, LockKind kind, double timeout_seconds) {
  const double deadline = coarse_seconds() + timeout_seconds;
  const std::string self = "pid " + std::to_string(::getpid()) + " ";
  while (!try_lock(fd, kind, path)) {
    const std::string holder = read_holder(fd);
    const bool by_us = holder.starts_with(self);
    if (by_us || coarse_seconds() >= deadline) {
      throw LockedError("the store is already open in " +
                            (by_us            ? "this process, " + holder
                             : holder.empty() ? "another process, for reading"
                                              : holder) +
                            "; close it there first",
                        path);
    }
    ::usleep(5000);
  }
}

}  // namespace

std::unique_ptr<Lock> take_lock(int directory, const std::string& path, const std::string& name,
                                LockKind kind, double timeout_seconds) {
  const bool writer = kind == LockKind::writer;
  Descriptor file{::openat(directory, name.c_str(),
                           (writer ? O_RDWR | O_CREAT : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW, 0666)};
  if (file.fd < 0 && errno == ENOENT && !writer) return nullptr;
  if (file.fd < 0) throw_errno("open", path);
  wait_for_lock(file.fd, path, kind, timeout_seconds);
  const bool follows_a_crash = writer && !read_holder(file.fd).empty();
  if (writer) {
    write_holder(file.fd, path);
    probe_private_mapping(file.fd, path);
  }
  return std::make_unique<LinuxLock>(file.release(), kind, follows_a_crash);
}

}  // namespace emd::platform
