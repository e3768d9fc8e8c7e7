// Images of a disk after a power cut, opened and compared with what may be found.
#include "crash/crash_inspector.h"

#include <filesystem>
#include <fstream>

#include "crash/workload_actor.h"

namespace emd::testing {
namespace {

StoreOptions plain_options(Mode mode = Mode::append) {
  StoreOptions options;
  options.mode = mode;
  options.commit_interval_seconds = -1;
  return options;
}

const char* to_string(SimulatedDisk::Unsynced unsynced) {
  switch (unsynced) {
    case SimulatedDisk::Unsynced::lost:
      return "what was not synced is lost";
    case SimulatedDisk::Unsynced::kept:
      return "what was not synced is kept";
    default:
      return "what was not synced is kept in part";
  }
}

}  // namespace

// The first effects always, later ones ever more seldom: some dozens of a thousand.
bool worth_a_look(u64 effects_before, Random& random) {
  return effects_before < 8 || random() % (effects_before / 4) == 0;
}

void CrashInspector::inspect(SimulatedDisk& disk, const std::vector<State>& allowed, u64 seed, Cuts cuts) {
  Random random(seed);
  look_at(disk, allowed, random, cuts == Cuts::twice);
}

void CrashInspector::look_at(SimulatedDisk& disk, const std::vector<State>& allowed, Random& random,
                             bool outermost) {
  if (failure_) return;
  if (allowed != allowed_) {
    allowed_ = allowed;
    seen_.clear();
  }
  using Unsynced = SimulatedDisk::Unsynced;
  for (const Unsynced unsynced : {Unsynced::lost, Unsynced::kept, Unsynced::random, Unsynced::random}) {
    try {
      const CrashImage image = disk.image(unsynced, random);
      const bool is_new = seen_.insert(image.fingerprint()).second;
      if (!is_new) continue;
      if (outermost && random() % 8 == 0) cut_off_recovery(image, allowed, random);
      open(image, allowed, random);
    } catch (const std::exception& error) {
      failure_ = std::string("power cut, ") + to_string(unsynced) + ": " + error.what();
    }
    if (failure_) return;
  }
}

// The lock's file is not synced: it may have survived, and then names the writer that was cut off.
std::string CrashInspector::lay(const CrashImage& image, Random& random) {
  const std::string path = scratch_ + "/image" + std::to_string(laid_++);
  std::filesystem::create_directory(path);
  image.write_to(path);
  if (random() % 2 == 0) std::ofstream(path + "/lock") << "pid 1 (cut off)";
  return path;
}

std::size_t CrashInspector::find_state(Store& store, const Workload& workload,
                                       const std::vector<State>& allowed) {
  Findings findings;
  store.verify(findings);
  if (!findings.empty()) throw Violation(findings[0].where + ": " + findings[0].what);
  std::string differences;
  for (std::size_t i = 0; i < allowed.size(); ++i) {
    const auto found = difference(store, workload, allowed[i]);
    if (!found) return i;
    differences += (i == 0 ? "not the last commit (" : " and not the one in flight (") + *found + ")";
  }
  throw Violation(differences);
}

void CrashInspector::open(const CrashImage& image, const std::vector<State>& allowed, Random& random) {
  ++images_;
  const std::string path = lay(image, random);
  if (random() % 4 == 0 && image.files.contains("superblock")) open_for_reading(path, allowed);
  auto store = Store::open(path, plain_options());
  find_state(*store, workload_, allowed);
  store->close();
  store.reset();
  std::filesystem::remove_all(path);
}

// A reader sees the same without changing anything.
void CrashInspector::open_for_reading(const std::string& path, const std::vector<State>& allowed) {
  const auto store = Store::open(path, plain_options(Mode::read));
  find_state(*store, workload_, allowed);
}

// Recovers the image on a simulated disk, with power cuts before its syncs and others of its effects.
void CrashInspector::cut_off_recovery(const CrashImage& image, const std::vector<State>& allowed,
                                      Random& random) {
  ++cut_off_recoveries_;
  const std::string path = lay(image, random);
  const auto disk = std::make_shared<SimulatedDisk>(path, image);
  u64 effects = 0;
  disk->before_call = [&](Call call, const std::string&) {
    if (is_sync(call) || (is_effect(call) && worth_a_look(effects++, random))) {
      look_at(*disk, allowed, random, false);
    }
  };
  StoreOptions options = plain_options();
  options.file_system = disk->file_system();
  auto store = Store::open(path, options);
  find_state(*store, workload_, allowed);
  store.reset();
  std::filesystem::remove_all(path);
}

}  // namespace emd::testing
