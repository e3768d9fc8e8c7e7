// Member handles of a workload's store: a structure of any kind or a bare region, with the random changes that the
// workload makes to it and to its model, and the comparison of both.
#pragma once

#include <memory>
#include <optional>
#include <random>
#include <string>

#include "crash/workload.h"
#include "crash/workload_model.h"
#include "store/store.h"
#include "structures/array/array.h"
#include "structures/deque/deque.h"
#include "structures/dict/dict.h"
#include "structures/graph/graph.h"
#include "structures/list/list.h"
#include "structures/set/set.h"
#include "structures/shadow/shadow.h"
#include "structures/typed_dict/typed_dict.h"

namespace emd::testing {

using Random = std::mt19937_64;

std::string random_text(Random& random, u64 bytes);
std::string counts(const char* of, u64 expected, u64 found);

class WorkloadMember {
 public:
  // Takes hold of the member `name`; makes it first if there is none (inside an Operation of the caller, as opening an
  // empty dict lays its first bytes).
  WorkloadMember(Store& store, const std::string& name, const Workload& workload);
  ~WorkloadMember();
  WorkloadMember(const WorkloadMember&) = delete;
  WorkloadMember& operator=(const WorkloadMember&) = delete;

  // One random change of the member and its model, inside an Operation of the caller.
  // Errors: those of the structures; member and model are as before.
  void change(Content& model, Random& random);

  // Writes a dict or list anew without dead space. Commits. Errors: as emd::compact.
  void compact();

  // The first difference from the model, or nothing.
  std::optional<std::string> difference(const Content& model) const;
  // The structure's own check.
  void check(Findings& findings) const;
  // Whether it is there, and laid out: a rollback may take back either.
  bool live() const;

 private:
  void change_dict(Content& model, Random& random);
  void change_set(Content& model, Random& random);
  void change_typed(Content& model, Random& random);
  void change_list(Content& model, Random& random);
  void change_deque(Content& model, Random& random);
  void change_array(Content& model, Random& random);
  void change_shadow(Content& model, Random& random);
  void change_graph(Content& model, Random& random);
  void change_bytes(Content& model, Random& random);
  std::optional<std::string> bytes_difference(const std::string& bytes) const;
  void resize(Content& model, u64 items);
  void store_through_view(Content& model, Random& random);
  void put(Content& model, const std::string& key, const std::string& value);
  void erase(Content& model, u64 index);
  void splice(Content& model, u64 from, u64 to, const std::vector<Item>& items);
  void remove_strided(Content& model, Random& random);
  void shuffle(Content& model, Random& random);
  void set(Content& model, Random& random);
  void rewrite_bytes(Content& model, Random& random);
  void kill_bytes(Content& model);
  std::vector<Word> words_of(List& list, const std::vector<Item>& items);
  // Hands the words of the items to put(words), and takes them back if that fails.
  template <class Put>
  void put_items(List& list, const std::vector<Item>& items, const Put& put);
  Region& region() const { return *member_->regions[0]; }

  Store& store_;
  const Workload& workload_;
  const std::string name_;
  Shape shape_;
  std::shared_ptr<Member> member_;
  std::optional<Dict> dict_;
  std::optional<Set> set_;
  std::optional<List> list_;
  std::optional<Deque> deque_;
  std::optional<TypedDict> typed_;
  std::optional<Array> array_;
  std::optional<Shadow> shadow_;
  std::optional<Graph> graph_;
  std::optional<Region::View> view_;  // of the array
};

// The first way in which the store differs from the model or breaks an invariant, or nothing.
std::optional<std::string> difference(Store& store, const Workload& workload, const State& state);

}  // namespace emd::testing
