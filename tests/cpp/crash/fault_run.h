// One fault of the disk in a workload: a call fails, and then all is looked at that must hold.
//
// A workload is run once to count its calls on the disk. Then it is run again for a call of it, which is made to fail.
// What the step raises must be the injected error; the store must either go on (its content is as before the operation,
// a change and a commit succeed) or refuse until it is opened again. Then the process ends without closing, and the
// store must be found with the last commit or the one in flight: in images of a power cut, in the page cache by a
// reopening in the same boot, and by a power cut in and after that reopening.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "crash/simulated_disk.h"
#include "crash/workload.h"

namespace emd::testing {

enum class Fault {
  eio,               // the call fails once with EIO
  enospc,            // the call fails once with ENOSPC
  enospc_from_here,  // so do all later ones that could need space, until the step has ended
  short_write,       // half of the bytes are written, then ENOSPC
};
inline constexpr int kFaultCount = 4;
const char* to_string(Fault fault);
// Whether a real call can fail so.
bool is_possible(Fault fault, Call call);

enum class FaultOutcome {
  absorbed,     // the step succeeded: the call only keeps space, or was tried another way
  usable,       // raised, and the store goes on
  must_reopen,  // raised, and the store refuses changes until it is opened again
  closed,       // raised by opening or closing; the next opening succeeds
};
inline constexpr int kOutcomeCount = 4;
const char* to_string(FaultOutcome outcome);

struct FaultReport {
  Call call;
  FaultOutcome outcome;
  std::optional<std::string> failure;
};

// The calls of the workload's run without a fault, in order.
std::vector<Call> calls_of(const Workload& workload);
// Runs the workload with the fault in its call number `position`.
FaultReport run_with_fault(const Workload& workload, u64 position, Fault fault);

}  // namespace emd::testing
