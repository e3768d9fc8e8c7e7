// Counting of calls, the run with one that fails, and what must hold after it.
#include "crash/fault_run.h"

#include <cerrno>
#include <filesystem>
#include <iterator>

#include "crash/crash_inspector.h"
#include "crash/workload_actor.h"
#include "support/scratch.h"

namespace emd::testing {
namespace {

// Calls that give blocks to a file.
bool needs_space(Call call) {
  switch (call) {
    case Call::open_directory:
    case Call::make_directory:
    case Call::move_directory:
    case Call::create:
    case Call::rename:
    case Call::sync_directory:
    case Call::lock:
    case Call::share:
    case Call::allocate:
    case Call::write:
    case Call::sync:
    case Call::zero:
      return true;
    default:
      return false;
  }
}

class FaultRun {
 public:
  explicit FaultRun(const Workload& workload)
      : workload_(workload),
        disk_(std::make_shared<SimulatedDisk>(scratch_.path("disk"))),
        inspector_(workload_, scratch_.path("images")),
        actor_(workload_, scratch_.path("disk"), disk_) {
    std::filesystem::create_directory(scratch_.path("images"));
    disk_->before_call = [this](Call call, const std::string& file) { before_call(call, file); };
  }

  // The actor makes its last calls when the rest is gone.
  ~FaultRun() { disk_->before_call = nullptr; }

  std::vector<Call> count_calls() {
    run_steps();
    return std::move(calls_);
  }

  FaultReport run(u64 position, Fault fault) {
    position_ = position;
    fault_ = fault;
    FaultReport report{Call::size, FaultOutcome::absorbed, std::nullopt};
    try {
      report.outcome = run_and_inspect();
    } catch (const std::exception& error) {
      report.failure = where_ + ": " + error.what();
    }
    report.call = failed_call_;
    return report;
  }

 private:
  static constexpr u64 kNever = ~u64{0};

  void before_call(Call call, const std::string& file) {
    const u64 number = next_++;
    if (position_ == kNever) return calls_.push_back(call);
    if (number == position_) {
      met_ = true;
      failed_call_ = call;
    } else if (!(met_ && full_ && needs_space(call))) {
      return;
    }
    full_ = fault_ == Fault::enospc_from_here;
    if (fault_ == Fault::short_write) throw ShortWrite{ENOSPC};
    throw SystemError(error(), std::string("injected into ") + to_string(call), "disk/" + file);
  }
  int error() const { return fault_ == Fault::eio ? EIO : ENOSPC; }

  // Runs the workload to its end or to the first error, which it returns. An error in a destructor is not heard: then
  // the next change says that the store must be reopened.
  std::optional<SystemError> run_steps() {
    try {
      where_ = "opening";
      actor_.open();
      for (const Step& step : workload_.steps) {
        where_ = "step " + std::to_string(step.number) + ", " + to_string(step.action);
        actor_.act(step);
        full_ = false;
      }
    } catch (const SystemError& found) {
      full_ = false;
      return found;
    } catch (const StateError&) {
      full_ = false;
      if (!met_) throw;
      refused_ = true;
    }
    return std::nullopt;
  }

  FaultOutcome run_and_inspect() {
    const auto raised = run_steps();
    if (!met_) throw Violation("the call was not made");
    FaultOutcome outcome = FaultOutcome::absorbed;
    if (raised) {
      if (raised->error() != error()) {
        throw Violation("expected errno " + std::to_string(error()) + ", found " + raised->what());
      }
      if (raised->path().empty()) throw Violation("no path in: " + std::string(raised->what()));
      const bool open = actor_.is_open() && !actor_.store().closed();
      outcome = !open ? FaultOutcome::closed : goes_on() ? FaultOutcome::usable : FaultOutcome::must_reopen;
    } else {
      if (refused_) outcome = FaultOutcome::must_reopen;
      actor_.require_current();
    }
    reopen();
    return outcome;
  }

  // Whether the store still takes changes; if so, all must be as before the operation that failed.
  bool goes_on() {
    try {
      if (actor_.in_transaction()) actor_.act({Action::roll_back, 0, 0});
      actor_.store().require_readable();
      actor_.require_current();
      actor_.act({Action::change, 0, workload_.seed});
      actor_.act({Action::commit, 0, 0});
    } catch (const StateError&) {
      return false;
    } catch (const SystemError& told_later) {  // of a sync in the background
      if (told_later.error() != error() || !refuses()) throw;
      return false;
    }
    actor_.require_current();
    return true;
  }

  bool refuses() {
    try {
      const Operation operation(actor_.store());
    } catch (const StateError&) {
      return true;
    }
    return false;
  }

  // The process ends. Power cut now; or the next process opens it in the same boot, with power cuts on the way.
  void reopen() {
    const std::string before = where_;
    where_ = before + ", after the fault";
    inspect();
    const std::vector<State> allowed = actor_.allowed();
    actor_.abandon();
    disk_->before_call = [&](Call call, const std::string&) {
      if (is_sync(call)) inspector_.inspect(*disk_, allowed, workload_.seed, CrashInspector::Cuts::once);
    };
    where_ = before + ", reopening";
    actor_.open();
    const State found = allowed[CrashInspector::find_state(actor_.store(), workload_, allowed)];
    actor_.adopt(found);
    where_ = before + ", after reopening";
    inspect();
    actor_.act({Action::change, 0, workload_.seed});
    actor_.act({Action::reopen, 0, 0});
  }

  void inspect() {
    inspector_.inspect(*disk_, actor_.allowed(), workload_.seed, CrashInspector::Cuts::once);
    if (inspector_.failure()) throw Violation(*inspector_.failure());
  }

  Scratch scratch_ = Scratch::fast();
  const Workload& workload_;
  std::shared_ptr<SimulatedDisk> disk_;
  CrashInspector inspector_;
  WorkloadActor actor_;
  std::vector<Call> calls_;
  u64 next_ = 0;
  u64 position_ = kNever;
  Fault fault_ = Fault::eio;
  bool met_ = false;
  bool full_ = false;
  bool refused_ = false;
  Call failed_call_{};
  std::string where_;
};

}  // namespace

const char* to_string(Fault fault) {
  static constexpr const char* kNames[] = {"EIO", "ENOSPC", "disk-full", "short-write"};
  static_assert(std::size(kNames) == kFaultCount);
  return kNames[static_cast<int>(fault)];
}

const char* to_string(FaultOutcome outcome) {
  static constexpr const char* kNames[] = {"absorbed", "raised, goes on", "raised, must be reopened",
                                           "raised by opening or closing"};
  static_assert(std::size(kNames) == kOutcomeCount);
  return kNames[static_cast<int>(outcome)];
}

bool is_possible(Fault fault, Call call) {
  switch (fault) {
    case Fault::eio:
      return true;
    case Fault::short_write:
      return call == Call::write;
    default:
      return needs_space(call);
  }
}

std::vector<Call> calls_of(const Workload& workload) { return FaultRun(workload).count_calls(); }

FaultReport run_with_fault(const Workload& workload, u64 position, Fault fault) {
  return FaultRun(workload).run(position, fault);
}

}  // namespace emd::testing
