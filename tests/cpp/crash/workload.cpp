// Workloads from seeds: the mix of steps for each subject.
#include "crash/workload.h"

#include <algorithm>
#include <iterator>
#include <random>
#include <stdexcept>

namespace emd::testing {
namespace {

constexpr const char* kSubjects[] = {"dict",  "list",   "store", "regions", "large", "typed",
                                     "array", "shadow", "graph", "set",     "deque"};
static_assert(std::size(kSubjects) == kSubjectCount);

Action draw_action(Subject subject, std::mt19937_64& random) {
  const u64 draw = random() % 100;
  if (draw < 52) return Action::change;
  if (draw < 66) return Action::commit;
  if (draw < 74) return Action::begin;
  if (draw < 80) return Action::end;
  if (draw < 83) return Action::roll_back;
  if (draw < 87) return Action::checkpoint;
  if (draw < 90) return Action::reopen;
  if (draw < 92) return Action::let_go;
  if (draw < 95) return Action::compact;
  const bool several = subject == Subject::store || subject == Subject::regions;
  if (!several) return Action::change;
  return draw < 99 ? Action::create : Action::drop;
}

}  // namespace

const char* to_string(Subject subject) { return kSubjects[static_cast<int>(subject)]; }

Subject subject_called(const std::string& name) {
  const auto found = std::find(std::begin(kSubjects), std::end(kSubjects), name);
  if (found == std::end(kSubjects)) throw std::invalid_argument("no such subject: " + name);
  return static_cast<Subject>(found - std::begin(kSubjects));
}

const char* to_string(Action action) {
  static constexpr const char* kNames[] = {"change", "create",    "drop",       "let go",  "commit", "begin",
                                           "end",    "roll back", "checkpoint", "compact", "reopen"};
  return kNames[static_cast<int>(action)];
}

Workload make_workload(Subject subject, u64 seed, u64 step_count) {
  std::mt19937_64 random(seed * 16 + static_cast<u64>(subject));
  Workload workload{.subject = subject, .seed = seed, .steps = {}};
  workload.commit_at_each_step = random() % 8 == 0;
  // The least budget there is: a few hundred pages.
  if (random() % 4 == 0) workload.budget_bytes = u64{1} << 20;
  if (random() % 4 != 0) workload.segment_buckets = u32{1} << random() % 4;
  if (random() % 6 == 0) workload.hash_bits = 6;
  workload.typed_values = seed % 3 != 2;
  workload.long_lists = random() % 6 == 0;
  workload.background_sync = random() % 3 == 0;
  if (random() % 2 == 0) workload.delta_limit = u64{1} << random() % 8;
  if (subject == Subject::large) step_count = std::min<u64>(step_count, 8);
  workload.steps.push_back({Action::create, 0, random()});
  for (u64 i = 1; i < step_count; ++i) {
    const Action action = draw_action(subject, random);
    workload.steps.push_back({action, i, random()});
  }
  return workload;
}

Workload with_steps(const Workload& workload, const std::vector<u64>& numbers) {
  Workload part = workload;
  std::erase_if(part.steps, [&](const Step& step) {
    return std::find(numbers.begin(), numbers.end(), step.number) == numbers.end();
  });
  return part;
}

}  // namespace emd::testing
