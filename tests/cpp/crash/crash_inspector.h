// Builds what a power cut could leave of a simulated disk, opens it with the real file system, and compares what is
// found with the states that a crash may find.
#pragma once

#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "crash/simulated_disk.h"
#include "crash/workload.h"
#include "crash/workload_member.h"

namespace emd::testing {

// Whether to look at an effect that is no sync, so many of which came before it in the same step.
bool worth_a_look(u64 effects_before, Random& random);

class CrashInspector {
 public:
  // Images are made in `scratch`, a directory, and removed when they have been looked at.
  CrashInspector(const Workload& workload, std::string scratch)
      : workload_(workload), scratch_(std::move(scratch)) {}

  // Looks at four images of this moment: what was not synced is lost, kept, and twice lost in part.
  // Twice: one image in eight is recovered on a simulated disk in turn, with power cuts on the way.
  enum class Cuts { once, twice };
  void inspect(SimulatedDisk& disk, const std::vector<State>& allowed, u64 seed, Cuts cuts = Cuts::twice);

  // Which of the states the store holds; throws Violation if none of them.
  static std::size_t find_state(Store& store, const Workload& workload, const std::vector<State>& allowed);

  // Different images that were opened; the same image with the same allowed states counts once.
  u64 images() const { return images_; }
  u64 cut_off_recoveries() const { return cut_off_recoveries_; }
  // What was wrong with the first image that was not as it must be.
  const std::optional<std::string>& failure() const { return failure_; }

 private:
  void look_at(SimulatedDisk& disk, const std::vector<State>& allowed, Random& random, bool outermost);
  void open(const CrashImage& image, const std::vector<State>& allowed, Random& random);
  void open_for_reading(const std::string& path, const std::vector<State>& allowed);
  void cut_off_recovery(const CrashImage& image, const std::vector<State>& allowed, Random& random);
  std::string lay(const CrashImage& image, Random& random);

  const Workload& workload_;
  const std::string scratch_;
  std::unordered_set<u64> seen_;  // images, since `allowed_` came to be what it is
  std::vector<State> allowed_;
  u64 images_ = 0;
  u64 laid_ = 0;
  u64 cut_off_recoveries_ = 0;
  std::optional<std::string> failure_;
};

}  // namespace emd::testing
