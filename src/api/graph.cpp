// Graph of the C++ library: vertices by number or key, edges, and attributes as Python's graphs have them.
#include "api/encoding.h"
#include "api/open_store.h"

namespace emd::v2 {

using detail::Encoded;
using GraphMember = detail::MemberOf<core::Graph>;

// An id has one number, whichever type it is of.
static_assert(sizeof(Vertex) == sizeof(VertexId));

namespace {

// So many edges are one operation: between two the store may commit.
constexpr std::size_t kEdgesAtOnce = std::size_t{1} << 20;

GraphMember& use(const Graph& handle) { return detail::use<core::Graph>(handle); }

VertexId id(Vertex vertex) { return VertexId{static_cast<u32>(vertex)}; }
Vertex vertex(VertexId id) { return Vertex{static_cast<u32>(id)}; }

VertexId alive(const core::Graph& graph, Vertex vertex) {
  if (graph.alive(id(vertex))) return id(vertex);
  throw RangeError("expected a vertex of the graph, found the id " +
                   std::to_string(static_cast<u32>(vertex)) + ", which is none, or of one that was removed");
}

void require_untyped(const core::Graph& graph) {
  if (graph.type().edge_bytes == 0) return;
  throw FormatError("edges of this graph have attributes of the type " + graph.type().edge_type +
                    ": read and set them with the Python package");
}

}  // namespace

Graph Store::graph(std::string_view name, std::optional<bool> directed) {
  const core::Graph::OpenAs wanted{{.directed = directed.value_or(false)}, directed.has_value()};
  auto member = detail::open_member<core::Graph>(store_, name, wanted);
  if (static_cast<GraphMember&>(*member).structure().type().multi) {
    throw FormatError("'" + std::string(name) + "' in '" + path() +
                      "' is a graph with parallel edges: use it with the Python package");
  }
  return Graph(std::move(member));
}

bool Graph::directed() const { return use(*this).structure().type().directed; }

std::uint64_t Graph::vertex_count() const {
  const GraphMember& member = use(*this);
  return member.read_consistent([&] { return member.structure().vertex_count(); });
}

std::uint64_t Graph::edge_count() const {
  const GraphMember& member = use(*this);
  return member.read_consistent([&] { return member.structure().edge_count(); });
}

// ---- Vertices

Vertex Graph::add_vertex(BytesView key) {
  const Encoded encoded(key);
  const GraphMember& member = use(*this);
  const Operation operation(member.core());
  return vertex(member.structure().add_vertex(encoded.bytes(), {}).first);
}

std::optional<Vertex> Graph::find(BytesView key) const {
  const Encoded encoded(key);
  const GraphMember& member = use(*this);
  return member.read_consistent([&] {
    const auto found = member.structure().find(encoded.bytes());
    return found ? std::optional(vertex(*found)) : std::nullopt;
  });
}

bool Graph::contains(Vertex vertex) const {
  const GraphMember& member = use(*this);
  return member.read_consistent([&] { return member.structure().alive(id(vertex)); });
}

std::string Graph::key(Vertex vertex) const {
  const GraphMember& member = use(*this);
  return member.read_consistent([&] {
    const core::Graph& graph = member.structure();
    return std::string(detail::decoded(graph.key_of(alive(graph, vertex)).key));
  });
}

void Graph::remove_vertex(Vertex vertex) {
  const GraphMember& member = use(*this);
  const Operation operation(member.core());
  core::Graph& graph = member.structure();
  graph.remove_vertex(alive(graph, vertex));
}

void Graph::clear() {
  const GraphMember& member = use(*this);
  const Operation operation(member.core());
  member.structure().clear();
}

std::optional<Vertex> Graph::next(std::uint64_t from) const {
  const GraphMember& member = use(*this);
  return member.read_consistent([&] {
    const auto found = member.structure().next(from);
    return found ? std::optional(vertex(*found)) : std::nullopt;
  });
}

Graph::Iterator Graph::begin() const { return Iterator(*this); }

// ---- Edges

bool Graph::add_edge(Vertex from, Vertex to) {
  const GraphMember& member = use(*this);
  const Operation operation(member.core());
  core::Graph& graph = member.structure();
  return graph.add_edge(alive(graph, from), alive(graph, to));
}

bool Graph::add_edge(BytesView from, BytesView to) {
  const Encoded encoded_from(from), encoded_to(to);
  const GraphMember& member = use(*this);
  const Operation operation(member.core());
  core::Graph& graph = member.structure();
  const VertexId source = graph.add_vertex(encoded_from.bytes(), {}).first;
  return graph.add_edge(source, graph.add_vertex(encoded_to.bytes(), {}).first);
}

std::uint64_t Graph::add_edges(std::span<const Vertex> from, std::span<const Vertex> to) {
  if (from.size() != to.size()) {
    throw RangeError("expected as many targets as sources, found " + std::to_string(to.size()) + " for " +
                     std::to_string(from.size()));
  }
  const GraphMember& member = use(*this);
  core::Graph& graph = member.structure();
  u64 added = 0;
  std::vector<VertexId> sources, targets;
  for (std::size_t at = 0; at < from.size(); at += kEdgesAtOnce) {
    const std::size_t some = std::min(kEdgesAtOnce, from.size() - at);
    sources.clear();
    targets.clear();
    for (const Vertex one : from.subspan(at, some)) sources.push_back(alive(graph, one));
    for (const Vertex one : to.subspan(at, some)) targets.push_back(alive(graph, one));
    const Operation operation(member.core());
    added += graph.add_edges(sources, targets);
  }
  return added;
}

bool Graph::has_edge(Vertex from, Vertex to) const {
  const GraphMember& member = use(*this);
  return member.read_consistent([&] {
    const core::Graph& graph = member.structure();
    return graph.has_edge(alive(graph, from), alive(graph, to));
  });
}

bool Graph::remove_edge(Vertex from, Vertex to) {
  const GraphMember& member = use(*this);
  const Operation operation(member.core());
  core::Graph& graph = member.structure();
  return graph.remove_edge(alive(graph, from), alive(graph, to));
}

void Graph::neighbours(Vertex of, bool back, std::vector<Vertex>& to) const {
  const GraphMember& member = use(*this);
  member.read_consistent([&] {
    const core::Graph& graph = member.structure();
    const Side side = back ? Side::predecessors : Side::successors;
    to.clear();
    graph.neighbours(alive(graph, of), side, [&](VertexId neighbour) { to.push_back(vertex(neighbour)); });
  });
}

std::vector<Vertex> Graph::successors(Vertex vertex) const {
  std::vector<Vertex> result;
  neighbours(vertex, false, result);
  return result;
}
std::vector<Vertex> Graph::predecessors(Vertex vertex) const {
  std::vector<Vertex> result;
  neighbours(vertex, true, result);
  return result;
}
void Graph::successors(Vertex vertex, std::vector<Vertex>& to) const { neighbours(vertex, false, to); }
void Graph::predecessors(Vertex vertex, std::vector<Vertex>& to) const { neighbours(vertex, true, to); }

std::uint64_t Graph::out_degree(Vertex vertex) const {
  const GraphMember& member = use(*this);
  return member.read_consistent([&] {
    const core::Graph& graph = member.structure();
    return graph.degree(alive(graph, vertex), Side::successors);
  });
}

std::uint64_t Graph::in_degree(Vertex vertex) const {
  const GraphMember& member = use(*this);
  return member.read_consistent([&] {
    const core::Graph& graph = member.structure();
    return graph.degree(alive(graph, vertex), Side::predecessors);
  });
}

// ---- Attributes

std::string Graph::attributes(Vertex vertex) const {
  const GraphMember& member = use(*this);
  return member.read_consistent([&] {
    const core::Graph& graph = member.structure();
    return detail::decoded_attributes(graph.vertex_attributes(alive(graph, vertex)));
  });
}

void Graph::set_attributes(Vertex vertex, BytesView attributes) {
  const std::string encoded = detail::encoded_attributes(attributes);
  const GraphMember& member = use(*this);
  const Operation operation(member.core());
  core::Graph& graph = member.structure();
  graph.set_vertex_attributes(alive(graph, vertex), as_bytes(encoded));
}

std::optional<std::string> Graph::edge_attributes(Vertex from, Vertex to) const {
  const GraphMember& member = use(*this);
  return member.read_consistent([&]() -> std::optional<std::string> {
    const core::Graph& graph = member.structure();
    require_untyped(graph);
    const auto found = graph.edge_attributes(alive(graph, from), alive(graph, to));
    if (!found) return std::nullopt;
    return detail::decoded_attributes(*found);
  });
}

bool Graph::set_edge_attributes(Vertex from, Vertex to, BytesView attributes) {
  const std::string encoded = detail::encoded_attributes(attributes);
  const GraphMember& member = use(*this);
  const Operation operation(member.core());
  core::Graph& graph = member.structure();
  require_untyped(graph);
  return graph.set_edge_attributes(alive(graph, from), alive(graph, to), as_bytes(encoded));
}

}  // namespace emd::v2
