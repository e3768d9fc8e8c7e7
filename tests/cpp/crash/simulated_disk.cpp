// The simulated disk behind the platform seam: durable bytes, effects since the last sync, and what a cut makes of
// them.
#include "crash/simulated_disk.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>
#include <utility>

#include "base/check.h"
#include "base/errors.h"
#include "base/hash.h"

namespace emd::testing {
namespace {

constexpr u64 kSector = 512;

// Its bytes are no part of the data.
bool is_volatile(const std::string& name) { return name == "lock" || name == "readers"; }

// A real file's bytes, mapped.
class MappedFile {
 public:
  explicit MappedFile(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat status {};
    EMD_CHECK(fd >= 0 && ::fstat(fd, &status) == 0);
    size_ = static_cast<u64>(status.st_size);
    if (size_ != 0) {
      void* const at = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, fd, 0);
      EMD_CHECK(at != MAP_FAILED);
      bytes_ = static_cast<const u8*>(at);
    }
    ::close(fd);
  }
  ~MappedFile() {
    if (bytes_ != nullptr) ::munmap(const_cast<u8*>(bytes_), size_);
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  const u8* data() const { return bytes_; }
  u64 size() const { return size_; }

 private:
  const u8* bytes_ = nullptr;
  u64 size_ = 0;
};

}  // namespace

const char* to_string(Call call) {
  static constexpr const char* kNames[] = {
      "open_directory", "make_directory", "move_directory", "exists",      "list",
      "open",           "create",         "remove",         "rename",      "sync_directory",
      "lock",           "writer_present", "share",          "permissions", "current_path",
      "size",           "allocated",      "read",           "map",         "allocate",
      "truncate",       "write",          "sync",           "punch",       "zero"};
  static_assert(std::size(kNames) == kCallCount);
  return kNames[static_cast<int>(call)];
}

bool is_effect(Call call) {
  switch (call) {
    case Call::open_directory:
    case Call::make_directory:
    case Call::permissions:
    case Call::current_path:
    case Call::exists:
    case Call::list:
    case Call::open:
    case Call::lock:
    case Call::writer_present:
    case Call::share:
    case Call::size:
    case Call::allocated:
    case Call::read:
    case Call::map:
      return false;
    default:
      return true;
  }
}

u64 CrashImage::fingerprint() const {
  u64 sum = 0;
  for (const auto& [name, bytes] : files) {
    sum = hash64(as_bytes(name), sum ^ bytes.size());
    for (u64 page = 0; page < bytes.page_count(); ++page) {
      if (!bytes.is_hole(page)) sum = hash64({bytes.page(page), kPageSize}, sum + page);
    }
  }
  return sum;
}

void CrashImage::write_to(const std::string& directory) const {
  for (const auto& [name, bytes] : files) {
    const int fd = ::open((directory + "/" + name).c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    EMD_CHECK(fd >= 0 && ::ftruncate(fd, static_cast<off_t>(bytes.size())) == 0);
    for (u64 page = 0; page < bytes.page_count(); ++page) {
      if (bytes.is_hole(page)) continue;
      const u64 length = std::min(kPageSize, bytes.size() - (page << kPageShift));
      const ssize_t written = ::pwrite(fd, bytes.page(page), length, static_cast<off_t>(page << kPageShift));
      EMD_CHECK(written == static_cast<ssize_t>(length));
    }
    ::close(fd);
  }
}

// Forwards to the real file, and tells the disk.
class SimulatedFile : public platform::File {
 public:
  // inode 0: a file of which nothing is remembered.
  SimulatedFile(std::shared_ptr<SimulatedDisk> disk, std::string name, u64 inode,
                std::unique_ptr<platform::File> real)
      : disk_(std::move(disk)), name_(std::move(name)), inode_(inode), real_(std::move(real)) {}

  const std::string& path() const override { return real_->path(); }
  u64 size() override {
    disk_->call(Call::size, name_);
    return real_->size();
  }
  u64 allocated() override {
    disk_->call(Call::allocated, name_);
    return real_->allocated();
  }
  // What is copied is seen by the disk as reads and writes.
  bool clone_from(platform::File&) override { return false; }
  u64 read(u64 offset, void* to, u64 length) override {
    disk_->call(Call::read, name_);
    return real_->read(offset, to, length);
  }
  void map(void* address, u64 offset, u64 length, Share share) override {
    disk_->call(Call::map, name_);
    real_->map(address, offset, length, share);
  }

  void allocate(u64 offset, u64 length) override {
    disk_->call(Call::allocate, name_);
    real_->allocate(offset, length);
    if (inode_ != 0 && offset + length > inode().current.size()) resized(offset + length);
  }
  void truncate(u64 size) override {
    disk_->call(Call::truncate, name_);
    if (inode_ != 0) disk_->notice_mapped_stores(name_, inode());
    real_->truncate(size);
    if (inode_ != 0) resized(size);
  }
  void write(u64 offset, const void* from, u64 length) override {
    try {
      disk_->call(Call::write, name_);
    } catch (const ShortWrite& cut) {
      write_and_tell(offset, from, length / 2);
      throw SystemError(cut.error, "injected into a write that was cut short", path());
    }
    write_and_tell(offset, from, length);
  }
  void sync() override {
    try {
      disk_->call(Call::sync, name_);
    } catch (const SystemError&) {
      if (inode_ != 0) disk_->fail_sync(name_, inode());
      throw;
    }
    real_->sync();
    if (inode_ == 0) return;
    disk_->notice_mapped_stores(name_, inode());
    for (const Effect& effect : inode().unsynced) SimulatedDisk::perform(inode().durable, effect);
    inode().unsynced.clear();
  }
  void punch(u64 offset, u64 length) override {
    disk_->call(Call::punch, name_);
    real_->punch(offset, length);
    zeroed(offset, length);
  }
  void zero(u64 offset, u64 length) override {
    disk_->call(Call::zero, name_);
    real_->zero(offset, length);
    zeroed(offset, length);
  }

 private:
  using Effect = SimulatedDisk::Effect;
  SimulatedDisk::Inode& inode() { return disk_->inodes_.at(inode_); }
  void resized(u64 size) { SimulatedDisk::add(inode(), {Effect::Kind::size, size, {}, 0}); }
  void zeroed(u64 offset, u64 length) {
    if (inode_ == 0 || offset >= inode().current.size()) return;
    const u64 n = std::min(length, inode().current.size() - offset);
    SimulatedDisk::add(inode(), {Effect::Kind::fill, offset, {}, n});
  }
  void write_and_tell(u64 offset, const void* from, u64 length) {
    real_->write(offset, from, length);
    if (inode_ == 0) return;
    const auto* const bytes = static_cast<const u8*>(from);
    SimulatedDisk::add(inode(), {Effect::Kind::write, offset, {bytes, bytes + length}, 0});
  }

  std::shared_ptr<SimulatedDisk> disk_;
  std::string name_;
  u64 inode_;
  std::unique_ptr<platform::File> real_;
};

class SimulatedDirectory : public platform::Directory {
 public:
  SimulatedDirectory(std::shared_ptr<SimulatedDisk> disk, std::unique_ptr<platform::Directory> real)
      : disk_(std::move(disk)), real_(std::move(real)) {}

  const std::string& path() const override { return real_->path(); }
  std::pair<u64, u64> identity() override { return real_->identity(); }
  std::string current_path() override {
    disk_->call(Call::current_path, "");
    return real_->current_path();
  }
  platform::Permissions permissions(const std::string& name) override {
    disk_->call(Call::permissions, name);
    return real_->permissions(name);
  }
  platform::Permissions permissions() override {
    disk_->call(Call::permissions, "");
    return real_->permissions();
  }
  void make_files_with(const platform::Permissions& permissions) override {
    real_->make_files_with(permissions);
  }
  bool exists(const std::string& name) override {
    disk_->call(Call::exists, name);
    return real_->exists(name);
  }
  std::vector<std::string> list() override {
    disk_->call(Call::list, "");
    std::vector<std::string> names = real_->list();
    std::sort(names.begin(), names.end());  // the same order in every run
    return names;
  }
  std::unique_ptr<platform::File> open(const std::string& name, Open how) override {
    disk_->call(how == Open::create ? Call::create : Call::open, name);
    auto file = real_->open(name, how);
    if (is_volatile(name)) return std::make_unique<SimulatedFile>(disk_, name, 0, std::move(file));
    if (how == Open::create) {
      disk_->names_[name] = disk_->next_inode_;
      disk_->inodes_[disk_->next_inode_++] = {};
    }
    return std::make_unique<SimulatedFile>(disk_, name, disk_->names_.at(name), std::move(file));
  }
  void remove(const std::string& name) override {
    disk_->call(Call::remove, name);
    real_->remove(name);
    disk_->names_.erase(name);
  }
  void rename(const std::string& from, const std::string& to) override {
    disk_->call(Call::rename, from);
    real_->rename(from, to);
    disk_->names_[to] = disk_->names_.at(from);
    disk_->names_.erase(from);
  }
  void sync() override {
    disk_->call(Call::sync_directory, "");
    real_->sync();
    disk_->durable_names_ = disk_->names_;
  }
  std::unique_ptr<platform::Lock> lock(const std::string& name, platform::LockKind kind,
                                       const Patience& patience) override {
    disk_->call(Call::lock, name);
    return real_->lock(name, kind, patience);
  }
  bool writer_present(const std::string& name) override {
    disk_->call(Call::writer_present, name);
    return real_->writer_present(name);
  }
  // Nothing in the shared page is durable, so images go without it.
  std::unique_ptr<platform::SharedPage> share(const std::string& name, const std::string& locks,
                                              const platform::Lock* writer) override {
    disk_->call(Call::share, name);
    return real_->share(name, locks, writer);
  }

 private:
  std::shared_ptr<SimulatedDisk> disk_;
  std::unique_ptr<platform::Directory> real_;
};

class SimulatedNewDirectory : public platform::NewDirectory {
 public:
  SimulatedNewDirectory(std::shared_ptr<SimulatedDisk> disk, std::shared_ptr<platform::Directory> directory)
      : disk_(std::move(disk)), directory_(std::move(directory)) {}
  std::shared_ptr<platform::Directory> directory() override { return directory_; }
  void move_to_its_place() override {
    disk_->call(Call::move_directory, "");
    moved_ = true;
  }
  void discard() override {
    if (moved_) return;
    for (const std::string& name : directory_->list()) directory_->remove(name);
    std::filesystem::remove(disk_->directory_);
  }

 private:
  std::shared_ptr<SimulatedDisk> disk_;
  std::shared_ptr<platform::Directory> directory_;
  bool moved_ = false;
};

class SimulatedFileSystem : public platform::FileSystem {
 public:
  SimulatedFileSystem(std::shared_ptr<SimulatedDisk> disk, std::string directory)
      : disk_(std::move(disk)), directory_(std::move(directory)) {}
  std::unique_ptr<platform::Directory> open_directory(const std::string&,
                                                      const platform::Permissions* create) override {
    disk_->call(Call::open_directory, "");
    return std::make_unique<SimulatedDirectory>(
        disk_, platform::real_file_system()->open_directory(directory_, create));
  }
  std::unique_ptr<platform::NewDirectory> make_directory(const std::string&, const std::string&,
                                                         const platform::Permissions& files, u32) override {
    disk_->call(Call::make_directory, "");
    auto real = platform::real_file_system()->open_directory(directory_, &files);
    real->make_files_with(files);
    return std::make_unique<SimulatedNewDirectory>(
        disk_, std::make_shared<SimulatedDirectory>(disk_, std::move(real)));
  }
  bool concurrent_syncs() const override { return false; }

 private:
  std::shared_ptr<SimulatedDisk> disk_;
  std::string directory_;
};

SimulatedDisk::SimulatedDisk(std::string directory) : directory_(std::move(directory)) {
  EMD_CHECK(!std::filesystem::exists(directory_) || std::filesystem::is_empty(directory_));
}

SimulatedDisk::SimulatedDisk(std::string directory, const CrashImage& image)
    : directory_(std::move(directory)) {
  for (const auto& [name, bytes] : image.files) {
    names_[name] = next_inode_;
    inodes_[next_inode_++] = {bytes, bytes, {}};
  }
  durable_names_ = names_;
}

std::shared_ptr<platform::FileSystem> SimulatedDisk::file_system() {
  return std::make_shared<SimulatedFileSystem>(shared_from_this(), directory_);
}

void SimulatedDisk::call(Call call, const std::string& file) {
  if (dead_) throw ProcessKilled{};
  if (!before_call || in_hook_) return;
  const Quiet quiet(*this);
  try {
    before_call(call, file);
  } catch (const ProcessKilled&) {
    dead_ = true;
    throw;
  }
}

void SimulatedDisk::perform(SparseBytes& bytes, const Effect& effect) {
  switch (effect.kind) {
    case Effect::Kind::size:
      return bytes.resize(effect.offset);
    case Effect::Kind::fill:
      return bytes.fill(effect.offset, effect.length);
    case Effect::Kind::write:
      return bytes.write(effect.offset, effect.bytes);
  }
}

void SimulatedDisk::add(Inode& inode, Effect effect) {
  perform(inode.current, effect);
  inode.unsynced.push_back(std::move(effect));
}

void SimulatedDisk::notice_mapped_stores(const std::string& name, Inode& inode) {
  const auto known = names_.find(name);
  if (known == names_.end() || &inodes_.at(known->second) != &inode) return;  // unlinked
  const MappedFile real(directory_ + "/" + name);
  const u64 common = std::min(real.size(), inode.current.size());
  for (u64 page = 0; page < common; page += kPageSize) {
    const u64 page_bytes = std::min(kPageSize, common - page);
    if (std::memcmp(real.data() + page, inode.current.page(page >> kPageShift), page_bytes) == 0) continue;
    for (u64 at = page; at < page + page_bytes; at += kSector) {
      const u64 n = std::min(kSector, common - at);
      if (std::memcmp(real.data() + at, inode.current.page(page >> kPageShift) + (at - page), n) == 0)
        continue;
      add(inode, {Effect::Kind::write, at, {real.data() + at, real.data() + at + n}, 0});
    }
  }
}

// After a failed sync the page cache shows what it did, but the kernel may have given up writing it: pages are clean,
// and the next sync will not write them. Or it tries again; or some of it has reached the disk.
void SimulatedDisk::fail_sync(const std::string& name, Inode& inode) {
  notice_mapped_stores(name, inode);
  const u64 fate = failed_sync_random_() % 3;
  if (fate == 0) return;  // still to be written
  for (const Effect& effect : inode.unsynced) {
    if (effect.kind == Effect::Kind::size) {
      perform(inode.durable, effect);
    } else if (fate == 1) {
      perform_in_part(inode.durable, effect, failed_sync_random_);
    }
  }
  inode.unsynced.clear();
}

// Whole sectors of a write survive or not, each for itself.
void SimulatedDisk::perform_in_part(SparseBytes& bytes, const Effect& effect, std::mt19937_64& random) {
  const u64 fate = random() % 4;  // lost, kept, or torn
  const bool write = effect.kind == Effect::Kind::write;
  const u64 length = write ? effect.bytes.size() : effect.length;
  if (fate == 1) return perform(bytes, effect);
  if (fate == 0) return;
  for (u64 at = 0; at < length;) {
    const u64 n = std::min<u64>(kSector - (effect.offset + at) % kSector, length - at);
    if (random() % 2 != 0) {
      if (write) {
        bytes.write(effect.offset + at, {effect.bytes.data() + at, n});
      } else {
        bytes.fill(effect.offset + at, n);
      }
    }
    at += n;
  }
}

SparseBytes SimulatedDisk::after_power_cut(const Inode& inode, Unsynced unsynced, std::mt19937_64& random) {
  if (unsynced == Unsynced::lost) return inode.durable;
  if (unsynced == Unsynced::kept) return inode.current;
  SparseBytes bytes = inode.durable;
  // Sizes are kept in order, up to some point.
  const u64 sizes_kept = random() % (inode.unsynced.size() + 1);
  for (u64 i = 0; i < inode.unsynced.size(); ++i) {
    const Effect& effect = inode.unsynced[i];
    if (effect.kind != Effect::Kind::size) {
      perform_in_part(bytes, effect, random);
    } else if (i < sizes_kept) {
      perform(bytes, effect);
    }
  }
  return bytes;
}

// Directory changes that were not synced: all or none, or each for itself.
SimulatedDisk::Names SimulatedDisk::names_after_power_cut(Unsynced unsynced, std::mt19937_64& random) const {
  Names names = durable_names_;
  std::set<std::string> all;
  for (const auto& [name, number] : names_) all.insert(name);
  for (const auto& [name, number] : durable_names_) all.insert(name);
  for (const std::string& name : all) {
    const bool take = unsynced == Unsynced::kept || (unsynced == Unsynced::random && random() % 2 != 0);
    if (!take) continue;
    const auto now = names_.find(name);
    if (now == names_.end()) {
      names.erase(name);
    } else {
      names[name] = now->second;
    }
  }
  return names;
}

CrashImage SimulatedDisk::image(Unsynced unsynced, std::mt19937_64& random) {
  for (const auto& [name, number] : names_) notice_mapped_stores(name, inodes_.at(number));
  CrashImage image;
  for (const auto& [name, number] : names_after_power_cut(unsynced, random)) {
    image.files[name] = after_power_cut(inodes_.at(number), unsynced, random);
  }
  return image;
}

}  // namespace emd::testing
