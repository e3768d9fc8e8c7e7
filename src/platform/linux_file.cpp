// Files of a directory on Linux, opened by name relative to it, so that the directory may be
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

#include <algorithm>
#include <array>
#include <list>
#include <mutex>

#include "platform/fork_guard.h"
#include "platform/linux_directory.h"
#include "platform/linux_open.h"
#include "platform/linux_permissions.h"
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
                        path_, creation_mode(directory_->new_files));
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

void LinuxFile::open(bool create) {
  const Borrowed fd(*this, create ? O_CREAT | O_EXCL : 0);
  if (!create) return;
  try {
    settle_permissions(fd.get(), directory_->new_files, path_);
  } catch (...) {
    (void)::unlinkat(directory_->descriptor, name_.c_str(), 0);
    throw;
  }
}

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

std::unique_ptr<File> open_file(std::shared_ptr<DirectoryHandle> directory, const std::string& name,
                                Directory::Open how) {
  auto file = std::make_unique<LinuxFile>(std::move(directory), name, how != Directory::Open::read_only);
  file->open(how == Directory::Open::create);
  return file;
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
