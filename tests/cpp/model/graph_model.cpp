// Random changes of a graph and its model, and the comparison of all that can be asked.
#include "model/graph_model.h"

#include <algorithm>
#include <utility>

#include "base/errors.h"

namespace emd::testing {
namespace {

// Few enough that they get many neighbours.
constexpr u64 kKeys = 150;

std::string text(Bytes bytes) { return std::string(as_text(bytes)); }

// Parallel edges in a table, as the model has them: a record that begins with a mark, and keys and records with their
// sizes.
constexpr char kMark = '\1';
using ParallelModel = std::vector<std::pair<std::string, std::string>>;

std::string as_record(const ParallelModel& edges) {
  std::string record(1, kMark);
  for (const auto& [key, value] : edges) {
    for (const std::string& part : {key, value}) record += std::to_string(part.size()) + ":" + part;
  }
  return record;
}

ParallelModel parallel_in(const std::string& record) {
  ParallelModel edges;
  std::size_t at = 1;
  const auto next = [&] {
    const std::size_t colon = record.find(':', at), size = std::stoul(record.substr(at, colon - at));
    at = colon + 1 + size;
    return record.substr(colon + 1, size);
  };
  while (at < record.size()) {
    std::string key = next();
    edges.emplace_back(std::move(key), next());
  }
  return edges;
}

const std::vector<std::string>& list_in(const std::map<std::string, std::vector<std::string>>& lists,
                                        const std::string& key) {
  static const std::vector<std::string> kNone;
  const auto found = lists.find(key);
  return found == lists.end() ? kNone : found->second;
}

std::vector<std::string> neighbours(const Graph& graph, VertexId id, Side side) {
  std::vector<std::string> keys;
  graph.neighbours(id, side, [&](VertexId other) { keys.push_back(text(graph.key_of(other).key)); });
  return keys;
}

std::optional<std::string> vertex_difference(const Graph& graph, const GraphModel& model, VertexId id,
                                             const std::string& key) {
  if (text(graph.key_of(id).key) != key) return "expected " + key + ", found " + text(graph.key_of(id).key);
  if (graph.find(as_bytes(key)) != id) return key + " is not found by its key";
  const auto attributes = model.vertex_attributes.find(key);
  const std::string expected = attributes == model.vertex_attributes.end() ? "" : attributes->second;
  if (text(graph.vertex_attributes(id)) != expected) return key + " has other attributes";
  if (neighbours(graph, id, Side::successors) != list_in(model.out, key))
    return key + " has other successors";
  if (model.directed && neighbours(graph, id, Side::predecessors) != list_in(model.in, key))
    return key + " has other predecessors";
  for (const std::string& other : list_in(model.out, key)) {
    const VertexId to = *graph.find(as_bytes(other));
    const auto found = graph.edge_record(id, to);
    if (!found || text_of(graph, id, to, *found) != model.records.at(model.name(key, other)))
      return "the edge from " + key + " to " + other + " has other attributes";
  }
  return std::nullopt;
}

// An entry that says nothing is as good as none.
template <class Map>
Map without_empty(Map map) {
  std::erase_if(map, [](const auto& entry) { return entry.second.empty(); });
  return map;
}

}  // namespace

std::string text_of(const Graph& graph, VertexId u, VertexId v, const Graph::EdgeRecord& record) {
  if (!record.parallel) return text(record.bytes);
  ParallelModel edges;
  graph.parallel_from(u, v, 0, [&](const ParallelEdges::Edge& edge) {
    edges.emplace_back(text(edge.key), text(edge.record));
    return true;
  });
  for (const auto& [key, value] : edges) {
    const auto one = graph.find_parallel(u, v, as_bytes(key));
    if (!one || text(one->record) != value) throw DamagedError("a parallel edge is not found by its key", "");
  }
  return as_record(edges);
}

bool operator==(const GraphModel& a, const GraphModel& b) {
  return a.directed == b.directed && a.edge_bytes == b.edge_bytes && a.attributes == b.attributes &&
         a.vertices == b.vertices && a.records == b.records &&
         without_empty(a.vertex_attributes) == without_empty(b.vertex_attributes) &&
         without_empty(a.out) == without_empty(b.out) && without_empty(a.in) == without_empty(b.in);
}

GraphModel model_of(const Graph& graph) {
  GraphModel model;
  model.directed = graph.type().directed;
  model.edge_bytes = graph.type().edge_bytes;
  model.attributes = text(graph.attributes());
  for (auto id = graph.next(0); id; id = graph.next(static_cast<u64>(*id) + 1)) {
    const std::string key = text(graph.key_of(*id).key);
    model.vertices.push_back(key);
    model.vertex_attributes[key] = text(graph.vertex_attributes(*id));
    model.out[key] = neighbours(graph, *id, Side::successors);
    if (model.directed) model.in[key] = neighbours(graph, *id, Side::predecessors);
    graph.edges(*id, Side::successors, [&](VertexId other, const Graph::EdgeRecord& record) {
      model.records[model.name(key, text(graph.key_of(other).key))] = text_of(graph, *id, other, record);
    });
  }
  return model;
}

bool GraphModel::has(const std::string& u) const {
  return std::find(vertices.begin(), vertices.end(), u) != vertices.end();
}

void GraphModel::add(const std::string& u) {
  if (!has(u)) vertices.push_back(u);
}

void GraphModel::add(const std::string& u, const std::string& v) {
  if (!records.emplace(name(u, v), std::string(edge_bytes, '\0')).second) return;
  out[u].push_back(v);
  if (directed || u != v) (directed ? in : out)[v].push_back(u);
}

void GraphModel::remove(const std::string& u, const std::string& v) {
  if (records.erase(name(u, v)) == 0) return;
  std::erase(out[u], v);
  if (directed || u != v) std::erase((directed ? in : out)[v], u);
}

void GraphModel::remove(const std::string& u) {
  for (const std::string& v : std::vector(out[u])) remove(u, v);
  for (const std::string& v : std::vector(in[u])) remove(v, u);
  vertex_attributes.erase(u);
  std::erase(vertices, u);
}

void GraphModel::clear_edges() {
  out.clear();
  in.clear();
  records.clear();
}

void GraphModel::clear() {
  clear_edges();
  attributes.clear();
  vertices.clear();
  vertex_attributes.clear();
}

Graph::Type GraphModel::type() const { return {directed, false, edge_bytes, edge_bytes != 0 ? "bytes" : ""}; }

std::optional<std::string> difference(const Graph& graph, const GraphModel& model) {
  if (graph.type().directed != model.directed || graph.type().edge_bytes != model.edge_bytes)
    return "it is of another kind";
  if (text(graph.attributes()) != model.attributes) return "its attributes are others";
  if (graph.vertex_count() != model.vertices.size())
    return "expected " + std::to_string(model.vertices.size()) + " vertices, found " +
           std::to_string(graph.vertex_count());
  if (graph.edge_count() != model.records.size())
    return "expected " + std::to_string(model.records.size()) + " edges, found " +
           std::to_string(graph.edge_count());
  auto id = graph.next(0);
  for (const std::string& key : model.vertices) {
    if (!id) return "expected " + key + ", found the end";
    if (const auto found = vertex_difference(graph, model, *id, key)) return found;
    id = graph.next(static_cast<u64>(*id) + 1);
  }
  if (id) return "expected the end, found " + text(graph.key_of(*id).key);
  return std::nullopt;
}

// ---- Changes

void GraphDriver::agree(bool holds, const char* on) {
  if (!holds) throw Disagreement(std::string("graph and model disagree: ") + on);
}

// Most keys lie in their row, some in the heap.
std::string GraphDriver::some_key() const {
  const u64 number = below_(kKeys);
  std::string key = "v" + std::to_string(number);
  if (number % 12 == 0) key += std::string(10 + number, '-');
  return key;
}

std::string GraphDriver::known_key() const {
  return model_.vertices.empty() ? some_key() : model_.vertices[below_(model_.vertices.size())];
}

std::string GraphDriver::some_bytes() const {
  const u64 kind = below_(12);
  const u64 size = below_(kind == 0 ? 3000 : kind < 4 ? 200 : 20);
  return std::string(size, static_cast<char>('a' + below_(26)));
}

std::string GraphDriver::some_record() const {
  if (model_.edge_bytes == 0) return some_bytes();
  std::string record(model_.edge_bytes, '\0');
  if (below_(4) != 0) record[below_(record.size())] = static_cast<char>(below_(256));
  return record;
}

// One that is there, if the vertex drawn has any.
GraphModel::Edge GraphDriver::some_edge() const {
  const std::string from = known_key();
  const std::vector<std::string>& others = list_in(model_.out, from);
  return {from, others.empty() ? known_key() : others[below_(others.size())]};
}

VertexId GraphDriver::at(const std::string& key) const {
  const auto found = graph_.find(as_bytes(key));
  agree(found.has_value(), "whether there is a vertex");
  return *found;
}

void GraphDriver::add_vertex(const std::string& key) {
  const std::string annex(key.size() % 5 == 0 ? 3 : 0, 'x');
  const bool added = graph_.add_vertex(as_bytes(key), as_bytes(annex)).second;
  agree(added == !model_.has(key), "whether a vertex is new");
  model_.add(key);
}

void GraphDriver::add_edge() {
  const std::string from = known_key(), to = below_(3) == 0 ? some_key() : known_key();
  add_vertex(from);
  add_vertex(to);
  agree(graph_.add_edge(at(from), at(to)) == !model_.has(from, to), "whether an edge is new");
  model_.add(from, to);
}

// Half of them from one vertex, or to it.
void GraphDriver::add_edges() {
  if (model_.vertices.empty()) return add_vertex(some_key());
  const std::string hub = known_key();
  std::vector<GraphModel::Edge> edges(below_(below_(4) == 0 ? 200 : 12));
  std::vector<VertexId> from, to;
  for (GraphModel::Edge& edge : edges) {
    const u64 side = below_(4);
    edge = {side == 0 ? hub : known_key(), side == 1 ? hub : known_key()};
    from.push_back(at(edge.first));
    to.push_back(at(edge.second));
  }
  std::string records, mask(model_.edge_bytes, below_(2) == 0 ? '\xff' : '\x0f');
  for (std::size_t i = 0; !mask.empty() && i < edges.size(); ++i) records += some_record();
  const u64 before = model_.records.size();
  const u64 added = graph_.add_edges(from, to, {as_bytes(records), as_bytes(mask)});
  for (const auto& [u, v] : edges) model_.add(u, v);
  add_records(edges, records, mask);
  agree(added == model_.records.size() - before, "how many edges are new");
}

// To the model: of each bit the mask says whether it is meant.
void GraphDriver::add_records(const std::vector<GraphModel::Edge>& edges, const std::string& records,
                              const std::string& mask) {
  for (std::size_t i = 0; !mask.empty() && i < edges.size(); ++i) {
    std::string& record = model_.records[model_.name(edges[i].first, edges[i].second)];
    for (std::size_t at = 0; at < mask.size(); ++at)
      record[at] = static_cast<char>((record[at] & ~mask[at]) | (records[i * mask.size() + at] & mask[at]));
  }
}

void GraphDriver::remove_edge() {
  const auto [from, to] = some_edge();
  if (model_.vertices.empty()) return;
  agree(graph_.remove_edge(at(from), at(to)) == model_.has(from, to), "whether a removed edge was there");
  model_.remove(from, to);
}

void GraphDriver::remove_vertex() {
  if (model_.vertices.empty()) return;
  const std::string key = known_key();
  graph_.remove_vertex(at(key));
  model_.remove(key);
}

void GraphDriver::set_edge_attributes() {
  if (model_.vertices.empty()) return;
  const auto [from, to] = some_edge();
  const std::string bytes = some_record();
  const bool there = graph_.set_edge_attributes(at(from), at(to), as_bytes(bytes));
  agree(there == model_.has(from, to), "whether an edge with attributes is there");
  if (there) model_.records[model_.name(from, to)] = bytes;
}

// The record of an edge becomes a table, or some edges of a table are added, changed and removed.
void GraphDriver::change_parallel() {
  if (model_.edge_bytes != 0 || model_.vertices.empty()) return set_edge_attributes();
  const auto [from, to] = some_edge();
  if (!model_.has(from, to)) return;
  std::string& record = model_.records[model_.name(from, to)];
  const VertexId u = at(from), v = at(to);
  ParallelModel edges;
  if (graph_.edge_record(u, v)->parallel) {
    edges = parallel_in(record);
  } else {
    for (u64 i = below_(40); i > 0; --i) edges.emplace_back("k" + std::to_string(i), some_bytes());
    std::vector<ParallelEdges::Edge> given;
    for (const auto& [key, value] : edges)
      given.push_back({as_bytes(key), as_bytes("annex"), as_bytes(value)});
    agree(graph_.set_parallel(u, v, given), "whether an edge with parallel ones is there");
    record = as_record(edges);
  }
  for (u64 step = below_(20); step > 0; --step) {
    const std::string key = "k" + std::to_string(below_(80)), value = some_bytes();
    const auto known =
        std::find_if(edges.begin(), edges.end(), [&](const auto& edge) { return edge.first == key; });
    const bool there = known != edges.end();
    if (below_(2) == 0) {
      agree(graph_.remove_parallel(u, v, as_bytes(key)) == there, "whether a parallel edge was there");
      if (there) edges.erase(known);
    } else {
      const bool added = graph_.put_parallel(u, v, {as_bytes(key), as_bytes("annex"), as_bytes(value)});
      agree(added != there, "whether a parallel edge is new");
      if (there)
        known->second = value;
      else
        edges.emplace_back(key, value);
    }
    record = as_record(edges);
  }
}

void GraphDriver::set_vertex_attributes() {
  if (model_.vertices.empty()) return;
  const std::string key = known_key(), bytes = some_bytes();
  graph_.set_vertex_attributes(at(key), as_bytes(bytes));
  model_.vertex_attributes[key] = bytes;
}

void GraphDriver::ask() {
  if (model_.vertices.empty()) return;
  const std::string from = known_key(), to = known_key();
  const bool there = model_.has(from, to);
  agree(graph_.has_edge(at(from), at(to)) == there, "whether there is an edge");
  const auto found = graph_.edge_record(at(from), at(to));
  agree(found.has_value() == there, "whether an edge has attributes");
  if (there) {
    agree(text_of(graph_, at(from), at(to), *found) == model_.records.at(model_.name(from, to)),
          "what an edge's attributes are");
  }
}

void GraphDriver::change() {
  const u64 draw = below_(100);
  if (draw < 10) return add_vertex(some_key());
  if (draw < 40) return add_edge();
  if (draw < 52) return remove_edge();
  if (draw < 62) return set_edge_attributes();
  if (draw < 68) return change_parallel();
  if (draw < 74) return set_vertex_attributes();
  if (draw < 84) return add_edges();
  if (draw < 89) return remove_vertex();
  if (draw < 97) return ask();
  if (draw == 97) {
    const std::string bytes = some_bytes();
    graph_.set_attributes(as_bytes(bytes));
    model_.attributes = bytes;
  } else if (below_(5) == 0) {
    draw == 98 ? graph_.clear_edges() : graph_.clear();
    draw == 98 ? model_.clear_edges() : model_.clear();
  }
}

}  // namespace emd::testing
