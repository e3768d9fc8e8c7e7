// A call graph: who calls whom, and by which way one function comes to call another.
//
//   call_graph STORE < EDGES          adds lines of "caller callee", then prints how large the graph is
//   call_graph STORE FROM TO          prints a shortest chain of calls
#include <emd/emd.h>

#include <algorithm>
#include <deque>
#include <iostream>
#include <string>
#include <unordered_map>
#include <vector>

namespace {

void add_calls(emd::Store& store, emd::Graph& calls, std::istream& input) {
  auto transaction = store.transaction();
  for (std::string caller, callee; input >> caller >> callee;) calls.add_edge(caller, callee);
  transaction.commit();
}

// A shortest path, by a search in breadth; empty if there is none. Vertices are numbers here: a key is looked up once,
// and read once for what is printed.
std::vector<emd::Vertex> shortest_path(const emd::Graph& graph, emd::Vertex from, emd::Vertex to) {
  std::unordered_map<emd::Vertex, emd::Vertex> reached_from{{from, from}};
  std::deque<emd::Vertex> next{from};
  std::vector<emd::Vertex> successors;  // one piece of memory for all of them
  while (!next.empty() && !reached_from.contains(to)) {
    const emd::Vertex vertex = next.front();
    next.pop_front();
    graph.successors(vertex, successors);
    for (const emd::Vertex successor : successors) {
      if (reached_from.emplace(successor, vertex).second) next.push_back(successor);
    }
  }
  std::vector<emd::Vertex> path;
  if (!reached_from.contains(to)) return path;
  for (emd::Vertex at = to; at != from; at = reached_from.at(at)) path.push_back(at);
  path.push_back(from);
  std::reverse(path.begin(), path.end());
  return path;
}

int print_path(const emd::Graph& calls, const std::string& from, const std::string& to) {
  const auto first = calls.find(from), last = calls.find(to);
  const auto path = first && last ? shortest_path(calls, *first, *last) : std::vector<emd::Vertex>();
  for (const emd::Vertex vertex : path) std::cout << calls.key(vertex) << (vertex == *last ? "\n" : " -> ");
  return path.empty() ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 && argc != 4) {
    std::cerr << "usage: call_graph STORE < EDGES, or: call_graph STORE FROM TO\n";
    return 2;
  }
  try {
    if (argc == 4) {
      auto store = emd::Store::open(argv[1], {.mode = emd::Mode::read});
      return print_path(store.graph("calls"), argv[2], argv[3]);
    }
    auto store = emd::Store::open(argv[1]);
    emd::Graph calls = store.graph("calls", true);
    add_calls(store, calls, std::cin);
    std::cout << calls.vertex_count() << " functions, " << calls.edge_count() << " calls\n";
    store.close();
  } catch (const emd::Error& error) {
    std::cerr << "call_graph: " << error.what() << '\n';
    return 1;
  }
}
