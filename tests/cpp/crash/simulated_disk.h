// A disk that remembers what is durable, for tests of crashes and of faults.
//
// It stands behind the platform seam, over real files in a scratch directory (the "page cache"). For each
// file it keeps the durable bytes and the effects since the last sync; stores through shared mappings are found by
// comparing the real file with what the calls alone would have made. A crash image is a directory that a
// power cut could leave: the durable bytes, and of what was not synced a chosen part, in any order, torn at
// sectors. Names are durable once the directory is synced.
//
// What is no part of the data (the lock, the readers' table) is forwarded and forgotten.
//
// Threads: one.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "platform/file.h"
#include "support/sparse_bytes.h"

namespace emd::testing {

// Thrown out of a call on the disk to end a "process" there.
struct ProcessKilled {};
// Thrown by the hook of a write: half of the bytes are written, and the call fails with this error.
struct ShortWrite {
  int error;
};

// The calls of the platform seam, and one for each way to open.
enum class Call {
  open_directory,
  make_directory,
  move_directory,
  exists,
  list,
  open,
  create,
  remove,
  rename,
  sync_directory,
  lock,
  writer_present,
  share,
  permissions,
  current_path,
  size,
  allocated,
  read,
  map,
  allocate,
  truncate,
  write,
  sync,
  punch,
  zero
};
inline constexpr int kCallCount = static_cast<int>(Call::zero) + 1;
const char* to_string(Call call);
// Whether the call changes what a power cut would leave.
bool is_effect(Call call);
inline bool is_sync(Call call) { return call == Call::sync || call == Call::sync_directory; }

// What a power cut left, file by file.
struct CrashImage {
  std::map<std::string, SparseBytes> files;

  u64 fingerprint() const;
  // Lays the files into `directory`, which is empty.
  void write_to(const std::string& directory) const;
};

class SimulatedDisk : public std::enable_shared_from_this<SimulatedDisk> {
 public:
  // What a power cut does with effects that were not synced.
  enum class Unsynced { lost, kept, random };

  explicit SimulatedDisk(std::string directory);
  // Starts with these files, which are durable and already lie in the directory.
  SimulatedDisk(std::string directory, const CrashImage& image);

  // The file system to open stores with; all paths are this disk's one directory. One that is made is in it from the
  // beginning, so that to move it to its place is but a call.
  std::shared_ptr<platform::FileSystem> file_system();
  // Called before every call; may throw ProcessKilled, ShortWrite, or a SystemError to inject a fault.
  // Not called from within itself.
  std::function<void(Call call, const std::string& file)> before_call;
  // After ProcessKilled no call has an effect: what runs in destructors is not what a dead process does.
  bool dead() const { return dead_; }
  void revive() { dead_ = false; }

  // While it lives, the hook rests.
  class Quiet {
   public:
    explicit Quiet(SimulatedDisk& disk) : disk_(disk), before_(std::exchange(disk.in_hook_, true)) {}
    ~Quiet() { disk_.in_hook_ = before_; }
    Quiet(const Quiet&) = delete;
    Quiet& operator=(const Quiet&) = delete;

   private:
    SimulatedDisk& disk_;
    bool before_;
  };

  // What a power cut now would leave.
  CrashImage image(Unsynced unsynced, std::mt19937_64& random);

 private:
  friend class SimulatedFile;
  friend class SimulatedDirectory;
  friend class SimulatedNewDirectory;
  friend class SimulatedFileSystem;

  struct Effect {
    enum class Kind { write, fill, size } kind;
    u64 offset = 0;         // size: the new size
    std::vector<u8> bytes;  // write
    u64 length = 0;         // fill with zeros
  };
  struct Inode {
    SparseBytes durable;
    SparseBytes current;  // what the page cache shows
    std::vector<Effect> unsynced;
  };
  using Names = std::map<std::string, u64>;

  void call(Call call, const std::string& file);
  static void add(Inode& inode, Effect effect);
  void fail_sync(const std::string& name, Inode& inode);
  void notice_mapped_stores(const std::string& name, Inode& inode);
  static void perform(SparseBytes& bytes, const Effect& effect);
  static void perform_in_part(SparseBytes& bytes, const Effect& effect, std::mt19937_64& random);
  static SparseBytes after_power_cut(const Inode& inode, Unsynced unsynced, std::mt19937_64& random);
  Names names_after_power_cut(Unsynced unsynced, std::mt19937_64& random) const;

  std::string directory_;
  Names names_, durable_names_;
  std::map<u64, Inode> inodes_;
  u64 next_inode_ = 1;
  std::mt19937_64 failed_sync_random_{1};
  bool in_hook_ = false;
  bool dead_ = false;
};

}  // namespace emd::testing
