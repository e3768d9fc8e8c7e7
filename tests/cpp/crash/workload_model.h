// What a store should hold: the model that workloads on stores (workload_actor.h) are compared with.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "model/graph_model.h"

namespace emd::testing {

// What a member of a workload's store is; the first letter of its name says so.
enum class Shape : u8 { dict, list, array, typed, shadow, graph, set, deque, bytes };
inline Shape shape_of(const std::string& name) {
  switch (name[0]) {
    case 'd':
      return Shape::dict;
    case 'l':
      return Shape::list;
    case 'a':
      return Shape::array;
    case 't':
      return Shape::typed;
    case 's':
      return Shape::shadow;
    case 'g':
      return Shape::graph;
    case 'u':
      return Shape::set;
    case 'q':
      return Shape::deque;
    default:
      return Shape::bytes;
  }
}

// An element of a list: the bits of an inline word, or the bytes of a block.
struct Item {
  u64 bits = 0;
  std::shared_ptr<const std::string> block;
};

// The content of one member; one of these is used.
struct Content {
  std::vector<std::pair<std::string, std::string>>
      entries;              // of a dict, typed or not, or a set, in insertion order
  std::vector<Item> items;  // of a list or a deque
  std::string bytes;        // of a bare region, of an array's items, or flags
  GraphModel graph;
  bool dead = false;  // part of the bare region was given away and must not be written again
};

// All members of a store by name. Contents are never changed, but replaced, so that a copy of a state is cheap.
using State = std::map<std::string, std::shared_ptr<const Content>>;

}  // namespace emd::testing
