// GraphModel: what a graph is to hold, in main memory; and GraphDriver: random changes made to a graph and its model
// alike. For the tests of graphs, for workloads (workload_member.h) and for the fuzz target.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "structures/graph/graph.h"

namespace emd::testing {

struct GraphModel {
  using Edge = std::pair<std::string, std::string>;

  bool directed = false;
  u32 edge_bytes = 0;  // of each record, where edges have a type
  std::string attributes;
  std::vector<std::string> vertices;  // in the order of insertion
  std::map<std::string, std::string> vertex_attributes;
  std::map<std::string, std::vector<std::string>> out, in;  // undirected: only `out`
  std::map<Edge, std::string> records;                      // of every edge; of parallel ones as text

  Edge name(const std::string& u, const std::string& v) const {
    return directed || u <= v ? Edge(u, v) : Edge(v, u);
  }
  bool has(const std::string& u) const;
  bool has(const std::string& u, const std::string& v) const { return records.contains(name(u, v)); }
  void add(const std::string& u);
  void add(const std::string& u, const std::string& v);
  void remove(const std::string& u);
  void remove(const std::string& u, const std::string& v);
  void clear_edges();
  void clear();
  Graph::Type type() const;
  // Whether they say the same of a graph.
  friend bool operator==(const GraphModel& a, const GraphModel& b);
};

// What a model has of the record of an edge. Errors: those of reading the graph.
std::string text_of(const Graph& graph, VertexId u, VertexId v, const Graph::EdgeRecord& record);

// What a graph holds, which is laid out. Errors: those of reading the graph.
GraphModel model_of(const Graph& graph);

// The first difference between a graph, which is laid out, and its model, or nothing.
// Errors: those of reading the graph.
std::optional<std::string> difference(const Graph& graph, const GraphModel& model);

// The graph has answered other than its model.
struct Disagreement : std::logic_error {
  using std::logic_error::logic_error;
};

class GraphDriver {
 public:
  // A number below the limit, by which a change is chosen.
  using Choice = std::function<u64(u64 limit)>;

  GraphDriver(Graph& graph, GraphModel& model, Choice below)
      : graph_(graph), model_(model), below_(std::move(below)) {}
  // One change of both, inside an Operation of the caller, or a question to both.
  // Errors: those of the graph, then both are as before it, or as after a part of what adds several things;
  // Disagreement.
  void change();

 private:
  std::string some_key() const;
  std::string known_key() const;
  std::string some_bytes() const;
  std::string some_record() const;
  GraphModel::Edge some_edge() const;
  VertexId at(const std::string& key) const;
  void add_vertex(const std::string& key);
  void add_edge();
  void add_edges();
  void add_records(const std::vector<GraphModel::Edge>& edges, const std::string& records,
                   const std::string& mask);
  void remove_edge();
  void remove_vertex();
  void set_edge_attributes();
  void change_parallel();
  void set_vertex_attributes();
  void ask();
  static void agree(bool holds, const char* on);

  Graph& graph_;
  GraphModel& model_;
  Choice below_;
};

}  // namespace emd::testing
