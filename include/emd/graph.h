// Graph: vertices with keys, and edges between them, directed or not, in the order of their insertion.
//
// Keys are bytes. A vertex has a number, its id, by which most calls go: ids grow with each vertex, and change only
// with compact() and with a rollback. At most one edge goes from a vertex to another; a loop is an edge.
//
// Attributes are bytes, at first none. In Python the graph is an EMDiGraph or EMGraph whose nodes are `bytes`, or `str`
// where text() says so, and the attributes are the one entry "data" of a node's or an edge's dict. Graphs of Python
// with parallel edges are refused; attributes that are others, or that have a type, throw FormatError when they are
// read or set.
//
// Threads, what is durable: store.h. Errors: as there, and RangeError for an id of no vertex.
#pragma once

#include <emd/store.h>

#include <cstddef>
#include <iterator>
#include <span>

namespace emd {
inline namespace v2 {

enum class Vertex : std::uint32_t {};

class EMD_API Graph : public Container {
 public:
  class Iterator;

  Graph() = default;

  bool directed() const;
  std::uint64_t vertex_count() const;
  std::uint64_t edge_count() const;

  // ---- Vertices

  // The vertex of this key, added if there is none. Cost: an insertion into a dict.
  Vertex add_vertex(BytesView key);
  std::optional<Vertex> find(BytesView key) const;
  bool contains(Vertex vertex) const;
  std::string key(Vertex vertex) const;
  // With its edges. Cost: that of removing each.
  void remove_vertex(Vertex vertex);
  // Removes all vertices, edges and attributes.
  void clear();
  // All vertices in the order of insertion: `for (emd::Vertex vertex : graph)`. Those that come meanwhile are met.
  Iterator begin() const;
  std::default_sentinel_t end() const { return {}; }

  // ---- Edges

  // False if it was there. Cost: a pass over the shorter of two lists of neighbours, of which long ones have tables.
  bool add_edge(Vertex from, Vertex to);
  // The same of keys, whose vertices are added if they are not there.
  bool add_edge(BytesView from, BytesView to);
  // Edges from from[i] to to[i], those that are there left out; how many were added. Errors: RangeError unless there
  // are as many of both.
  std::uint64_t add_edges(std::span<const Vertex> from, std::span<const Vertex> to);
  bool has_edge(Vertex from, Vertex to) const;
  // False if it was not there.
  bool remove_edge(Vertex from, Vertex to);

  // Neighbours in the order in which the edges were added; of a graph that is not directed both give all.
  // Cost: 4 bytes of memory a neighbour, and of disk or memory as many.
  std::vector<Vertex> successors(Vertex vertex) const;
  std::vector<Vertex> predecessors(Vertex vertex) const;
  // The same into a vector that is used again.
  void successors(Vertex vertex, std::vector<Vertex>& to) const;
  void predecessors(Vertex vertex, std::vector<Vertex>& to) const;
  // Cost: a cache line.
  std::uint64_t out_degree(Vertex vertex) const;
  std::uint64_t in_degree(Vertex vertex) const;

  // ---- Attributes; empty bytes stand for none

  std::string attributes(Vertex vertex) const;
  void set_attributes(Vertex vertex, BytesView attributes);
  // Nothing if there is no such edge; false if there is none to set them of.
  std::optional<std::string> edge_attributes(Vertex from, Vertex to) const;
  bool set_edge_attributes(Vertex from, Vertex to, BytesView attributes);

 private:
  friend class Store;
  explicit Graph(std::shared_ptr<detail::Member> member) : Container(std::move(member)) {}
  std::optional<Vertex> next(std::uint64_t from) const;
  void neighbours(Vertex vertex, bool back, std::vector<Vertex>& to) const;
};

class EMD_API Graph::Iterator {
 public:
  using iterator_concept = std::input_iterator_tag;
  using value_type = Vertex;
  using difference_type = std::ptrdiff_t;

  Iterator() = default;
  Vertex operator*() const { return *vertex_; }
  Iterator& operator++() {
    vertex_ = graph_.next(static_cast<std::uint64_t>(*vertex_) + 1);
    return *this;
  }
  void operator++(int) { ++*this; }
  friend bool operator==(const Iterator& it, std::default_sentinel_t) { return !it.vertex_; }

 private:
  friend class Graph;
  explicit Iterator(const Graph& graph) : graph_(graph), vertex_(graph.next(0)) {}

  Graph graph_;
  std::optional<Vertex> vertex_;
};

}  // namespace v2
}  // namespace emd
