// The steps of one workload, with power cuts before effects and kills at them.
#include "crash/crash_run.h"

#include <algorithm>
#include <filesystem>

#include "base/hash.h"
#include "crash/crash_inspector.h"
#include "crash/workload_actor.h"
#include "support/scratch.h"

namespace emd::testing {
namespace {

constexpr u64 kMostTrials = 300;

class CrashRun {
 public:
  explicit CrashRun(const Workload& workload)
      : workload_(workload),
        disk_(std::make_shared<SimulatedDisk>(scratch_.path("disk"))),
        inspector_(workload_, scratch_.path("images")),
        actor_(workload_, scratch_.path("disk"), disk_) {
    std::filesystem::create_directory(scratch_.path("images"));
    disk_->before_call = [this](Call call, const std::string&) {
      if (is_effect(call)) before_effect(call);
    };
  }

  CrashReport run() {
    perform("opening", 0, [this] { actor_.open(); });
    for (const Step& step : workload_.steps) {
      if (report_.failure) break;
      const std::string name = "step " + std::to_string(step.number) + ", " + to_string(step.action);
      perform(name, 1 + step.number, [&] { actor_.act(step); });
    }
    if (!report_.failure) perform("the end", ~u64{0}, [this] { actor_.require_current(); });
    report_.images = inspector_.images();
    report_.cut_off_recoveries = inspector_.cut_off_recoveries();
    report_.implicit_commits = actor_.implicit_commits();
    return report_;
  }

 private:
  void before_effect(Call call) {
    const u64 sparse = workload_.subject == Subject::large ? 12 : 3;  // large images cost more
    const bool looks = is_sync(call) || (random_() % sparse == 0 && worth_a_look(effects_++, random_));
    if (looks) inspector_.inspect(*disk_, actor_.allowed(), random_());
    if (until_kill_ != 0 && (!kill_at_sync_ || is_sync(call)) && --until_kill_ == 0) throw ProcessKilled{};
  }

  // What the page cache holds and the disk does not yet is what the next process may trust wrongly: so half of the
  // kills come just before a sync.
  void plan_kill(u64 one_in, u64 most_effects) {
    kill_at_sync_ = random_() % 2 == 0;
    const u64 within = kill_at_sync_ ? 6 : most_effects;
    until_kill_ = random_() % one_in == 0 ? 1 + random_() % within : 0;
  }

  // `number` says which step it is, also in a workload that was made shorter. Steps of neighbouring workloads must not
  // share their random numbers, or all would be killed in the same way.
  template <class F>
  void perform(const std::string& name, u64 number, F&& step) {
    const u64 which[] = {workload_.seed, number};
    random_.seed(hash64({reinterpret_cast<const u8*>(which), sizeof which}, 0));
    effects_ = 0;
    plan_kill(5, random_() % 2 == 0 ? 8 : 30);
    try {
      try {
        step();
      } catch (...) {
        // A kill in the middle of a destructor ends there, and the store then refuses what follows.
        if (!disk_->dead()) throw;
        restart();
      }
    } catch (const std::exception& error) {
      report_.failure = name + ": " + error.what();
    }
    if (!report_.failure && inspector_.failure()) report_.failure = name + ": " + *inspector_.failure();
  }

  // The process died: what it had mapped privately is gone, what the page cache holds is not.
  void restart() {
    ++report_.kills;
    const std::vector<State> allowed = actor_.allowed();
    for (;;) {
      actor_.abandon();
      disk_->revive();
      plan_kill(4, 10);
      try {
        actor_.open();
        break;
      } catch (const ProcessKilled&) {
        ++report_.kills;
      }
    }
    until_kill_ = 0;
    const SimulatedDisk::Quiet quiet(*disk_);
    actor_.adopt(allowed[CrashInspector::find_state(actor_.store(), workload_, allowed)]);
  }

  Scratch scratch_ = Scratch::fast();
  const Workload& workload_;
  Random random_;
  std::shared_ptr<SimulatedDisk> disk_;
  CrashInspector inspector_;
  WorkloadActor actor_;
  u64 effects_ = 0;  // of this step, without syncs
  bool kill_at_sync_ = false;
  u64 until_kill_ = 0;  // effects, or syncs; 0: none
  CrashReport report_;
};

}  // namespace

CrashReport& CrashReport::operator+=(const CrashReport& other) {
  images += other.images;
  cut_off_recoveries += other.cut_off_recoveries;
  kills += other.kills;
  implicit_commits += other.implicit_commits;
  if (!failure) failure = other.failure;
  return *this;
}

CrashReport run_with_crashes(const Workload& workload) { return CrashRun(workload).run(); }

// Delta debugging (Zeller, Hildebrandt: Simplifying and isolating failure-inducing input, TSE 2002), with complements
// only: leaves out ever smaller runs of steps while the rest still fails.
Workload shrink(const Workload& failing) {
  Workload best = failing;
  u64 trials = 0;
  for (std::size_t run = std::max<std::size_t>(best.steps.size() / 2, 1);;) {
    bool shorter = false;
    for (std::size_t from = 0; from < best.steps.size() && trials < kMostTrials;) {
      Workload trial = best;
      const auto begin = trial.steps.begin() + static_cast<std::ptrdiff_t>(from);
      trial.steps.erase(begin, begin + static_cast<std::ptrdiff_t>(std::min(run, trial.steps.size() - from)));
      ++trials;
      if (run_with_crashes(trial).failure) {
        best = std::move(trial);
        shorter = true;
      } else {
        from += run;
      }
    }
    if (trials >= kMostTrials || (run == 1 && !shorter)) return best;
    if (!shorter) run = std::max<std::size_t>(run / 2, 1);
  }
}

std::string arguments_of(const Workload& workload, u64 step_count) {
  std::string text = std::string("--subject ") + to_string(workload.subject) + " --seed " +
                     std::to_string(workload.seed) + " --steps " + std::to_string(step_count);
  if (workload.steps.size() == step_count) return text;
  text += " --only ";
  for (const Step& step : workload.steps) text += std::to_string(step.number) + ",";
  text.pop_back();
  return text;
}

}  // namespace emd::testing
