// One workload on a simulated disk, with power cuts and kills on the way.
//
// Before every sync, and before a part of the other effects, the inspector looks at what a power cut could leave.
// Some steps are killed at an effect: the page cache keeps what was written, and a new process recovers it, with power
// cuts (and sometimes another kill) on the way. A run is the same whenever it is repeated.
#pragma once

#include <optional>
#include <string>

#include "crash/workload.h"

namespace emd::testing {

struct CrashReport {
  u64 images = 0;
  u64 cut_off_recoveries = 0;
  u64 kills = 0;
  u64 implicit_commits = 0;
  std::optional<std::string> failure;  // with the step that it came in

  CrashReport& operator+=(const CrashReport& other);
};

CrashReport run_with_crashes(const Workload& workload);

// A part of the steps of a failing workload, as few as leaving out can make them, that still fails; runs it some
// hundred times at most.
Workload shrink(const Workload& failing);

// How to repeat it: arguments of emd_crash.
std::string arguments_of(const Workload& workload, u64 step_count);

}  // namespace emd::testing
