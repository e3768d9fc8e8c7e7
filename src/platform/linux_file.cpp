// The real disk on Linux: files of a directory, opened by name relative to it, so that the directory may be
// renamed while in use. Descriptors are borrowed from a small cache: a store of a thousand members
// has thousands of files, and a descriptor is needed only for the length of a call.
//
// Other systems: openat, pread, pwrite and fdatasync are POSIX; fallocate with punch and zero is Linux's (macOS:
// F_PREALLOCATE and F_PUNCHHOLE, Windows: FSCTL_SET_ZERO_DATA); locks there are flock or LockFileEx.
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <dirent.h>

#include <algorithm>
#include <array>
#include <list>
#include <mutex>

#include "platform/file.h"
#include "platform/fork_guard.h"
#include "platform/linux_lock.h"
#include "platform/linux_open.h"
#include "platform/system_error.h"

namespace emd::platform {
namespace {

class LinuxFile;

// The open descriptors of all LinuxFiles, least recently used last.
class DescriptorCache {
 public:
  static DescriptorCache& instance() {
    static auto* const cache = new DescriptorCache;
    return *cache;
  }
  DescriptorCache() { hold_over_fork(mutex_); }
  // Flags for openat, where it is to be opened.
  int acquire(LinuxFile& file, int extra_flags);
  void release(LinuxFile& file);
  void forget(LinuxFile& file);

 private:
  static constexpr std::size_t kMaxOpen = 64;
  bool evict_one();

  std::mutex mutex_;
  std::list<LinuxFile*> open_;
};

// A directory's descriptor, shared by its files.
struct DirectoryHandle {
  DirectoryHandle(int fd, std::string where, bool kept)
      : descriptor(fd), path(std::move(where)), durable(kept) {}
  ~DirectoryHandle() { ::close(descriptor); }
  DirectoryHandle(const DirectoryHandle&) = delete;
  DirectoryHandle& operator=(const DirectoryHandle&) = delete;
  const int descriptor;
  const std::string path;
  const bool durable;  // else nothing in it is synced
};

class LinuxFile : public File {
 public:
  LinuxFile(std::shared_ptr<DirectoryHandle> directory, std::string name, bool writable)
      : directory_(std::move(directory)),
        name_(std::move(name)),
        path_(directory_->path + "/" + name_),
        writable_(writable) {}
  ~LinuxFile() override { DescriptorCache::instance().forget(*this); }

  const std::string& path() const override { return path_; }
  // Opens it, so that a missing file or permission is told now; makes it if it is to be created.
  void open(bool create);
  u64 size() override;
  void allocate(u64 offset, u64 length) override;
  void truncate(u64 size) override;
  u64 read(u64 offset, void* to, u64 length) override;
  void write(u64 offset, const void* from, u64 length) override;
  void sync() override;
  void punch(u64 offset, u64 length) override;
  void zero(u64 offset, u64 length) override;
  void copy_from(File& source, u64 offset, u64 length) override;
  bool clone_from(File& source) override;
  void will_need(u64 offset, u64 length) override;
  void let_go(u64 offset, u64 length) override;
  u64 allocated() override;
  Extent data_in(u64 offset, u64 end) override;
  void map(void* address, u64 offset, u64 length, Share share) override;

  // Opens the descriptor; -1 with errno set if that fails.
  int open_now(int extra_flags) {
    return open_regular(directory_->descriptor, name_.c_str(), (writable_ ? O_RDWR : O_RDONLY) | extra_flags,
                        path_);
  }

 private:
  friend class DescriptorCache;
  friend class Borrowed;
  void write_zeros(u64 offset, u64 length);
  void advise(u64 offset, u64 length, int advice);

  const std::shared_ptr<DirectoryHandle> directory_;
  const std::string name_;
  const std::string path_;
  const bool writable_;
  // Guarded by the cache's mutex.
  int descriptor_ = -1;
  int borrowers_ = 0;
  std::list<LinuxFile*>::iterator place_;
};

// A descriptor for the length of a call.
class Borrowed {
 public:
  explicit Borrowed(LinuxFile& file, int extra_flags = 0)
      : file_(file), fd_(DescriptorCache::instance().acquire(file, extra_flags)) {}
  ~Borrowed() { DescriptorCache::instance().release(file_); }
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;
  int get() const { return fd_; }

 private:
  LinuxFile& file_;
  int fd_;
};

int DescriptorCache::acquire(LinuxFile& file, int extra_flags) {
  const std::lock_guard hold(mutex_);
  if (file.descriptor_ >= 0) {
    open_.splice(open_.begin(), open_, file.place_);
  } else {
    while (open_.size() >= kMaxOpen && evict_one()) {
    }
    int fd = file.open_now(extra_flags);
    while (fd < 0 && (errno == EMFILE || errno == ENFILE) && evict_one()) fd = file.open_now(extra_flags);
    if (fd < 0) throw_errno((extra_flags & O_CREAT) != 0 ? "create" : "open", file.path_);
    file.descriptor_ = fd;
    open_.push_front(&file);
    file.place_ = open_.begin();
  }
  ++file.borrowers_;
  return file.descriptor_;
}

void DescriptorCache::release(LinuxFile& file) {
  const std::lock_guard hold(mutex_);
  --file.borrowers_;
}

bool DescriptorCache::evict_one() {
  const auto victim =
      std::find_if(open_.rbegin(), open_.rend(), [](LinuxFile* f) { return f->borrowers_ == 0; });
  if (victim == open_.rend()) return false;
  LinuxFile& file = **victim;
  ::close(file.descriptor_);
  file.descriptor_ = -1;
  open_.erase(file.place_);
  return true;
}

void DescriptorCache::forget(LinuxFile& file) {
  const std::lock_guard hold(mutex_);
  if (file.descriptor_ < 0) return;
  ::close(file.descriptor_);
  open_.erase(file.place_);
}

void LinuxFile::open(bool create) { const Borrowed fd(*this, create ? O_CREAT | O_EXCL : 0); }

u64 LinuxFile::size() {
  const Borrowed fd(*this);
  struct stat status;
  if (::fstat(fd.get(), &status) != 0) throw_errno("fstat", path_);
  return static_cast<u64>(status.st_size);
}

u64 LinuxFile::allocated() {
  const Borrowed fd(*this);
  struct stat status;
  if (::fstat(fd.get(), &status) != 0) throw_errno("fstat", path_);
  return static_cast<u64>(status.st_blocks) * 512;
}

void LinuxFile::allocate(u64 offset, u64 length) {
  {
    const Borrowed fd(*this);
    int result;
    do {
      result = ::fallocate(fd.get(), 0, static_cast<off_t>(offset), static_cast<off_t>(length));
    } while (result != 0 && errno == EINTR);
    if (result == 0) return;
    if (errno != EOPNOTSUPP && errno != ENOSYS) throw_errno("fallocate", path_);
  }
  // No fallocate on this filesystem: zeros written are blocks given. What is there must stay.
  const u64 present = size();
  if (offset + length > present) {
    const u64 from = std::max(offset, present);
    write_zeros(from, offset + length - from);
  }
}

void LinuxFile::truncate(u64 size) {
  const Borrowed fd(*this);
  int result;
  do {
    result = ::ftruncate(fd.get(), static_cast<off_t>(size));
  } while (result != 0 && errno == EINTR);
  if (result != 0) throw_errno("ftruncate", path_);
}

void LinuxFile::will_need(u64 offset, u64 length) { advise(offset, length, POSIX_FADV_WILLNEED); }
void LinuxFile::let_go(u64 offset, u64 length) { advise(offset, length, POSIX_FADV_DONTNEED); }

void LinuxFile::advise(u64 offset, u64 length, int advice) {
  if (length == 0) return;  // which would mean: to the end
  try {
    const Borrowed fd(*this);
    (void)::posix_fadvise(fd.get(), static_cast<off_t>(offset), static_cast<off_t>(length), advice);
  } catch (const SystemError&) {
    // No descriptor to be had: then there is no hint.
  }
}

u64 LinuxFile::read(u64 offset, void* to, u64 length) {
  const Borrowed fd(*this);
  u64 done = 0;
  while (done < length) {
    const ssize_t n =
        ::pread(fd.get(), static_cast<u8*>(to) + done, length - done, static_cast<off_t>(offset + done));
    if (n == 0) break;
    if (n < 0) {
      if (errno == EINTR) continue;
      throw_errno("read", path_);
    }
    done += static_cast<u64>(n);
  }
  return done;
}

void LinuxFile::write(u64 offset, const void* from, u64 length) {
  const Borrowed fd(*this);
  u64 done = 0;
  while (done < length) {
    const ssize_t n = ::pwrite(fd.get(), static_cast<const u8*>(from) + done, length - done,
                               static_cast<off_t>(offset + done));
    if (n < 0) {
      if (errno == EINTR) continue;
      throw_errno("write", path_);
    }
    if (n == 0) throw_errno("write", path_, EIO);
    done += static_cast<u64>(n);
  }
}

void LinuxFile::sync() {
  if (!directory_->durable) return;
  const Borrowed fd(*this);
  if (::fdatasync(fd.get()) != 0) throw_errno("fdatasync", path_);
}

void LinuxFile::punch(u64 offset, u64 length) {
  const Borrowed fd(*this);
  if (::fallocate(fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                  static_cast<off_t>(length)) != 0 &&
      errno != EOPNOTSUPP) {
    throw_errno("fallocate(FALLOC_FL_PUNCH_HOLE)", path_);
  }
}

void LinuxFile::zero(u64 offset, u64 length) {
  {
    const Borrowed fd(*this);
    if (::fallocate(fd.get(), FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                    static_cast<off_t>(length)) == 0) {
      return;
    }
    if (errno != EOPNOTSUPP && errno != ENOSPC) throw_errno("fallocate(FALLOC_FL_ZERO_RANGE)", path_);
  }
  write_zeros(offset, length);  // into blocks that are there
}

void LinuxFile::write_zeros(u64 offset, u64 length) {
  static constexpr std::array<u8, 65536> kZeros{};
  while (length != 0) {
    const u64 n = std::min<u64>(length, kZeros.size());
    write(offset, kZeros.data(), n);
    offset += n;
    length -= n;
  }
}

File::Extent LinuxFile::data_in(u64 offset, u64 end) {
  const Borrowed fd(*this);
  const off_t first = ::lseek(fd.get(), static_cast<off_t>(offset), SEEK_DATA);
  if (first < 0) return errno == ENXIO ? Extent{end, end} : Extent{offset, end};
  const u64 begin = std::max(offset, static_cast<u64>(first));
  if (begin >= end) return {end, end};
  const off_t last = ::lseek(fd.get(), first, SEEK_HOLE);
  return {begin, last > first ? std::min(end, static_cast<u64>(last)) : end};
}

// The file gets its length nevertheless.
void LinuxFile::copy_from(File& source, u64 offset, u64 length) {
  const u64 end = offset + length;
  if (size() < end) truncate(end);
  for (Extent data{offset, offset}; data.end < end;) {
    data = source.data_in(data.end, end);
    if (data.begin < data.end) File::copy_from(source, data.begin, data.end - data.begin);
  }
}

bool LinuxFile::clone_from(File& source) {
  auto* const from = dynamic_cast<LinuxFile*>(&source);
  if (from == nullptr) return false;
  const Borrowed there(*from);
  const Borrowed here(*this);
  return ::ioctl(here.get(), FICLONE, there.get()) == 0;
}

void LinuxFile::map(void* address, u64 offset, u64 length, Share share) {
  const Borrowed fd(*this);
  const int protection = share == Share::shared_read_only ? PROT_READ : PROT_READ | PROT_WRITE;
  const int flags = share == Share::private_copy ? MAP_PRIVATE | MAP_NORESERVE : MAP_SHARED;
  if (::mmap(address, length, protection, flags | MAP_FIXED, fd.get(), static_cast<off_t>(offset)) ==
      MAP_FAILED) {
    throw_errno("mmap", path_);
  }
}

class LinuxDirectory : public Directory {
 public:
  explicit LinuxDirectory(std::shared_ptr<DirectoryHandle> handle) : handle_(std::move(handle)) {}

  const std::string& path() const override { return handle_->path; }

  std::unique_ptr<File> open(const std::string& name, Open how) override {
    auto file = std::make_unique<LinuxFile>(handle_, name, how != Open::read_only);
    file->open(how == Open::create);
    return file;
  }

  bool exists(const std::string& name) override {
    struct stat status;
    if (::fstatat(handle_->descriptor, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) return true;
    if (errno != ENOENT) throw_errno("stat", path() + "/" + name);
    return false;
  }

  u64 allocated(const std::string& name) override {
    struct stat status;
    if (::fstatat(handle_->descriptor, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0)
      return static_cast<u64>(status.st_blocks) * 512;
    if (errno != ENOENT) throw_errno("stat", path() + "/" + name);
    return 0;
  }

  void remove(const std::string& name) override {
    if (::unlinkat(handle_->descriptor, name.c_str(), 0) != 0) throw_errno("unlink", path() + "/" + name);
  }

  void rename(const std::string& from, const std::string& to) override {
    if (::renameat(handle_->descriptor, from.c_str(), handle_->descriptor, to.c_str()) != 0) {
      throw_errno("rename", path() + "/" + from);
    }
  }

  std::vector<std::string> list() override {
    const int fd = ::openat(handle_->descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR* const stream = fd < 0 ? nullptr : ::fdopendir(fd);
    if (stream == nullptr) throw_errno("opendir", path());
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(stream)) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(name);
    }
    ::closedir(stream);
    return names;
  }

  void sync() override {
    if (handle_->durable && ::fsync(handle_->descriptor) != 0) throw_errno("fsync", path());
  }

  std::unique_ptr<Lock> lock(const std::string& name, LockKind kind, const Patience& patience) override {
    return take_lock(handle_->descriptor, path() + "/" + name, name, kind, patience);
  }
  bool writer_present(const std::string& name) override {
    return is_writer_present(handle_->descriptor, path() + "/" + name, name);
  }
  std::unique_ptr<SharedPage> share(const std::string& name, bool create) override {
    return map_shared_page(handle_->descriptor, path() + "/" + name, name, create);
  }

 private:
  std::shared_ptr<DirectoryHandle> handle_;
};

class LinuxFileSystem : public FileSystem {
 public:
  explicit LinuxFileSystem(bool durable) : durable_(durable) {}
  // Makes the name of a new directory durable. One that may not be read cannot be synced.
  static void sync_parent(int directory, const std::string& path) {
    const int parent = ::openat(directory, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0 && errno == EACCES) return;
    if (parent < 0) throw_errno("open directory", path + "/..");
    const int failed = ::fsync(parent) == 0 ? 0 : errno;
    ::close(parent);
    if (failed != 0) throw_errno("fsync", path + "/..", failed);
  }
  std::unique_ptr<Directory> open_directory(const std::string& path, bool create) override {
    // A temporary directory is nobody else's, and new.
    const bool made = create && ::mkdir(path.c_str(), durable_ ? 0777 : 0700) == 0;
    if (create && !made && (errno != EEXIST || !durable_)) throw_errno("mkdir", path);
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) throw_errno("open directory", path);
    auto directory = std::make_unique<LinuxDirectory>(std::make_shared<DirectoryHandle>(fd, path, durable_));
    if (made && durable_) sync_parent(fd, path);
    return directory;
  }
  bool exists(const std::string& path) override {
    struct stat status;
    if (::lstat(path.c_str(), &status) == 0) return true;
    if (errno != ENOENT) throw_errno("stat", path);
    return false;
  }
  void remove_directory(const std::string& path) override {
    if (::rmdir(path.c_str()) != 0) throw_errno("rmdir", path);
  }

 private:
  const bool durable_;
};

}  // namespace

void File::copy_from(File& source, u64 offset, u64 length) {
  std::vector<u8> chunk(std::min<u64>(length, u64{1} << 20));
  while (length != 0) {
    const u64 wanted = std::min<u64>(chunk.size(), length);
    const u64 n = source.read(offset, chunk.data(), wanted);
    write(offset, chunk.data(), n);
    if (n < wanted) return;
    offset += n;
    length -= n;
  }
}

std::shared_ptr<FileSystem> real_file_system() {
  // Never destroyed: other threads may open stores while the process ends.
  static const auto* const instance =
      new std::shared_ptr<FileSystem>(std::make_shared<LinuxFileSystem>(true));
  return *instance;
}

std::shared_ptr<FileSystem> temporary_file_system() {
  static const auto* const instance =
      new std::shared_ptr<FileSystem>(std::make_shared<LinuxFileSystem>(false));
  return *instance;
}

u64 available_space(const std::string& path) noexcept {
  struct statvfs found;
  u64 bytes = 0;
  bool told = ::statvfs(path.c_str(), &found) == 0;
  const std::size_t last = path.find_last_of('/');
  if (!told && last != std::string::npos)  // one that is not made yet
    told = ::statvfs(path.substr(0, last + 1).c_str(), &found) == 0;
  return told && !__builtin_mul_overflow(u64{found.f_bavail}, u64{found.f_frsize}, &bytes) ? bytes : ~u64{0};
}

}  // namespace emd::platform
