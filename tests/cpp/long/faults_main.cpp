// emd_faults: every call on the disk fails in turn, in workloads over each kind of member, a store and bare regions.
//
//   emd_faults --seed 1 --steps 20 --seeds 2    two workloads a subject; prints a table of calls and outcomes
//   emd_faults --subject graph --seed 1         those of one
//   emd_faults --subject dict --seed 1 --steps 20 --position 17 --fault EIO      repeats one
//
// With --share I/N only each N-th position, beginning with I. Exits with 1 if anything was lost.
#include <array>
#include <cstdio>
#include <map>
#include <stdexcept>
#include <string>

#include "crash/fault_run.h"

namespace emd::testing {
namespace {

constexpr Subject kSubjects[] = {Subject::dict,    Subject::list,  Subject::typed,  Subject::store,
                                 Subject::regions, Subject::array, Subject::shadow, Subject::graph,
                                 Subject::set,     Subject::deque};
constexpr Fault kFaults[] = {Fault::eio, Fault::enospc, Fault::enospc_from_here, Fault::short_write};

struct Arguments {
  u64 seed = 1;
  u64 seeds = 1;
  u64 steps = 20;
  u64 share = 0, shares = 1;
  std::string subject;
  std::string fault;
  u64 position = 0;
};

Arguments parse(int count, char** values) {
  Arguments arguments;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string name = values[i], value = values[i + 1];
    if (name == "--seed")
      arguments.seed = std::stoull(value);
    else if (name == "--seeds")
      arguments.seeds = std::stoull(value);
    else if (name == "--steps")
      arguments.steps = std::stoull(value);
    else if (name == "--position")
      arguments.position = std::stoull(value);
    else if (name == "--subject")
      arguments.subject = value;
    else if (name == "--fault")
      arguments.fault = value;
    else if (name == "--share") {
      arguments.share = std::stoull(value);
      arguments.shares = std::stoull(value.substr(value.find('/') + 1));
    } else
      throw std::invalid_argument("no such argument: " + name);
  }
  if (count % 2 == 0) throw std::invalid_argument("an argument has no value");
  return arguments;
}

using Counts = std::array<u64, kOutcomeCount>;

class Table {
 public:
  void add(const FaultReport& report, Fault fault) {
    ++counts_[{report.call, fault}][static_cast<std::size_t>(report.outcome)];
  }
  void print(u64 lost) const {
    std::printf("%-16s %-12s %8s  %9s %9s %12s %11s\n", "call", "error", "injected", "absorbed", "goes on",
                "must reopen", "open, close");
    Counts all{};
    for (const auto& [key, counts] : counts_) {
      line(to_string(key.first), to_string(key.second), counts);
      for (std::size_t i = 0; i < all.size(); ++i) all[i] += counts[i];
    }
    line("all", "", all);
    std::printf("%llu lost\n", static_cast<unsigned long long>(lost));
  }

 private:
  static void line(const char* call, const char* fault, const Counts& counts) {
    u64 sum = 0;
    for (const u64 count : counts) sum += count;
    const auto number = [](u64 value) { return static_cast<unsigned long long>(value); };
    std::printf("%-16s %-12s %8llu  %9llu %9llu %12llu %11llu\n", call, fault, number(sum), number(counts[0]),
                number(counts[1]), number(counts[2]), number(counts[3]));
  }
  std::map<std::pair<Call, Fault>, Counts> counts_;
};

void tell(const Workload& workload, const Arguments& arguments, u64 position, Fault fault,
          const FaultReport& report) {
  std::printf(
      "FAILED: %s in %s: %s\nrepeat: emd_faults --subject %s --seed %llu --steps %llu --position %llu "
      "--fault %s\n",
      to_string(fault), to_string(report.call), report.failure->c_str(), to_string(workload.subject),
      static_cast<unsigned long long>(workload.seed), static_cast<unsigned long long>(arguments.steps),
      static_cast<unsigned long long>(position), to_string(fault));
  std::fflush(stdout);
}

int run_all(const Arguments& arguments) {
  Table table;
  u64 lost = 0;
  for (u64 seed = arguments.seed; seed < arguments.seed + arguments.seeds; ++seed) {
    for (const Subject subject : kSubjects) {
      if (!arguments.subject.empty() && subject != subject_called(arguments.subject)) continue;
      const Workload workload = make_workload(subject, seed, arguments.steps);
      const std::vector<Call> calls = calls_of(workload);
      for (u64 position = arguments.share; position < calls.size(); position += arguments.shares) {
        for (const Fault fault : kFaults) {
          if (!is_possible(fault, calls[position])) continue;
          const FaultReport report = run_with_fault(workload, position, fault);
          if (report.failure) {
            ++lost;
            tell(workload, arguments, position, fault, report);
          } else {
            table.add(report, fault);
          }
        }
      }
    }
  }
  table.print(lost);
  return lost == 0 ? 0 : 1;
}

int run_one(const Arguments& arguments) {
  const Workload workload = make_workload(subject_called(arguments.subject), arguments.seed, arguments.steps);
  for (const Fault fault : kFaults) {
    if (arguments.fault != to_string(fault)) continue;
    const FaultReport report = run_with_fault(workload, arguments.position, fault);
    std::printf("%s: %s\n", to_string(report.call), to_string(report.outcome));
    if (report.failure) tell(workload, arguments, arguments.position, fault, report);
    return report.failure ? 1 : 0;
  }
  throw std::invalid_argument("no such fault: " + arguments.fault);
}

int run(int count, char** values) {
  try {
    const Arguments arguments = parse(count, values);
    return arguments.fault.empty() ? run_all(arguments) : run_one(arguments);
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "emd_faults: %s\n", error.what());
    return 2;
  }
}

}  // namespace
}  // namespace emd::testing

int main(int count, char** values) { return emd::testing::run(count, values); }
