// Power cuts and killed processes at every sync point of short random workloads over each kind of member, a store of
// several, and bare regions. docs/durability.md numbers the cases; `make crash` runs many more of them.
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "crash/crash_run.h"

namespace emd::testing {
namespace {

u64 from_environment(const char* name, u64 otherwise) {
  const char* const wanted = std::getenv(name);
  return wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : otherwise;
}

class Crash : public ::testing::TestWithParam<Subject> {};

// CRASH_SEED: the first seed (else a random one, printed). CRASH_WORKLOADS: how many. CRASH_STEPS: steps of each.
TEST_P(Crash, EverySyncPointLeavesACommittedState) {
  const u64 seed = from_environment("CRASH_SEED", std::random_device{}());
  const u64 steps = from_environment("CRASH_STEPS", GetParam() == Subject::large ? 4 : 30);
  const u64 workloads = from_environment("CRASH_WORKLOADS", GetParam() == Subject::large ? 1 : 2);
  CrashReport all;
  for (u64 i = 0; i < workloads; ++i) {
    const Workload workload = make_workload(GetParam(), seed + i, steps);
    all += run_with_crashes(workload);
    ASSERT_FALSE(all.failure) << *all.failure << "\nrepeat: emd_crash " << arguments_of(workload, steps)
                              << "\nshorten and repeat: emd_crash --shrink " << arguments_of(workload, steps);
  }
  std::printf("%s: %llu crash images, %llu kills, from seed %llu on\n", to_string(GetParam()),
              static_cast<unsigned long long>(all.images), static_cast<unsigned long long>(all.kills),
              static_cast<unsigned long long>(seed));
}

INSTANTIATE_TEST_SUITE_P(Of, Crash,
                         ::testing::Values(Subject::dict, Subject::list, Subject::store, Subject::regions,
                                           Subject::large, Subject::typed, Subject::array, Subject::shadow,
                                           Subject::graph, Subject::set, Subject::deque),
                         [](const auto& tested) { return std::string(to_string(tested.param)); });

}  // namespace
}  // namespace emd::testing
