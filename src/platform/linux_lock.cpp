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
#include <mutex>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "platform/fork_guard.h"
#include "platform/linux_open.h"
#include "platform/mapping.h"
#include "platform/system_error.h"

namespace emd::platform {
namespace {

constexpr std::size_t kHolderBytes = 2048;

// The stores that this process has open: locks between processes say nothing within one that follows without a lock.
// A forked child begins with none.
class OpenStores {
 public:
  static OpenStores& instance() {
    static auto* const stores = new OpenStores;
    return *stores;
  }
  OpenStores() { hold_over_fork(mutex_); }
  // The file of a store's lock.
  using Identity = std::pair<dev_t, ino_t>;
  static Identity identify(int fd, const std::string& path) {
    struct stat status;
    if (::fstat(fd, &status) != 0) throw_errno("fstat", path);
    return {status.st_dev, status.st_ino};
  }
  // A writer is alone, others may be many. False if that is not so.
  bool enter(Identity identity, LockKind kind) {
    const std::lock_guard hold(mutex_);
    begin();
    const auto same = [&](const auto& one) { return one.first == identity; };
    const auto clash = [&](const auto& one) {
      return same(one) && (kind == LockKind::writer || one.second == LockKind::writer);
    };
    if (std::any_of(open_.begin(), open_.end(), clash)) return false;
    open_.emplace_back(identity, kind);
    return true;
  }
  void leave(Identity identity, LockKind kind) {
    const std::lock_guard hold(mutex_);
    begin();
    const auto found = std::find(open_.begin(), open_.end(), std::pair{identity, kind});
    if (found != open_.end()) open_.erase(found);
  }

 private:
  void begin() {
    if (process_ == ::getpid()) return;
    process_ = ::getpid();
    open_.clear();
  }
  std::mutex mutex_;
  pid_t process_ = 0;
  std::vector<std::pair<Identity, LockKind>> open_;
};

class LinuxLock : public Lock {
 public:
  LinuxLock(int fd, LockKind kind, OpenStores::Identity identity, bool follows_a_crash)
      : fd_(fd), kind_(kind), identity_(identity), follows_a_crash_(follows_a_crash), child_closes_(fd) {}
  ~LinuxLock() override {
    if (child_closes_.owned()) OpenStores::instance().leave(identity_, kind_);
  }
  bool follows_a_crash() const override { return follows_a_crash_; }
  // The name goes; one left by a crash is told from a holder by the lock itself.
  void end_in_order() override {
    if (kind_ == LockKind::writer && child_closes_.owned()) (void)!::pwrite(fd_, "", 1, 0);
  }

 private:
  int fd_;
  LockKind kind_;
  OpenStores::Identity identity_;
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

const std::string& command_of_self() {
  static const auto* const command = [] {
    std::ifstream in("/proc/self/cmdline", std::ios::binary);
    std::string text((std::istreambuf_iterator<char>(in)), {});
    std::replace(text.begin(), text.end(), '\0', ' ');
    return new std::string(text.substr(0, 200));  // never destroyed: see OpenStores
  }();
  return *command;
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

// Waits for the lock; throws LockedError when patience is over.
void wait_for_lock(int fd, const std::string& path, LockKind kind, const Patience& patience) {
  while (!try_lock(fd, kind, path)) {
    if (patience.over()) {
      const std::string holder = read_holder(fd);
      throw LockedError("the store is already open in " +
                            (holder.empty() ? "another process, for reading" : holder) +
                            "; close it there first",
                        path);
    }
    patience.pause(std::chrono::milliseconds(5));
  }
}

}  // namespace

std::unique_ptr<Lock> take_lock(int directory, const std::string& path, const std::string& name,
                                LockKind kind, const Patience& patience) {
  const bool writer = kind == LockKind::writer;
  Descriptor file{open_regular(directory, name.c_str(), writer ? O_RDWR | O_CREAT : O_RDONLY, path)};
  if (file.fd < 0 && errno == ENOENT && !writer) return nullptr;
  if (file.fd < 0) throw_errno("open", path);
  const OpenStores::Identity identity = OpenStores::identify(file.fd, path);
  if (!OpenStores::instance().enter(identity, kind)) {
    throw LockedError("the store is already open in this process" +
                          std::string(writer ? "" : ", for writing") +
                          "; close it there first, or use that object",
                      path);
  }
  try {
    if (kind != LockKind::follower) wait_for_lock(file.fd, path, kind, patience);
    const bool follows_a_crash = writer && !read_holder(file.fd).empty();
    if (writer) {
      write_holder(file.fd, path);
      probe_private_mapping(file.fd, path);
    }
    return std::make_unique<LinuxLock>(file.release(), kind, identity, follows_a_crash);
  } catch (...) {
    OpenStores::instance().leave(identity, kind);
    throw;
  }
}

bool is_writer_present(int directory, const std::string& path, const std::string& name) {
  const Descriptor file{open_regular(directory, name.c_str(), O_RDONLY, path)};
  if (file.fd < 0 && errno == ENOENT) return false;
  if (file.fd < 0) throw_errno("open", path);
  struct flock request = {};
  request.l_type = F_RDLCK;
  request.l_whence = SEEK_SET;
  if (::fcntl(file.fd, F_OFD_GETLK, &request) != 0) throw_errno("lock", path);
  return request.l_type != F_UNLCK;
}

// ---- The shared page

namespace {

// Tells one start of the machine from another, not zero; zero where nobody can say.
u64 boot_identity() {
  static const u64 identity = [] {
    std::ifstream in("/proc/sys/kernel/random/boot_id");
    std::string text;
    in >> text;
    return text.empty() ? 0 : hash64(as_bytes(text), 0) | 1;
  }();
  return identity;
}

class LinuxSharedPage : public SharedPage {
 public:
  LinuxSharedPage(int fd, u8* data, u64 identity, bool writable, std::string path)
      : fd_(fd),
        data_(data),
        identity_(identity),
        writable_(writable),
        path_(std::move(path)),
        child_closes_(fd) {}
  ~LinuxSharedPage() override {
    if (child_closes_.owned()) ::munmap(data_, kPageSize);
  }
  u8* data() override { return data_; }
  u64 identity() const override { return identity_; }
  bool writable() const override { return writable_; }
  bool try_lock(unsigned byte) override {
    struct flock request = one_byte(F_WRLCK, byte);
    if (::fcntl(fd_, F_OFD_SETLK, &request) == 0) return true;
    if (errno != EAGAIN && errno != EACCES) throw_errno("lock", path_);
    return false;
  }
  void unlock(unsigned byte) override {
    struct flock request = one_byte(F_UNLCK, byte);
    (void)::fcntl(fd_, F_OFD_SETLK, &request);
  }
  bool locked_by_another(unsigned byte) override {
    struct flock request = one_byte(F_WRLCK, byte);
    if (::fcntl(fd_, F_OFD_GETLK, &request) != 0) throw_errno("lock", path_);
    return request.l_type != F_UNLCK;
  }

 private:
  static struct flock one_byte(int type, unsigned byte) {
    struct flock request = {};
    request.l_type = static_cast<short>(type);
    request.l_whence = SEEK_SET;
    request.l_start = byte;
    request.l_len = 1;
    return request;
  }
  int fd_;
  u8* data_;
  u64 identity_;
  bool writable_;
  std::string path_;
  ChildCloses child_closes_;
};

u64 identity_of(const struct stat& status) {
  const u64 parts[] = {boot_identity(), status.st_dev, status.st_ino};
  return parts[0] == 0 ? 0 : hash64({reinterpret_cast<const u8*>(parts), sizeof parts}, 0) | 1;
}

}  // namespace

std::unique_ptr<SharedPage> map_shared_page(int directory, const std::string& path, const std::string& name,
                                            bool create) {
  bool writable = true;
  Descriptor file{open_regular(directory, name.c_str(), O_RDWR | (create ? O_CREAT : 0), path)};
  if (file.fd < 0 && !create && (errno == EACCES || errno == EROFS || errno == EPERM)) {
    writable = false;
    file.fd = open_regular(directory, name.c_str(), O_RDONLY, path);
  }
  if (file.fd < 0 && errno == ENOENT && !create) return nullptr;
  if (file.fd < 0) throw_errno("open", path);
  struct stat status;
  if (::fstat(file.fd, &status) != 0) throw_errno("fstat", path);
  if (static_cast<u64>(status.st_size) < kPageSize) {
    if (!create) return nullptr;
    // Real blocks: a store through the mapping must not meet a full disk.
    if (const int error = ::posix_fallocate(file.fd, 0, kPageSize)) throw_errno("fallocate", path, error);
  }
  void* const data =
      ::mmap(nullptr, kPageSize, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED, file.fd, 0);
  if (data == MAP_FAILED) throw_errno("mmap", path);
  return std::make_unique<LinuxSharedPage>(file.release(), static_cast<u8*>(data), identity_of(status),
                                           writable, path);
}

}  // namespace emd::platform
