// A store being used: opened, with a member of each kind in it, beside a model of what they hold: a dict "d", a list "l", a
// deque "q", a typed dict "t" of numbers, a set "u", an array "a" of numbers, flags "s" of the addresses of one range, and a directed graph "g".
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "input.h"
#include "model/graph_model.h"
#include "store/store.h"
#include "structures/array/array.h"
#include "structures/deque/deque.h"
#include "structures/dict/dict.h"
#include "structures/graph/graph.h"
#include "structures/list/list.h"
#include "structures/set/set.h"
#include "structures/shadow/shadow.h"
#include "structures/typed_dict/typed_dict.h"

namespace emd::fuzz {

struct Model {
  Model();

  std::map<std::string, std::string> dict;
  std::vector<std::string> list, deque;
  std::map<u64, u64> typed;
  std::set<std::string> set;
  std::vector<u64> array;
  std::string shadow;
  testing::GraphModel graph;
  friend bool operator==(const Model&, const Model&) = default;
};

class Session {
 public:
  // `sound`: the files are as the library left them, so that every call must answer, and as the model says.
  Session(std::string path, Model model, bool sound)
      : path_(std::move(path)), committed_(std::move(model)), sound_(sound) {}

  // Opens the store and its members; makes those that are not there. Errors: emd::Error, nothing is open then.
  void open(Mode mode);
  // Without saying goodbye, as a process that is killed.
  void abandon();
  void close();
  bool is_open() const { return store_ != nullptr; }

  // One operation that the input chooses. Errors: emd::Error.
  void step(Input& input);
  // What the members hold. The number of steps is bounded by the bytes. Errors: DamagedError.
  Model contents();
  // Of the store and its members.
  Findings verify();

  const Model& model() const { return model_; }

 private:
  void change_dict(Input& input, u8 what);
  void change_list(Input& input, u8 what);
  void change_deque(Input& input, u8 what);
  void change_typed(Input& input, u8 what);
  void change_set(Input& input, u8 what);
  void join(Input& input);
  void change_array(Input& input, u8 what);
  void change_shadow(Input& input);
  void change_graph(Input& input);
  void control(Input& input, u8 what);
  void look_up(Input& input);
  void require_equal();
  void open_members();
  void lay_out();
  void require_layouts() const;
  std::string flags() const;
  void let_go_of_members();

  const std::string path_;
  Model committed_, model_;
  const bool sound_;
  std::unique_ptr<Store> store_;
  std::shared_ptr<Member> dict_member_, list_member_, deque_member_, typed_member_, set_member_,
      array_member_, shadow_member_, graph_member_;
  std::optional<Dict> dict_;
  std::optional<List> list_;
  std::optional<Deque> deque_;
  std::optional<TypedDict> typed_;
  std::optional<Set> set_;
  std::optional<Array> array_;
  std::optional<Shadow> shadow_;
  std::optional<Graph> graph_;
};

}  // namespace emd::fuzz
