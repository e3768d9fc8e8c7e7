// Workload: a list of steps on a store, made from a seed, for tests of crashes and of faults.
//
// Each step draws on a seed of its own, so that any part of the steps can be left out and the others still mean the
// same: that is how a failing workload is made shorter (workload_shrink.h).
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"

namespace emd::testing {

enum class Subject {
  dict,     // one dict
  list,     // one list
  store,    // several of all kinds, made and dropped on the way
  regions,  // bare regions: arbitrary bytes, rewritten as a whole, and dead ranges
  large,    // a region that outgrows its reservation of addresses
  typed,    // one typed dict or set
  array,    // one array, changed in place, by growth and through views
  shadow,   // one shadow memory, whose ranges grow
  graph,    // one graph, directed or not, or of typed edges
  set,      // one set
  deque,    // one deque, with or without a limit
};
inline constexpr int kSubjectCount = 11;
const char* to_string(Subject subject);
// Throws std::invalid_argument if it names none.
Subject subject_called(const std::string& name);

enum class Action {
  change,
  create,
  drop,
  let_go,
  commit,
  begin,
  end,
  roll_back,
  checkpoint,
  compact,
  reopen
};
const char* to_string(Action action);

struct Step {
  Action action;
  u64 number;  // in the whole workload
  u64 seed;
};

struct Workload {
  Subject subject;
  u64 seed;
  std::vector<Step> steps;
  // Options of the store and its structures.
  bool commit_at_each_step = false;  // the interval is over whenever an operation begins
  u64 budget_bytes = 0;              // 0: the usual one
  u32 segment_buckets = 512;
  u32 hash_bits = 64;
  u64 delta_limit = 0;  // new entries of dicts are never gathered
  bool background_sync =
      false;                 // the files are synced after each commit, checkpoints are made before the next
  bool typed_values = true;  // false: typed sets in place of typed dicts
  bool long_lists = false;   // long enough to be written anew for a change

  bool implicit_commits() const { return commit_at_each_step || budget_bytes != 0; }
};

// Large regions get eight steps at most: each image costs a hundred times as much.
Workload make_workload(Subject subject, u64 seed, u64 step_count);
// With only these of the steps.
Workload with_steps(const Workload& workload, const std::vector<u64>& numbers);

}  // namespace emd::testing
