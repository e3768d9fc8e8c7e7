// Graph: vertices with keys, and edges between them, directed or not, in the order of their insertion.
//
// Four regions: vertices (a header page, then a row of 56 bytes a vertex; its number is the vertex's id), index (keys
// to ids: that of a dict), heap (lists of neighbours, attribute records, long keys), delta (of the index).
// docs/format.md draws them, docs/decisions/0012-graph.md says why they are so.
//
// An edge is a pair of vertices, and lies in two lists: that of its source's successors and that of its target's
// predecessors; of an undirected graph in the lists of both ends, a loop once. Its attributes, bytes that mean nothing
// here, are one record, to which only the owning list refers: the source's, or that of the end with the smaller id.
// Where edges have a type, each record is of its size, and lies in the owning list itself.
// Parallel edges of a pair are one record, and the business of the caller, or, where they are many, a table of records
// by their keys (parallel_edges.h), to which the owning list refers.
//
// Ids grow with each vertex and are not used again before a compaction, so that walking them is walking in the order of
// insertion.
//
// Errors, of all mutating calls: SystemError, DamagedError; the graph is as before. Of all calls: DamagedError for
// bytes that contradict the format.
//
// Threads: as the store's. Mutating calls run inside an Operation of the caller.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "alloc/heap.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "index/buffered_index.h"
#include "store/scan.h"
#include "store/store.h"
#include "structures/graph/header.h"
#include "structures/graph/neighbour_table.h"
#include "structures/graph/parallel_edges.h"

namespace emd {

// The number of a vertex's row.
enum class VertexId : u32 {};
// Which neighbours; of an undirected graph both mean the same.
enum class Side : unsigned { successors = 0, predecessors = 1 };

class Graph {
 public:
  static constexpr Kind kKind{5};
  static constexpr const char* kName = "graph";
  static constexpr unsigned kRegionCount = 4;
  static constexpr u64 kRowsAt = kPageSize;
  static constexpr u64 kMaxVertices = kDeadNeighbour;
  static constexpr u64 kMaxKeyBytes = ~u32{0};
  // A list with room for so many neighbours gets a table of their places when it grows, and is searched by it.
  static constexpr u32 kHubDegree = 512;

  struct Type {
    bool directed = false;
    bool multi = false;          // for the caller: what a record holds
    u32 edge_bytes = 0;          // of the record of each edge; zero: records have any size
    std::string edge_type = {};  // for the caller: its name
    friend bool operator==(const Type&, const Type&) = default;
  };
  // A new graph is laid out with all of the type. A graph that is there must have the same kind (directed, multi) if
  // kind_given, and the same type of edges if one is named.
  struct OpenAs {
    Type type;
    bool kind_given = false;
  };
  // Records of typed edges, one behind the other, and which of the bits of one are meant; the others stay as they are.
  struct EdgeRecords {
    Bytes records;
    Bytes mask;
  };
  // The attributes of an edge: bytes, or none and the number of parallel edges that a table has.
  struct EdgeRecord {
    Bytes bytes = {};
    std::optional<u32> parallel = {};
  };
  // Valid until the next mutating call, commit or rollback.
  struct Key {
    Bytes key;
    Bytes annex;
  };

  // Opens the graph in the member's regions, which are mapped (Store::acquire). Writes nothing. `hub_degree` is for
  // tests: the file does not know it.
  // Errors: DamagedError, FormatError.
  Graph(Store& store, Member& member, u32 hub_degree = kHubDegree);
  ~Graph();
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  // Whether it has its type: one that was only just created has none, and nothing but lay_out() may be called.
  bool laid_out() const { return rows_region_.size() != 0; }
  // Precondition: at most kMaxEdgeBytes, and kMaxEdgeTypeName.
  void lay_out(const Type& type);
  void lay_out_as(const OpenAs& wanted) { lay_out(wanted.type); }
  // Errors: FormatError if it is another graph.
  void require(const OpenAs& wanted) const;
  const Type& type() const { return type_; }

  // Errors: DamagedError if there are not as many rows, or no room for so many.
  u64 vertex_count() const;
  u64 edge_count() const;
  // Ids are less than this.
  u64 id_bound() const { return load_once<u64>(&header().rows); }
  // Changes with every vertex that is added or removed, and with a rollback. Of this object, not of the file: another
  // one has other versions and generations.
  u64 version() const { return version_; }
  // Changes where a vertex may have got another id: with a compaction, and with a rollback.
  u64 generation() const { return generation_; }

  // ---- Vertices. A precondition of all calls with an id: alive(id), or they raise DamagedError.

  std::optional<VertexId> find(Bytes key) const;
  bool alive(VertexId id) const;
  // The first vertex whose id is not less than `from`.
  std::optional<VertexId> next(u64 from) const;
  std::optional<VertexId> previous(u64 before) const;
  Key key_of(VertexId id) const;
  // Cost: that of a dict's insertion. The id, and whether it was not there.
  std::pair<VertexId, bool> add_vertex(Bytes key, Bytes annex);
  // With its edges. Cost: that of removing each.
  void remove_vertex(VertexId id);
  // Its key is about to be asked for. Any id will do.
  void fetch_key(VertexId id) const {
    if (static_cast<u64>(id) < id_bound()) __builtin_prefetch(rows_region_.data() + row_offset(id));
  }
  // A walk has come to this vertex.
  void reached(VertexId id, Scan& scan) const { scan.reached(rows_region_, row_offset(id)); }

  // ---- Edges

  // Cost: reads the shorter one of two lists, 16 neighbours a cache line; of a hub's a slot or two of its table.
  bool has_edge(VertexId from, VertexId to) const;
  // False if it was there.
  bool add_edge(VertexId from, VertexId to);
  // Edges from from[i] to to[i], those that are there already left out; how many were added.
  // With records, of typed edges, one for each: those of edges that are there already, or come twice, are changed.
  // Cost: those of a list are added at once; 48 bytes of memory an edge.
  // Precondition: as many of both, less than 2^31.
  u64 add_edges(std::span<const VertexId> from, std::span<const VertexId> to,
                const EdgeRecords& records = {});
  // False if it was not there. Cost: reads both lists.
  bool remove_edge(VertexId from, VertexId to);
  // Removes the edges and leaves the vertices.
  void clear_edges();
  // Removes all, the graph's attributes too.
  void clear();

  u64 degree(VertexId id, Side side) const { return list(id, side).degree; }
  // Whether a table tells where the neighbours are, as a hub has one.
  bool indexed(VertexId id, Side side) const { return bool{list(id, side).table}; }
  // Calls visit(VertexId) for each neighbour, in the order of insertion. The ids are as they were read: may be any.
  template <class Visit>
  void neighbours(VertexId id, Side side, Visit&& visit) const;
  // The same beginning at a place in the list, until visit() gives false; returns the place behind. Zero is the first.
  template <class Visit>
  u32 neighbours_from(VertexId id, Side side, u32 place, Visit&& visit) const;

  // ---- Attributes: empty bytes stand for none; of typed edges all bytes zero

  Bytes attributes() const { return record(header().attributes); }
  void set_attributes(Bytes bytes);
  Bytes vertex_attributes(VertexId id) const { return record(live_row(id).attributes); }
  void set_vertex_attributes(VertexId id, Bytes bytes);
  // Calls visit(VertexId, EdgeRecord) for each neighbour, with the attributes of the edge, as neighbours().
  // Cost: of an edge that another list owns, a look at that.
  template <class Visit>
  void edges(VertexId id, Side side, Visit&& visit) const;
  // The same, with the attributes of those edges alone that this list owns; nothing for the others.
  template <class Visit>
  void owned_edges(VertexId id, Side side, Visit&& visit) const;
  // Nothing if there is no such edge; of one with a table of parallel edges no bytes.
  std::optional<Bytes> edge_attributes(VertexId from, VertexId to) const {
    const auto found = edge_record(from, to);
    return found ? std::optional(found->bytes) : std::nullopt;
  }
  std::optional<EdgeRecord> edge_record(VertexId from, VertexId to) const;
  // False if there is no such edge. Precondition of a typed one: a whole record.
  bool set_edge_attributes(VertexId from, VertexId to, Bytes bytes);
  // Of a typed edge. False if it is not there.
  bool change_edge_record(VertexId from, VertexId to, const EdgeRecords& record);

  // ---- Parallel edges in a table. The edge is there in the graph, else DamagedError; it has a table, but for the
  // first

  // Makes a table of these, in the place of the record. False if there is no such edge. Cost: O(edges).
  // Precondition: keys differ, the graph's edges are not typed; the bytes do not lie in it.
  bool set_parallel(VertexId from, VertexId to, std::span<const ParallelEdges::Edge> edges);
  std::optional<ParallelEdges::Edge> find_parallel(VertexId from, VertexId to, Bytes key) const {
    return parallel().find(table_of(from, to), key);
  }
  bool put_parallel(VertexId from, VertexId to, const ParallelEdges::Edge& edge) {
    return parallel().put(table_of(from, to), edge);
  }
  bool remove_parallel(VertexId from, VertexId to, Bytes key) {
    return parallel().remove(table_of(from, to), key);
  }
  template <class Visit>
  u32 parallel_from(VertexId from, VertexId to, u32 place, Visit&& visit) const {
    return parallel().visit_from(table_of(from, to), place, std::forward<Visit>(visit));
  }
  u32 last_parallel(VertexId from, VertexId to) const { return parallel().last_place(table_of(from, to)); }

  // ---- For compaction: lists that are written whole

  // Of a vertex without neighbours on this side: these, none twice; records[i], if there are any, is that of
  // neighbours[i]. The edges count when note_edges() says so, and both lists of each have to be there by then.
  void set_list(VertexId id, Side side, std::span<const VertexId> neighbours, std::span<const Bytes> records);
  void note_edges(u64 count);
  // Whether the record of an edge is in this vertex's list of this side.
  bool owns(VertexId id, Side side, VertexId neighbour) const;

  struct Stats {
    u64 vertices, edges, row_bytes, dead_row_bytes, index_bytes, index_free_bytes, heap_live_bytes,
        heap_free_bytes, delta_bytes, delta_free_bytes;
  };
  Stats stats() const;
  // Every invariant, commented one by one. Cost: O(n) time, some 16 bytes of memory a vertex.
  void check(Findings& findings) const;

 private:
  // The attributes of an edge that a list of its other end names. Errors: DamagedError if its own list does not.
  EdgeRecord record_of_owner(VertexId owner, VertexId other) const;
  static constexpr u32 kNone = ~u32{0};
  // Up to so many neighbours behind a removed one are moved up; beyond, its place is marked.
  static constexpr u32 kMostMoved = 512;

  // What the rows are, in short: whether they have changed.
  struct Fingerprint {
    u64 rows, vertices, file;
    bool operator==(const Fingerprint&) const = default;
  };
  // A list, validated.
  struct List {
    const u8* bytes = nullptr;  // of the block
    u32 used = 0, degree = 0;
    u64 capacity = 0;
    HeapRef block{};
    u32 width = 0;        // of what it has for each neighbour, behind the ids: zero if it is not attributed
    bool refers = false;  // that is a reference to the heap
    NeighbourTable table = {};  // of a hub
    HeapRef table_block{};
    const u32* ids() const { return reinterpret_cast<const u32*>(bytes); }
    u64 record_at(u32 place) const { return 4 * capacity + u64{width} * place; }
    Bytes inside(u32 place) const { return {bytes + record_at(place), width}; }
    u64 record(u32 place) const { return refers ? load_once<u64>(bytes + record_at(place)) : 0; }
  };
  struct CheckState;
  // Of edges that are added at once: `neighbour` is for the list of `vertex`; `edge` is the number of the edge among
  // them.
  struct NewNeighbour {
    VertexId vertex, neighbour;
    u32 edge;
  };
  struct NewEdges;
  class NeighbourFinder;

  static u64 row_offset(VertexId id) { return kRowsAt + sizeof(VertexRow) * static_cast<u64>(id); }
  static u64 capacity_of(u64 bytes, u32 width) {
    return width != 0 ? bytes / (4 + width) & ~u64{1} : bytes / 4;
  }
  static u64 bytes_for(u64 count, u32 width) {
    return width != 0 ? (4 + u64{width}) * ((count + 1) & ~u64{1}) : 4 * count;
  }
  bool typed() const { return type_.edge_bytes != 0; }
  u32 width_of(bool attributed) const {
    return !attributed ? 0 : typed() ? type_.edge_bytes : u32{sizeof(u64)};
  }
  // The side on which `to` has the edge whose source has it among its successors.
  Side back() const { return type_.directed ? Side::predecessors : Side::successors; }
  Side actual(Side side) const { return type_.directed ? side : Side::successors; }
  bool twice(VertexId from, VertexId to) const { return type_.directed || from != to; }

  const GraphHeader& header() const { return *reinterpret_cast<const GraphHeader*>(rows_region_.data()); }
  GraphHeader& change_header() { return *rows_region_.writable_as<GraphHeader>(0); }
  const VertexRow& row(VertexId id) const {
    return *reinterpret_cast<const VertexRow*>(rows_region_.at(row_offset(id), sizeof(VertexRow)));
  }
  const VertexRow& live_row(VertexId id) const;
  NeighbourRow& change_list(VertexId id, Side side) {
    return rows_region_.writable_as<VertexRow>(row_offset(id))->lists[static_cast<unsigned>(side)];
  }
  Type read_type() const;
  u64 hash(Bytes key) const { return hash64(key, seed_); }
  u64 hash_at(u64 id) const;
  Key key_in(const VertexRow& row) const;
  Bytes record(u64 reference) const { return reference == 0 ? Bytes{} : heap_.read(HeapRef{reference}); }
  u64 replace_record(u64 reference, Bytes bytes);
  EdgeRecord attributes_at(const List& list, u32 place) const;
  // The word that refers to the record of an edge names a block, or a table of parallel edges.
  void require_record(u64 word) const;
  void free_record(u64 word);
  ParallelEdges parallel() const { return {const_cast<Heap&>(heap_), heap_region_, seed_}; }
  HeapRef table_of(VertexId from, VertexId to) const;
  void replace_word(VertexId owner, u32 place, u64 word);

  List list(VertexId id, Side side) const;
  static u32 place_of(const List& list, VertexId id);
  static u64 effort_of(const List& list) { return list.table ? 16 : list.used; }
  static u64 reference_bytes(bool indexed) { return indexed ? sizeof(u64) : 0; }
  u32 place_in(VertexId id, Side side, VertexId neighbour) const;
  void open_table(List& list, Bytes block) const;
  HeapRef allocate_table(HeapRef block, u64 capacity);
  void move_list(VertexId id, Side side, const List& old, u64 count, bool attributed);
  void note_place(const List& list, u32 place, u32 neighbour);
  void note_places(const List& list);
  void clear_records(const List& list, u32 place, u64 count);
  List attributed_list(VertexId owner);
  bool is_nothing(Bytes record) const;
  void mix_record(const List& list, u32 place, Bytes bytes, Bytes mask);
  void make_room(VertexId id, Side side, u64 more = 1, bool attributed = false);
  void push(VertexId id, Side side, VertexId neighbour);
  NewEdges sort_edges(std::span<const VertexId> from, std::span<const VertexId> to, bool keep_owned) const;
  void push_all(VertexId id, Side side, std::span<const NewNeighbour> entries);
  void mark_new(VertexId id, std::span<const NewNeighbour> entries, std::vector<bool>& is_new) const;
  void mix_all(VertexId id, std::span<const NewNeighbour> entries, const EdgeRecords& records);
  void squeeze(VertexId id, Side side);
  void take_out(VertexId id, Side side, VertexId neighbour);
  void drop_list(VertexId id, Side side);
  void require_edges(VertexId id, Side side) const;
  std::pair<VertexId, VertexId> owner_first(VertexId from, VertexId to) const {
    return type_.directed || from <= to ? std::pair(from, to) : std::pair(to, from);
  }

  void check_row(VertexId id, CheckState& state) const;
  void check_list(VertexId id, Side side, CheckState& state) const;
  void check_table(const std::string& where, const List& list, CheckState& state) const;
  void check_totals(CheckState& state) const;

  [[noreturn]] void damaged(const std::string& what) const;
  void follow();

  static u64 first_version();

  Store& store_;
  Region& rows_region_;
  Region& index_region_;
  Region& heap_region_;
  Region& delta_region_;
  BufferedIndex index_;
  Heap heap_;
  Type type_;
  u64 seed_ = 0;
  u64 version_ = first_version();
  u64 generation_ = version_;
  const u32 hub_degree_;
  Fingerprint fingerprint_{};  // when it was followed last
};

template <class Visit>
u32 Graph::neighbours_from(VertexId id, Side side, u32 place, Visit&& visit) const {
  const List found = list(id, side);
  while (place < found.used) {
    const u32 neighbour = load_once<u32>(found.ids() + place++);
    if (neighbour != kDeadNeighbour && !visit(VertexId{neighbour})) break;
  }
  return place;
}

template <class Visit>
void Graph::owned_edges(VertexId id, Side side, Visit&& visit) const {
  const List found = list(id, side);
  for (u32 place = 0; place < found.used; ++place) {
    const VertexId other{load_once<u32>(found.ids() + place)};
    if (static_cast<u32>(other) == kDeadNeighbour) continue;
    visit(other, owns(id, side, other) ? attributes_at(found, place) : EdgeRecord{});
  }
}

template <class Visit>
void Graph::edges(VertexId id, Side side, Visit&& visit) const {
  owned_edges(id, side, [&](VertexId other, const EdgeRecord& record) {
    visit(other, owns(id, side, other) ? record : record_of_owner(other, id));
  });
}

template <class Visit>
void Graph::neighbours(VertexId id, Side side, Visit&& visit) const {
  neighbours_from(id, side, 0, [&](VertexId neighbour) {
    visit(neighbour);
    return true;
  });
}

}  // namespace emd
