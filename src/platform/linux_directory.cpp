// The real disk on Linux: directories, and what is done with names in them. All of it goes by the descriptor of the
// directory that was opened.
#include "platform/linux_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <climits>
#include <cstdlib>

#include "platform/linux_lock.h"
#include "platform/linux_permissions.h"
#include "platform/system_error.h"

namespace emd::platform {
namespace {

class LinuxDirectory : public Directory {
 public:
  explicit LinuxDirectory(std::shared_ptr<DirectoryHandle> handle) : handle_(std::move(handle)) {}

  const std::string& path() const override { return handle_->path; }

  std::pair<u64, u64> identity() override { return {status().st_dev, status().st_ino}; }

  // The kernel knows it under any name that it has been given since. Without /proc, only under the one it was opened
  // by.
  std::string current_path() override {
    const std::string link = "/proc/self/fd/" + std::to_string(handle_->descriptor);
    std::string found(PATH_MAX, '\0');
    for (;;) {
      const ssize_t n = ::readlink(link.c_str(), found.data(), found.size());
      if (n >= 0 && static_cast<std::size_t>(n) == found.size()) {
        found.resize(2 * found.size());
        continue;
      }
      found.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
      break;
    }
    if (!is_here(found)) {
      char* const resolved = ::realpath(path().c_str(), nullptr);
      found = resolved == nullptr ? "" : resolved;
      std::free(resolved);
    }
    if (is_here(found)) return found;
    throw SystemError(
        ENOENT, "the directory that is open here has been removed, or moved to where it cannot be found",
        path());
  }

  Permissions permissions(const std::string& name) override {
    struct stat status;
    if (::fstatat(handle_->descriptor, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
      throw_errno("stat", path() + "/" + name);
    return permissions_of(status);
  }
  Permissions permissions() override { return permissions_of(status()); }
  void make_files_with(const Permissions& permissions) override { handle_->new_files = permissions; }

  std::unique_ptr<File> open(const std::string& name, Open how) override {
    return open_file(handle_, name, how);
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
    return take_lock(*handle_, name, kind, patience);
  }
  std::unique_ptr<SharedPage> share(const std::string& name, const std::string& locks,
                                    const Lock* writer) override {
    return map_shared_page(*handle_, name, locks, writer);
  }
  bool writer_present(const std::string& name) override { return is_writer_present(*handle_, name); }

 private:
  struct stat status() const {
    struct stat status;
    if (::fstat(handle_->descriptor, &status) != 0) throw_errno("fstat", path());
    return status;
  }
  bool is_here(const std::string& place) const {
    struct stat there;
    if (place.empty() || ::stat(place.c_str(), &there) != 0) return false;
    const struct stat own = status();
    return own.st_dev == there.st_dev && own.st_ino == there.st_ino;
  }

  std::shared_ptr<DirectoryHandle> handle_;
};

class LinuxFileSystem : public FileSystem {
 public:
  explicit LinuxFileSystem(bool durable) : durable_(durable) {}
  std::unique_ptr<Directory> open_directory(const std::string& path, const Permissions* create) override {
    // A temporary directory is nobody else's, and new.
    const mode_t mode = create == nullptr ? 0 : durable_ ? create->mode_of_directory() : 0700;
    const bool made = create != nullptr && ::mkdir(path.c_str(), create->masked ? mode : mode & 0700) == 0;
    if (create != nullptr && !made && (errno != EEXIST || !durable_)) throw_errno("mkdir", path);
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) throw_errno("open directory", path);
    auto directory = platform::open_directory(std::make_shared<DirectoryHandle>(fd, path, durable_));
    if (made) {
      Permissions own = *create;
      own.mode = mode;
      settle_permissions(fd, own, path);
      if (durable_) sync_names(fd, "..", path + "/..");
    }
    return directory;
  }
  std::unique_ptr<NewDirectory> make_directory(const std::string& path, const std::string& doing,
                                               const Permissions& files, u32 mode) override {
    return platform::make_directory(path, doing, files, mode, durable_);
  }

 private:
  const bool durable_;
};

}  // namespace

std::unique_ptr<Directory> open_directory(std::shared_ptr<DirectoryHandle> handle) {
  return std::make_unique<LinuxDirectory>(std::move(handle));
}

void sync_names(int directory, const char* what, const std::string& path) {
  const int fd = ::openat(directory, what, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 && errno == EACCES) return;
  if (fd < 0) throw_errno("open directory", path);
  const int failed = ::fsync(fd) == 0 ? 0 : errno;
  ::close(fd);
  if (failed != 0) throw_errno("fsync", path, failed);
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

}  // namespace emd::platform
