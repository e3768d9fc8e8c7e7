// A directory that is made beside its place and moved there by one rename, which replaces nothing but an empty
// directory.
#include <fcntl.h>
#include <linux/stat.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "platform/linux_directory.h"
#include "platform/linux_permissions.h"
#include "platform/random.h"
#include "platform/system_error.h"

namespace emd::platform {
namespace {

// Of a name of at most 255 bytes this much is repeated in that of the work.
constexpr std::size_t kNameBytes = 180;

struct Entry {
  std::string parent, name;
  bool there = false;
  Permissions permissions;  // if it is there
};

// The entry of a directory that a path leads to: a directory, through links, or a name that is free.
Entry entry_of(std::string path) {
  Entry entry;
  struct stat status;
  if (path.empty()) throw SystemError(ENOENT, "expected a path, found none", path);
  if (::stat(path.c_str(), &status) == 0) {
    if (!S_ISDIR(status.st_mode))
      throw SystemError(EEXIST, "expected a directory that is empty or does not exist", path);
    entry.there = true;
    entry.permissions = permissions_of(status);
    char* const resolved = ::realpath(path.c_str(), nullptr);
    if (resolved == nullptr) throw_errno("realpath", path);
    path = resolved;
    std::free(resolved);
  } else if (errno != ENOENT) {
    throw_errno("stat", path);
  } else if (::lstat(path.c_str(), &status) == 0) {
    throw SystemError(EEXIST, "expected a directory that is empty or does not exist, found a link to nothing",
                      path);
  }
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  const std::size_t slash = path.rfind('/');
  entry.name = slash == std::string::npos ? path : path.substr(slash + 1);
  entry.parent = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  return entry;
}

#ifdef STATX_ATTR_MOUNT_ROOT
bool is_mount_point(const std::string& path) {
  struct statx status {};
  return ::syscall(SYS_statx, AT_FDCWD, path.c_str(), 0, 0u, &status) == 0 &&
         (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}
#else
bool is_mount_point(const std::string&) { return false; }  // the rename will tell
#endif

class LinuxNewDirectory : public NewDirectory {
 public:
  LinuxNewDirectory(const std::string& path, const std::string& doing, const Permissions& files, u32 mode,
                    bool durable)
      : target_(path), durable_(durable), entry_(entry_of(path)) {
    if (entry_.there && is_mount_point(path)) {
      throw SystemError(
          EBUSY, "a file system is mounted here, so it cannot be replaced; give a directory in it", path);
    }
    final_ = entry_.there ? entry_.permissions : files;
    if (!entry_.there) final_.mode = files.mode_of_directory() & mode;
    parent_ = ::open(entry_.parent.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (parent_ < 0) throw_errno("open directory", entry_.parent);
    try {
      require_empty();
      make(doing);
      directory_->make_files_with(files);
    } catch (...) {
      ::close(parent_);
      throw;
    }
  }
  ~LinuxNewDirectory() override { ::close(parent_); }

  std::shared_ptr<Directory> directory() override { return directory_; }

  void move_to_its_place() override {
    settle_permissions(handle_->descriptor, final_, target_);
    directory_->sync();
    if (::renameat(parent_, work_name_.c_str(), parent_, entry_.name.c_str()) != 0) {
      if (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR) {
        throw SystemError(EEXIST, "something has been put here meanwhile; choose another place", target_);
      }
      throw_errno("rename", target_);
    }
    moved_ = true;
    if (durable_) sync_names(parent_, ".", entry_.parent);
  }

  void discard() override {
    if (moved_) return;
    for (const std::string& name : directory_->list()) directory_->remove(name);
    if (::unlinkat(parent_, work_name_.c_str(), AT_REMOVEDIR) != 0) throw_errno("rmdir", directory_->path());
  }

 private:
  void require_empty() const {
    if (!entry_.there) return;
    const int fd = ::openat(parent_, entry_.name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) throw_errno("open directory", target_);
    if (open_directory(std::make_shared<DirectoryHandle>(fd, target_, false))->list().empty()) return;
    throw SystemError(EEXIST, "expected a directory that is empty or does not exist", target_);
  }

  void make(const std::string& doing) {
    const std::string stem = "." + entry_.name.substr(0, kNameBytes) + "." + doing + "-";
    do {
      std::array<char, 9> number;
      std::snprintf(number.data(), number.size(), "%08x", static_cast<unsigned>(random_bits()));
      work_name_ = stem + number.data();
    } while (!made());
    const std::string path = entry_.parent + "/" + work_name_;
    const int fd = ::openat(parent_, work_name_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) throw_errno("open directory", path);
    handle_ = std::make_shared<DirectoryHandle>(fd, path, durable_);
    directory_ = open_directory(handle_);
    // What the umask has left is for the end: until then nobody else may enter.
    if (final_.masked) final_.mode = directory_->permissions().mode;
    final_.masked = false;
    Permissions working;
    working.mode = 0700;
    working.masked = false;
    settle_permissions(fd, working, path);
  }

  // False if there is one of this name.
  bool made() const {
    if (::mkdirat(parent_, work_name_.c_str(), final_.masked ? final_.mode : 0700) == 0) return true;
    if (errno == EEXIST) return false;
    throw SystemError(errno,
                      std::string("cannot make a directory beside it, to be moved here when it is whole: ") +
                          std::strerror(errno),
                      target_);
  }

  const std::string target_;
  const bool durable_;
  const Entry entry_;
  Permissions final_;
  int parent_ = -1;
  std::string work_name_;
  std::shared_ptr<DirectoryHandle> handle_;
  std::shared_ptr<Directory> directory_;
  bool moved_ = false;
};

}  // namespace

std::unique_ptr<NewDirectory> make_directory(const std::string& path, const std::string& doing,
                                             const Permissions& files, u32 mode, bool durable) {
  return std::make_unique<LinuxNewDirectory>(path, doing, files, mode, durable);
}

}  // namespace emd::platform
