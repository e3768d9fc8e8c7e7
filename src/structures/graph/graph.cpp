// Graph: vertices, their keys and attributes, and the layout. Edges are in edges.cpp, many at once in bulk.cpp.
#include "structures/graph/graph.h"

#include <atomic>
#include <cerrno>
#include <cstring>

#include "base/errors.h"

namespace emd {

static_assert(sizeof(GraphHeader) + kMaxEdgeTypeName <= Graph::kRowsAt);

namespace {
constexpr u32 kMaxSegmentBuckets = 512;
constexpr u32 kHashBits = 64;

// As the first bytes of the region.
void put_header(u8* to, const Graph::Type& type) {
  GraphHeader header;
  header.flags = (type.directed ? kGraphDirected : 0) | (type.multi ? kGraphMulti : 0);
  header.edge_bytes = type.edge_bytes;
  header.name_bytes = type.edge_type.size();
  store(to, header);
  std::copy(type.edge_type.begin(), type.edge_type.end(), to + sizeof header);
}
}  // namespace

Graph::Graph(Store& store, Member& member, u32 hub_degree)
    : store_(store),
      rows_region_(member.region(0)),
      index_region_(member.region(1)),
      heap_region_(member.region(2)),
      delta_region_(member.region(3)),
      index_(store_, index_region_, delta_region_, [this](u64 id) { return hash_at(id); }),
      heap_(heap_region_),
      seed_(store.seed()),
      hub_degree_(hub_degree) {
  EMD_CHECK(member.region_count == kRegionCount);
  if (laid_out()) {
    type_ = read_type();
    index_.open(seed_);
  }
  for (Region* region : {&rows_region_, &index_region_, &heap_region_}) region->expect_points();
  store_.on_rollback(this, [this] {
    ++version_;
    ++generation_;
  });
  if (store_.read_only()) {
    follow();
    store_.on_follow(this, [this] { follow(); });
  }
}

u64 Graph::first_version() {
  static std::atomic<u64> graphs = 0;
  return ++graphs << 32;
}

Graph::~Graph() { store_.remove_callback(this); }

void Graph::damaged(const std::string& what) const {
  throw DamagedError("graph: " + what + "; run verify(), and restore the store from a backup",
                     rows_region_.path());
}

void Graph::follow() {
  if (rows_region_.size() < kRowsAt) return;
  const Fingerprint now{id_bound(), vertex_count(), hash64(as_bytes(rows_region_.path()), 0)};
  if (now == fingerprint_) return;
  if (now.file != fingerprint_.file) ++generation_;
  fingerprint_ = now;
  ++version_;
}

Graph::Type Graph::read_type() const {
  const GraphHeader header = load<GraphHeader>(rows_region_.at(0, kRowsAt));
  if (header.magic != kGraphMagic)
    damaged("expected the magic number of a graph, found " + std::to_string(header.magic));
  if (header.format != kFirstGraphFormat && header.format != kGraphFormat) {
    throw FormatError("graph: format " + std::to_string(header.format) + " of " + rows_region_.path() +
                      " is not known here; this version reads formats 1 and " + std::to_string(kGraphFormat));
  }
  if ((header.flags & ~(kGraphDirected | kGraphMulti)) != 0)
    damaged("expected flags below 4, found " + std::to_string(header.flags));
  if (header.edge_bytes != 0 && (header.flags & kGraphMulti) != 0)
    damaged("expected edges without a type in a graph of parallel edges, found " +
            std::to_string(header.edge_bytes) + " bytes of each");
  if (header.edge_bytes > kMaxEdgeBytes || header.name_bytes > kMaxEdgeTypeName) {
    damaged("expected edges of at most " + std::to_string(kMaxEdgeBytes) + " bytes, found " +
            std::to_string(header.edge_bytes) + ", with a name of " + std::to_string(header.name_bytes));
  }
  const Bytes name{rows_region_.at(sizeof header, header.name_bytes), header.name_bytes};
  return {(header.flags & kGraphDirected) != 0, (header.flags & kGraphMulti) != 0, header.edge_bytes,
          std::string(as_text(name))};
}

namespace {

std::string title(const Graph::Type& type) {
  return std::string(type.directed ? "directed" : "undirected") + (type.multi ? ", with parallel edges" : "");
}

}  // namespace

void Graph::require(const OpenAs& wanted) const {
  const Type& type = wanted.type;
  if (wanted.kind_given && (type_.directed != type.directed || type_.multi != type.multi)) {
    throw FormatError("expected another kind of graph (" + title(type) + "), found one that is " +
                      title(type_) + ": open it with open(), or with its class");
  }
  if (type.edge_bytes != 0 && type_ != type) {
    throw FormatError("expected edges of the type " + type.edge_type + ", found " +
                      (type_.edge_bytes == 0 ? "edges without a type" : type_.edge_type) +
                      ": open it without edge_dtype=");
  }
}

void Graph::lay_out(const Type& type) {
  EMD_CHECK(!laid_out() && type.edge_bytes <= kMaxEdgeBytes && type.edge_type.size() <= kMaxEdgeTypeName);
  rows_region_.reserve(kRowsAt);
  const u64 missing = HashIndex::kEmptyBytes - index_region_.size();
  index_region_.reserve(missing);
  index_region_.extend(missing);
  HashIndex::format(index_region_.writable(0, HashIndex::kEmptyBytes), kMaxSegmentBuckets, kHashBits, seed_,
                    BufferedIndex::kAutomatic);
  rows_region_.extend(kRowsAt);
  put_header(rows_region_.writable(0, sizeof(GraphHeader) + type.edge_type.size()), type);
  type_ = type;
  index_.open(seed_);
}

u64 Graph::vertex_count() const {
  const u64 vertices = load_once<u64>(&header().vertices);
  if (vertices > id_bound()) {
    damaged("expected at most " + std::to_string(id_bound()) + " vertices, the header says " +
            std::to_string(vertices));
  }
  return vertices;
}

// Each edge has a number of 4 bytes in a list at least.
u64 Graph::edge_count() const {
  const u64 edges = load_once<u64>(&header().edges), most = heap_region_.size() / sizeof(u32);
  if (edges > most) {
    damaged("expected at most " + std::to_string(most) + " edges, the header says " + std::to_string(edges));
  }
  return edges;
}

// ---- Rows and keys

bool Graph::alive(VertexId id) const {
  return static_cast<u64>(id) < id_bound() && row(id).key_size != kDeadVertex;
}

const VertexRow& Graph::live_row(VertexId id) const {
  if (__builtin_expect(!alive(id), 0)) {
    damaged("expected a vertex in row " + std::to_string(static_cast<u64>(id)) + " of " +
            std::to_string(id_bound()) + ", found none");
  }
  return row(id);
}

Graph::Key Graph::key_in(const VertexRow& row) const {
  const u8 size = load_once<u8>(&row.key_size);
  if (__builtin_expect(size <= kInlineKey, 1)) return {{row.key, size}, {}};
  const Bytes block = heap_.read(HeapRef{load<u64>(row.key)});
  const u64 length = block.size() < 4 ? ~u64{0} : load_once<u32>(block.data());
  if (size != kKeyInHeap || length > block.size() - 4)
    damaged("expected a key, found one of " + std::to_string(length) + " bytes");
  return {block.subspan(4, length), block.subspan(4 + length)};
}

Graph::Key Graph::key_of(VertexId id) const { return key_in(live_row(id)); }

u64 Graph::hash_at(u64 id) const {
  if (id >= kMaxVertices) damaged("expected a vertex, found the number " + std::to_string(id));
  return hash(key_of(VertexId{static_cast<u32>(id)}).key);
}

namespace {
bool equal(Bytes a, Bytes b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}
}  // namespace

std::optional<VertexId> Graph::find(Bytes key) const {
  const u64 found = index_.find(hash(key), [&](u64 id) {
    return id < kMaxVertices && equal(key_of(VertexId{static_cast<u32>(id)}).key, key);
  });
  if (found == BufferedIndex::kNone) return std::nullopt;
  return VertexId{static_cast<u32>(found)};
}

std::optional<VertexId> Graph::next(u64 from) const {
  for (const u64 end = id_bound(); from < end; ++from) {
    const VertexId id{static_cast<u32>(from)};
    if (row(id).key_size != kDeadVertex) return id;
  }
  return std::nullopt;
}

std::optional<VertexId> Graph::previous(u64 before) const {
  for (before = std::min(before, id_bound()); before-- > 0;) {
    const VertexId id{static_cast<u32>(before)};
    if (row(id).key_size != kDeadVertex) return id;
  }
  return std::nullopt;
}

std::pair<VertexId, bool> Graph::add_vertex(Bytes key, Bytes annex) {
  const u64 hash = this->hash(key);
  index_.buffering();
  BufferedIndex::InsertionPoint point;
  const u64 found = index_.find(
      hash,
      [&](u64 id) { return id < kMaxVertices && equal(key_of(VertexId{static_cast<u32>(id)}).key, key); },
      &point);
  if (found != BufferedIndex::kNone) return {VertexId{static_cast<u32>(found)}, false};
  const u64 id = id_bound();
  if (id >= kMaxVertices || key.size() > kMaxKeyBytes) {
    throw SystemError(
        EFBIG, "a graph holds at most 2^32 - 1 vertices until it is compacted, with keys of at most 4 GiB",
        rows_region_.path());
  }
  const u64 end = row_offset(VertexId{static_cast<u32>(id)}) + sizeof(VertexRow);
  if (end - sizeof(VertexRow) > rows_region_.size())
    damaged("expected " + std::to_string(id) + " rows in the file");
  const u64 missing = end > rows_region_.size() ? end - rows_region_.size() : 0;
  rows_region_.reserve(missing);
  index_.make_room(hash, point);
  VertexRow row;
  row.key_size = static_cast<u8>(key.size());
  if (key.size() > kInlineKey || !annex.empty()) {
    std::vector<u8> block(4);
    store(block.data(), static_cast<u32>(key.size()));
    block.insert(block.end(), key.begin(), key.end());
    block.insert(block.end(), annex.begin(), annex.end());
    store(row.key, static_cast<u64>(heap_.allocate(block)));
    row.key_size = kKeyInHeap;
  } else {
    std::copy(key.begin(), key.end(), row.key);
  }
  // Nothing fails from here on.
  if (missing != 0) rows_region_.extend(missing);
  store(rows_region_.writable(end - sizeof row, sizeof row), row);
  index_.insert(point, hash, id);
  GraphHeader& changed = change_header();
  ++changed.rows;
  ++changed.vertices;
  ++version_;
  return {VertexId{static_cast<u32>(id)}, true};
}

void Graph::remove_vertex(VertexId id) {
  const u64 key_hash = hash(key_of(id).key);
  const bool outside = live_row(id).key_size == kKeyInHeap;
  const HeapRef key_block{outside ? load<u64>(live_row(id).key) : 0};
  const u64 own = live_row(id).attributes;
  record(own);
  std::vector<VertexId> neighbours[2];
  for (const Side side : {Side::successors, Side::predecessors}) {
    if (side != actual(side)) continue;
    require_edges(id, side);
    this->neighbours(id, side,
                     [&](VertexId other) { neighbours[static_cast<unsigned>(side)].push_back(other); });
  }
  if (!index_.erase(key_hash, static_cast<u64>(id)))
    damaged("expected vertex " + std::to_string(static_cast<u64>(id)) + " in the index");
  // Nothing fails from here on.
  const bool loop = place_in(id, Side::successors, id) != kNone;
  for (const VertexId other : neighbours[0]) {
    if (other != id) take_out(other, back(), id);
  }
  for (const VertexId other : neighbours[1]) {
    if (other != id) take_out(other, Side::successors, id);
  }
  drop_list(id, Side::successors);
  if (type_.directed) drop_list(id, Side::predecessors);
  if (own != 0) heap_.free(HeapRef{own});
  if (outside) heap_.free(key_block);
  VertexRow dead;
  dead.key_size = kDeadVertex;
  store(rows_region_.writable(row_offset(id), sizeof dead), dead);
  GraphHeader& changed = change_header();
  changed.edges -= neighbours[0].size() + neighbours[1].size() - (type_.directed && loop ? 1 : 0);
  --changed.vertices;
  ++version_;
}

// Rewrites all, so that its cost does not grow with what is removed.
void Graph::clear() {
  Region::Rewrite rows = rows_region_.rewrite(kRowsAt);
  put_header(rows.data(), type_);
  Region::Rewrite index = index_region_.rewrite(HashIndex::kEmptyBytes);
  HashIndex::format(index.data(), kMaxSegmentBuckets, kHashBits, seed_, BufferedIndex::kAutomatic);
  std::optional<Region::Rewrite> delta;
  if (delta_region_.size() != 0) delta = delta_region_.rewrite(0);
  heap_.clear();
  // Nothing fails from here on.
  rows_region_.finish(std::move(rows));
  index_region_.finish(std::move(index));
  if (delta) delta_region_.finish(std::move(*delta));
  ++version_;
}

// ---- Attributes

// What stands for `bytes` in the place of `reference`, which is to be freed by the caller if it is another one.
u64 Graph::replace_record(u64 reference, Bytes bytes) {
  if (reference != 0) heap_.read(HeapRef{reference});
  if (bytes.empty()) return 0;
  if (reference != 0 && heap_.replace(HeapRef{reference}, bytes)) return reference;
  return static_cast<u64>(heap_.allocate(bytes));
}

void Graph::set_attributes(Bytes bytes) {
  const u64 old = header().attributes;
  const u64 fresh = replace_record(old, bytes);
  if (fresh == old) return;
  change_header().attributes = fresh;
  if (old != 0) heap_.free(HeapRef{old});
}

void Graph::set_vertex_attributes(VertexId id, Bytes bytes) {
  const u64 old = live_row(id).attributes;
  const u64 fresh = replace_record(old, bytes);
  if (fresh == old) return;
  rows_region_.writable_as<VertexRow>(row_offset(id))->attributes = fresh;
  if (old != 0) heap_.free(HeapRef{old});
}

Graph::Stats Graph::stats() const {
  const u64 rows = id_bound() * sizeof(VertexRow);
  return {vertex_count(),
          edge_count(),
          rows,
          rows - vertex_count() * sizeof(VertexRow),
          index_region_.size(),
          index_.free_bytes(),
          heap_.live_bytes(),
          heap_.free_bytes(),
          delta_region_.size(),
          index_.delta_free_bytes()};
}

}  // namespace emd
