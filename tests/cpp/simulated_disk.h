// A disk that remembers what is durable, for crash tests.
//
// It stands behind the platform seam, over real files in a scratch directory (the "page cache"). For each
// file it keeps the durable bytes and the effects since the last sync; stores through shared mappings are found by
// comparing the real file with what the calls alone would have made. A crash image is a directory that a
// power cut could leave: the durable bytes, and of what was not synced a chosen part, in any order, torn at
// sectors. Names are durable once the directory is synced.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "platform/file.h"

namespace emd::testing {

// Thrown out of a call on the disk to end a "process" there.
struct ProcessKilled {};

class SimulatedDisk : public std::enable_shared_from_this<SimulatedDisk> {
 public:
  // What a power cut does with effects that were not synced.
  enum class Unsynced { lost, kept, random };

  explicit SimulatedDisk(std::string directory);

  // The file system to open stores with; all paths are this disk's one directory.
  std::shared_ptr<platform::FileSystem> file_system();
  // Called before every effect (a write, a sync, ...), with its number; may throw ProcessKilled, or a
  // SystemError to inject a fault. Not called from within itself.
  std::function<void(u64 number, const std::string& call, const std::string& file)> before_effect;
  u64 effects() const { return effects_; }

  // Writes into `target` (an empty directory) what a power cut now would leave.
  void make_image(const std::string& target, Unsynced unsynced, std::mt19937_64& random);

 private:
  friend class SimulatedFile;
  friend class SimulatedDirectory;

  struct Effect {
    enum class Kind { write, size } kind;
    u64 offset = 0;         // write: where; size: the new size
    std::vector<u8> bytes;  // write
  };
  struct Inode {
    std::vector<u8> durable;
    std::vector<u8> current;  // durable with all effects
    std::vector<Effect> unsynced;
  };
  using Names = std::map<std::string, u64>;

  void effect(const std::string& call, const std::string& file);
  void add(Inode& inode, Effect effect);
  void notice_mapped_stores(const std::string& name, Inode& inode);
  static void perform(std::vector<u8>& bytes, const Effect& effect);
  std::vector<u8> after_power_cut(const Inode& inode, Unsynced unsynced, std::mt19937_64& random);

  std::string directory_;
  Names names_, durable_names_;
  std::map<u64, Inode> inodes_;
  u64 next_inode_ = 1;
  u64 effects_ = 0;
  bool in_hook_ = false;
};

}  // namespace emd::testing
