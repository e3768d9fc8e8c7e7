#include "simulated_disk.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

namespace emd::testing {
namespace {

constexpr u64 kSector = 512;

std::vector<u8> read_whole(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

// Forwards to the real file, and tells the disk.
class SimulatedFile : public platform::File {
 public:
  SimulatedFile(std::shared_ptr<SimulatedDisk> disk, std::string name, u64 inode,
                std::unique_ptr<platform::File> real)
      : disk_(std::move(disk)), name_(std::move(name)), inode_(inode), real_(std::move(real)) {}

  const std::string& path() const override { return real_->path(); }
  u64 size() override { return real_->size(); }
  u64 allocated() override { return real_->allocated(); }
  bool clone_from(File&) override { return false; }
  u64 read(u64 offset, void* to, u64 length) override { return real_->read(offset, to, length); }
  void map(void* address, u64 offset, u64 length, Share share) override {
    real_->map(address, offset, length, share);
  }

  void allocate(u64 offset, u64 length) override {
    disk_->effect("allocate", name_);
    real_->allocate(offset, length);
    if (offset + length > inode().current.size()) resized(offset + length);
  }
  void truncate(u64 size) override {
    disk_->effect("truncate", name_);
    disk_->notice_mapped_stores(name_, inode());
    real_->truncate(size);
    resized(size);
  }
  void write(u64 offset, const void* from, u64 length) override {
    disk_->effect("write", name_);
    real_->write(offset, from, length);
    const auto* const bytes = static_cast<const u8*>(from);
    disk_->add(inode(), {SimulatedDisk::Effect::Kind::write, offset, {bytes, bytes + length}});
  }
  void sync() override {
    disk_->effect("sync", name_);
    real_->sync();
    disk_->notice_mapped_stores(name_, inode());
    inode().durable = inode().current;
    inode().unsynced.clear();
  }
  void punch(u64 offset, u64 length) override {
    disk_->effect("punch", name_);
    real_->punch(offset, length);
    zeroed(offset, length);
  }
  void zero(u64 offset, u64 length) override {
    disk_->effect("zero", name_);
    real_->zero(offset, length);
    zeroed(offset, length);
  }

 private:
  SimulatedDisk::Inode& inode() { return disk_->inodes_.at(inode_); }
  void resized(u64 size) { disk_->add(inode(), {SimulatedDisk::Effect::Kind::size, size, {}}); }
  void zeroed(u64 offset, u64 length) {
    const u64 end = std::min<u64>(offset + length, inode().current.size());
    if (offset < end) {
      disk_->add(inode(), {SimulatedDisk::Effect::Kind::write, offset, std::vector<u8>(end - offset)});
    }
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
  bool exists(const std::string& name) override { return real_->exists(name); }
  std::vector<std::string> list() override { return real_->list(); }

  std::unique_ptr<platform::File> open(const std::string& name, Open how) override {
    if (how == Open::create) disk_->effect("create", name);
    auto file = real_->open(name, how);
    if (how == Open::create) {
      disk_->names_[name] = disk_->next_inode_;
      disk_->inodes_[disk_->next_inode_++] = {};
    }
    return std::make_unique<SimulatedFile>(disk_, name, disk_->names_.at(name), std::move(file));
  }
  void remove(const std::string& name) override {
    disk_->effect("remove", name);
    real_->remove(name);
    disk_->names_.erase(name);
  }
  void rename(const std::string& from, const std::string& to) override {
    disk_->effect("rename", from);
    real_->rename(from, to);
    disk_->names_[to] = disk_->names_.at(from);
    disk_->names_.erase(from);
  }
  void sync() override {
    disk_->effect("sync", "directory");
    real_->sync();
    disk_->durable_names_ = disk_->names_;
  }
  // The lock's file is no part of the data: a power cut leaves it or not, it does not matter.
  std::unique_ptr<platform::Lock> lock(const std::string& name, platform::LockKind kind,
                                       double timeout) override {
    return real_->lock(name, kind, timeout);
  }
  bool writer_present(const std::string& name) override { return real_->writer_present(name); }
  // Nothing in the shared page is durable, so images go without it.
  std::unique_ptr<platform::SharedPage> share(const std::string& name, bool create) override {
    return real_->share(name, create);
  }

 private:
  std::shared_ptr<SimulatedDisk> disk_;
  std::unique_ptr<platform::Directory> real_;
};

class SimulatedFileSystem : public platform::FileSystem {
 public:
  SimulatedFileSystem(std::shared_ptr<SimulatedDisk> disk, std::string directory)
      : disk_(std::move(disk)), directory_(std::move(directory)) {}
  std::unique_ptr<platform::Directory> open_directory(const std::string&, bool create) override {
    return std::make_unique<SimulatedDirectory>(
        disk_, platform::real_file_system()->open_directory(directory_, create));
  }
  bool exists(const std::string& path) override { return platform::real_file_system()->exists(path); }
  void remove_directory(const std::string& path) override {
    platform::real_file_system()->remove_directory(path);
  }

 private:
  std::shared_ptr<SimulatedDisk> disk_;
  std::string directory_;
};

// Files that are there already are durable.
SimulatedDisk::SimulatedDisk(std::string directory) : directory_(std::move(directory)) {
  if (!std::filesystem::exists(directory_)) return;
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
    Inode inode;
    inode.durable = inode.current = read_whole(entry.path().string());
    names_[entry.path().filename().string()] = next_inode_;
    inodes_[next_inode_++] = std::move(inode);
  }
  durable_names_ = names_;
}

std::shared_ptr<platform::FileSystem> SimulatedDisk::file_system() {
  return std::make_shared<SimulatedFileSystem>(shared_from_this(), directory_);
}

void SimulatedDisk::effect(const std::string& call, const std::string& file) {
  const u64 number = effects_++;
  if (!before_effect || in_hook_) return;
  in_hook_ = true;
  try {
    before_effect(number, call, file);
  } catch (...) {
    in_hook_ = false;
    throw;
  }
  in_hook_ = false;
}

void SimulatedDisk::perform(std::vector<u8>& bytes, const Effect& effect) {
  if (effect.kind == Effect::Kind::size) {
    bytes.resize(effect.offset);
    return;
  }
  const u64 end = effect.offset + effect.bytes.size();
  if (bytes.size() < end) bytes.resize(end);
  std::copy(effect.bytes.begin(), effect.bytes.end(),
            bytes.begin() + static_cast<std::ptrdiff_t>(effect.offset));
}

void SimulatedDisk::add(Inode& inode, Effect effect) {
  perform(inode.current, effect);
  inode.unsynced.push_back(std::move(effect));
}

void SimulatedDisk::notice_mapped_stores(const std::string& name, Inode& inode) {
  const auto known = names_.find(name);
  if (known == names_.end() || &inodes_.at(known->second) != &inode) return;  // unlinked
  const std::vector<u8> real = read_whole(directory_ + "/" + name);
  const u64 common = std::min(real.size(), inode.current.size());
  for (u64 at = 0; at < common; at += kSector) {
    const u64 n = std::min(kSector, common - at);
    if (std::memcmp(real.data() + at, inode.current.data() + at, n) == 0) continue;
    const auto from = real.begin() + static_cast<std::ptrdiff_t>(at);
    add(inode, {Effect::Kind::write, at, {from, from + static_cast<std::ptrdiff_t>(n)}});
  }
}

std::vector<u8> SimulatedDisk::after_power_cut(const Inode& inode, Unsynced unsynced,
                                               std::mt19937_64& random) {
  if (unsynced == Unsynced::lost) return inode.durable;
  if (unsynced == Unsynced::kept) return inode.current;
  // Whole sectors of writes survive or not, each for itself. Sizes are kept in order, up to some point.
  std::vector<u8> bytes = inode.durable;
  const u64 sizes_kept = random() % (inode.unsynced.size() + 1);
  for (u64 i = 0; i < inode.unsynced.size(); ++i) {
    const Effect& effect = inode.unsynced[i];
    if (effect.kind == Effect::Kind::size) {
      if (i < sizes_kept) perform(bytes, effect);
      continue;
    }
    const u64 fate = random() % 4;  // lost, kept, or torn
    for (u64 at = 0; at < effect.bytes.size();) {
      const u64 n = std::min<u64>(kSector - (effect.offset + at) % kSector, effect.bytes.size() - at);
      if (fate == 1 || (fate >= 2 && random() % 2 != 0)) {
        const auto from = effect.bytes.begin() + static_cast<std::ptrdiff_t>(at);
        perform(bytes,
                {Effect::Kind::write, effect.offset + at, {from, from + static_cast<std::ptrdiff_t>(n)}});
      }
      at += n;
    }
  }
  return bytes;
}

void SimulatedDisk::make_image(const std::string& target, Unsynced unsynced, std::mt19937_64& random) {
  for (const auto& [name, number] : names_) notice_mapped_stores(name, inodes_.at(number));
  // Directory changes that were not synced: all or none, or each for itself.
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
  for (const auto& [name, number] : names) {
    const std::vector<u8> bytes = after_power_cut(inodes_.at(number), unsynced, random);
    std::ofstream(target + "/" + name, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
}

}  // namespace emd::testing
