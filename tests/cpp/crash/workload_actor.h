// Carries out the steps of a workload on a store on a simulated disk, and keeps the model of what it holds: the present
// state, the last one committed, and the one that a commit in flight may have made durable.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "crash/simulated_disk.h"
#include "crash/workload_member.h"

namespace emd::testing {

// The store is not what the model says.
struct Violation : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class WorkloadActor {
 public:
  // The process's memory budget is the workload's as long as the actor lives.
  WorkloadActor(const Workload& workload, std::string path, std::shared_ptr<SimulatedDisk> disk);
  ~WorkloadActor();
  WorkloadActor(const WorkloadActor&) = delete;
  WorkloadActor& operator=(const WorkloadActor&) = delete;

  // Opens the store, or makes it. Errors: as Store::open.
  void open();
  bool is_open() const { return store_ != nullptr; }
  Store& store() { return *store_; }
  // Errors: those of the store. An operation that throws has changed nothing, a commit is still pending.
  void act(const Step& step);
  // The states that may be found after a crash now; the first is the last one committed.
  std::vector<State> allowed() const;
  const State& current() const { return current_; }
  bool in_transaction() const { return in_transaction_; }

  // Lets the store go without closing it, as a process does that dies.
  void abandon();
  // Says that the store, just opened, holds this.
  void adopt(const State& state);
  // Says that a commit which threw has made nothing durable, as the store can go on.
  void nothing_in_flight() { in_flight_.reset(); }
  // Throws Violation unless the store holds the present state.
  void require_current();

  u64 implicit_commits() const { return implicit_commits_; }

 private:
  StoreOptions options() const;
  void fix_seed();
  WorkloadMember& member(const std::string& name);
  void forget_dead_members();
  void change(Random& random);
  void create(Random& random);
  void drop(Random& random);
  void let_go(Random& random);
  void begin();
  void end();
  void roll_back();
  void compact(Random& random);
  void reopen();
  std::string some_name(Random& random) const;
  std::string new_name(Random& random) const;
  u64 commits();
  template <class F>
  void operate(F&& work);
  template <class F>
  void commit_by(F&& call);

  const Workload& workload_;
  const std::string path_;
  const std::shared_ptr<SimulatedDisk> disk_;
  const u64 usual_budget_;
  std::unique_ptr<Store> store_;
  std::map<std::string, std::unique_ptr<WorkloadMember>> members_;  // handles; in part
  State current_;
  State committed_;
  std::optional<State> in_flight_;
  bool in_transaction_ = false;
  u64 implicit_commits_ = 0;
};

}  // namespace emd::testing
