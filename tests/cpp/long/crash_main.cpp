// emd_crash: power cuts and kills at every sync point of random workloads, as many as wanted.
//
//   emd_crash --images 100000 --seed 1            runs workloads over all subjects until so many images were opened
//   emd_crash --images 9000 --subject graph       the same over one
//   emd_crash --subject dict --seed 7 --steps 30  repeats one workload
//   ... --only 0,4,9                              with these of its steps
//   ... --shrink                                  makes it shorter first, if it fails
//
// A failing workload is made shorter and printed as the command that repeats it. Exits with 1 then.
#include <chrono>
#include <cstdio>
#include <cstring>
#include <map>
#include <random>
#include <stdexcept>
#include <string>

#include "crash/crash_run.h"

namespace emd::testing {
namespace {

struct Arguments {
  u64 images = 0;
  u64 seed = 0;
  u64 stride = 1;  // of the seeds: several processes share a range
  u64 steps = 30;
  bool shrink = false;
  std::string subject;
  std::string only;
};

Arguments parse(int count, char** values) {
  Arguments arguments;
  arguments.seed = std::random_device{}();
  for (int i = 1; i < count; ++i) {
    const std::string name = values[i];
    if (name == "--shrink") {
      arguments.shrink = true;
      continue;
    }
    if (++i == count) throw std::invalid_argument(name + " needs a value");
    const std::string value = values[i];
    if (name == "--images")
      arguments.images = std::stoull(value);
    else if (name == "--seed")
      arguments.seed = std::stoull(value);
    else if (name == "--stride")
      arguments.stride = std::stoull(value);
    else if (name == "--steps")
      arguments.steps = std::stoull(value);
    else if (name == "--subject")
      arguments.subject = value;
    else if (name == "--only")
      arguments.only = value;
    else
      throw std::invalid_argument("no such argument: " + name);
  }
  return arguments;
}

std::vector<u64> numbers_in(const std::string& text) {
  std::vector<u64> numbers;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t used = 0;
    numbers.push_back(std::stoull(text.substr(at), &used));
    at += used + 1;
  }
  return numbers;
}

int tell(const Workload& workload, const CrashReport& report, const Arguments& arguments, bool shorten) {
  if (!report.failure) return 0;
  std::printf("FAILED: %s\n", report.failure->c_str());
  if (!shorten) return 1;
  std::printf("repeat: emd_crash %s\n", arguments_of(workload, arguments.steps).c_str());
  std::fflush(stdout);
  const Workload shorter = shrink(workload);
  std::printf("shortened to %zu of %zu steps, which fails so: %s\nrepeat: emd_crash %s\n",
              shorter.steps.size(), workload.steps.size(),
              run_with_crashes(shorter).failure.value_or("(not again)").c_str(),
              arguments_of(shorter, arguments.steps).c_str());
  return 1;
}

int repeat(const Arguments& arguments) {
  Workload workload = make_workload(subject_called(arguments.subject), arguments.seed, arguments.steps);
  if (!arguments.only.empty()) workload = with_steps(workload, numbers_in(arguments.only));
  for (const Step& step : workload.steps) {
    std::printf("step %llu: %s\n", static_cast<unsigned long long>(step.number), to_string(step.action));
  }
  const CrashReport report = run_with_crashes(workload);
  std::printf("%llu images\n", static_cast<unsigned long long>(report.images));
  return tell(workload, report, arguments, arguments.shrink);
}

void print(const char* name, const CrashReport& report) {
  std::printf("%-10s %9llu %19llu %7llu %17llu\n", name, static_cast<unsigned long long>(report.images),
              static_cast<unsigned long long>(report.cut_off_recoveries),
              static_cast<unsigned long long>(report.kills),
              static_cast<unsigned long long>(report.implicit_commits));
}

int run_many(const Arguments& arguments) {
  std::map<std::string, CrashReport> reports;
  CrashReport all;
  u64 seed = arguments.seed;
  const auto start = std::chrono::steady_clock::now();
  const auto wanted = [&](Subject subject) {
    return arguments.subject.empty() || subject == subject_called(arguments.subject);
  };
  for (u64 round = 0; all.images < arguments.images; ++round, seed += arguments.stride) {
    for (int subject = 0; subject < kSubjectCount; ++subject) {
      if (!wanted(static_cast<Subject>(subject))) continue;
      const bool large = static_cast<Subject>(subject) == Subject::large;
      if (large && round % 16 != 0) continue;  // its images cost a hundred times as much
      const Workload workload = make_workload(static_cast<Subject>(subject), seed, arguments.steps);
      const CrashReport report = run_with_crashes(workload);
      reports[to_string(workload.subject)] += report;
      all += report;
      if (report.failure) return tell(workload, report, arguments, true);
    }
  }
  std::printf("%-10s %9s %19s %7s %17s\n", "subject", "images", "recoveries-cut-off", "kills",
              "implicit-commits");
  for (const auto& [name, report] : reports) print(name.c_str(), report);
  print("all", all);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::printf("seeds %llu, %llu, ... below %llu; no loss, no mixture; %.0f s\n",
              static_cast<unsigned long long>(arguments.seed),
              static_cast<unsigned long long>(arguments.seed + arguments.stride),
              static_cast<unsigned long long>(seed), seconds.count());
  return 0;
}

int run(int count, char** values) {
  try {
    const Arguments arguments = parse(count, values);
    return arguments.images != 0 ? run_many(arguments) : repeat(arguments);
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "emd_crash: %s\n", error.what());
    return 2;
  }
}

}  // namespace
}  // namespace emd::testing

int main(int count, char** values) { return emd::testing::run(count, values); }
