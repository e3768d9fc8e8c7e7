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
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "platform/fork_guard.h"
#include "platform/linux_open.h"
#include "platform/linux_permissions.h"
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
  // Of the store's directory.
  using Identity = std::pair<dev_t, ino_t>;
  static Identity identify(const DirectoryHandle& directory) {
    struct stat status;
    if (::fstat(directory.descriptor, &status) != 0) throw_errno("fstat", directory.path);
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

// A follower's has no file.
class LinuxLock : public Lock {
 public:
  LinuxLock(int fd, LockKind kind, OpenStores::Identity identity, bool follows_a_crash)
      : fd_(fd), kind_(kind), identity_(identity), follows_a_crash_(follows_a_crash), child_closes_(fd) {}
  int descriptor() const { return fd_; }
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

// Of bytes of a file. The writer's is of those that name it; the numbered ones lie behind.
struct flock lock_request(int type, u64 begin, u64 length) {
  struct flock request = {};
  request.l_type = static_cast<short>(type);
  request.l_whence = SEEK_SET;
  request.l_start = static_cast<off_t>(begin);
  request.l_len = static_cast<off_t>(length);
  return request;
}

// False if another open file has a lock in the way.
bool set_lock(int fd, struct flock request, const std::string& path) {
  if (::fcntl(fd, F_OFD_SETLK, &request) == 0) return true;
  if (errno != EAGAIN && errno != EACCES) throw_errno("lock", path);
  return false;
}

bool is_in_the_way(int fd, struct flock request, const std::string& path) {
  if (::fcntl(fd, F_OFD_GETLK, &request) != 0) throw_errno("lock", path);
  return request.l_type != F_UNLCK;
}

bool try_lock(int fd, LockKind kind, const std::string& path) {
  return set_lock(fd, lock_request(kind == LockKind::writer ? F_WRLCK : F_RDLCK, 0, kHolderBytes), path);
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

// -1 if a reader finds none. A writer makes it, in a way that at no moment anybody else than a writer may read it.
int open_lock_file(const DirectoryHandle& directory, const std::string& name, bool writer) {
  const std::string path = directory.path + "/" + name;
  for (;;) {
    const int fd = open_regular(directory.descriptor, name.c_str(), writer ? O_RDWR : O_RDONLY, path);
    if (fd >= 0) {
      if (writer) narrow_lock(fd);
      return fd;
    }
    if (errno != ENOENT) throw_errno("open", path);
    if (!writer) return -1;
    Descriptor made{open_regular(directory.descriptor, name.c_str(), O_RDWR | O_CREAT | O_EXCL, path,
                                 creation_mode(directory.new_files, FileUse::lock))};
    if (made.fd >= 0) {
      settle_permissions(made.fd, directory.new_files, path, FileUse::lock);
      return made.release();
    }
    if (errno != EEXIST) throw_errno("create", path);  // else another writer was faster
  }
}

}  // namespace

std::unique_ptr<Lock> take_lock(const DirectoryHandle& directory, const std::string& name, LockKind kind,
                                const Patience& patience) {
  const bool writer = kind == LockKind::writer;
  const std::string path = directory.path + "/" + name;
  Descriptor file{kind == LockKind::follower ? -1 : open_lock_file(directory, name, writer)};
  if (kind == LockKind::reader && file.fd < 0) return nullptr;
  const OpenStores::Identity identity = OpenStores::identify(directory);
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
  // `locks`: the lock file's descriptor, -1 where this process may not use it. A writer's is its lock's.
  LinuxSharedPage(int fd, u8* data, u64 identity, int locks, bool owns_locks, std::string path)
      : data_(data), identity_(identity), locks_(locks), path_(std::move(path)), child_closes_page_(fd) {
    if (owns_locks) child_closes_locks_.emplace(locks);
  }
  ~LinuxSharedPage() override {
    if (child_closes_page_.owned()) ::munmap(data_, kPageSize);
  }
  u8* data() override { return data_; }
  u64 identity() const override { return identity_; }
  bool writable() const override { return locks_ >= 0; }
  bool try_lock(unsigned number) override { return set_lock(locks_, numbered(F_WRLCK, number), path_); }
  void unlock(unsigned number) override {
    struct flock request = numbered(F_UNLCK, number);
    (void)::fcntl(locks_, F_OFD_SETLK, &request);
  }
  bool locked_by_another(unsigned number) override {
    return is_in_the_way(locks_, numbered(F_WRLCK, number), path_);
  }

 private:
  static struct flock numbered(int type, unsigned number) {
    return lock_request(type, kHolderBytes + number, 1);
  }
  u8* data_;
  u64 identity_;
  int locks_;
  std::string path_;
  ChildCloses child_closes_page_;
  std::optional<ChildCloses> child_closes_locks_;
};

u64 identity_of(const struct stat& status) {
  const u64 parts[] = {boot_identity(), status.st_dev, status.st_ino};
  return parts[0] == 0 ? 0 : hash64({reinterpret_cast<const u8*>(parts), sizeof parts}, 0) | 1;
}

// The byte of the page that a writer has a shared lock of: another's cannot hide it.
struct flock presence(int type) {
  return lock_request(type, 0, 1);
}

bool is_refused(int error) { return error == EACCES || error == EROFS || error == EPERM; }

int descriptor_of(const Lock& lock) {
  const auto* const own = dynamic_cast<const LinuxLock*>(&lock);
  return own == nullptr ? -1 : own->descriptor();
}

// A file that a writer makes if it is missing.
int open_page(const DirectoryHandle& directory, const std::string& name, const std::string& path) {
  const int fd = open_regular(directory.descriptor, name.c_str(), O_RDWR, path);
  if (fd >= 0 || errno != ENOENT) return fd;
  Descriptor made{open_regular(directory.descriptor, name.c_str(), O_RDWR | O_CREAT | O_EXCL, path,
                               creation_mode(directory.new_files))};
  if (made.fd >= 0) settle_permissions(made.fd, directory.new_files, path);
  return made.release();
}

}  // namespace

std::unique_ptr<SharedPage> map_shared_page(const DirectoryHandle& directory, const std::string& name,
                                            const std::string& locks, const Lock* writer) {
  const std::string path = directory.path + "/" + name;
  bool writable = true;
  Descriptor file{writer != nullptr ? open_page(directory, name, path)
                                    : open_regular(directory.descriptor, name.c_str(), O_RDWR, path)};
  if (file.fd < 0 && writer == nullptr && is_refused(errno)) {
    writable = false;
    file.fd = open_regular(directory.descriptor, name.c_str(), O_RDONLY, path);
  }
  if (file.fd < 0 && errno == ENOENT && writer == nullptr) return nullptr;
  if (file.fd < 0) throw_errno("open", path);
  struct stat status;
  if (::fstat(file.fd, &status) != 0) throw_errno("fstat", path);
  if (static_cast<u64>(status.st_size) < kPageSize) {
    if (writer == nullptr) return nullptr;
    // Real blocks: a store through the mapping must not meet a full disk.
    if (const int error = ::posix_fallocate(file.fd, 0, kPageSize)) throw_errno("fallocate", path, error);
  }
  Descriptor lock_file{-1};
  if (writer != nullptr) {
    if (!set_lock(file.fd, presence(F_RDLCK), path)) throw_errno("lock", path, EAGAIN);
  } else if (writable) {
    lock_file.fd = open_regular(directory.descriptor, locks.c_str(), O_RDWR, directory.path + "/" + locks);
    if (lock_file.fd < 0 && errno != ENOENT && !is_refused(errno)) throw_errno("open", locks);
  }
  void* const data =
      ::mmap(nullptr, kPageSize, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED, file.fd, 0);
  if (data == MAP_FAILED) throw_errno("mmap", path);
  const bool owns_locks = lock_file.fd >= 0;
  const int descriptor = writer != nullptr ? descriptor_of(*writer) : lock_file.release();
  return std::make_unique<LinuxSharedPage>(file.release(), static_cast<u8*>(data), identity_of(status),
                                           descriptor, owns_locks, path);
}

bool is_writer_present(const DirectoryHandle& directory, const std::string& name) {
  const std::string path = directory.path + "/" + name;
  const Descriptor file{open_regular(directory.descriptor, name.c_str(), O_RDONLY, path)};
  if (file.fd < 0 && errno == ENOENT) return false;
  if (file.fd < 0) throw_errno("open", path);
  return is_in_the_way(file.fd, presence(F_WRLCK), path);
}

}  // namespace emd::platform
