// Edges whose ends are two arrays of integers.
#include <algorithm>
#include <span>
#include <stdexcept>
#include <vector>

#include "python/codec/atoms.h"
#include "python/graph/arguments.h"

namespace pyr {
namespace {

using emd::VertexId;

// Memory that an edge of a batch takes here and in Graph::add_edges().
constexpr u64 kBytesAnEdge = 64;
constexpr u64 kFewestAtOnce = u64{1} << 16;
constexpr u64 kMostAtOnce = u64{1} << 26;
// The range of the integers may be so many times the number of edges for a table to be made of it.
constexpr u64 kRangeAnEdge = 4;
constexpr emd::u32 kUnknown = ~emd::u32{0};

// Vertices that are integers, found or added; those of a dense range are looked up once.
class Numbered {
 public:
  Numbered(emd::Graph& graph, std::span<const i64> from, std::span<const i64> to) : graph_(graph) {
    if (from.empty()) return;
    const auto [low, high] = std::minmax_element(from.begin(), from.end());
    const auto [low_to, high_to] = std::minmax_element(to.begin(), to.end());
    low_ = std::min(*low, *low_to);
    const u64 range = static_cast<u64>(std::max(*high, *high_to)) - static_cast<u64>(low_);
    if (range / kRangeAnEdge < from.size()) known_.assign(range + 1, kUnknown);
  }

  VertexId operator()(i64 number) {
    const u64 place = static_cast<u64>(number) - static_cast<u64>(low_);
    if (place < known_.size() && known_[place] != kUnknown) return VertexId{known_[place]};
    key_.clear();
    if (!put_int64(key_, number)) throw PythonError();
    const VertexId id = graph_.add_vertex(key_.bytes(), {}).first;
    if (place < known_.size()) known_[place] = static_cast<emd::u32>(id);
    return id;
  }

 private:
  emd::Graph& graph_;
  i64 low_ = 0;
  std::vector<emd::u32> known_;
  Buffer key_;
};

// One operation.
u64 add_batch(GraphContainer& container, std::span<const i64> from, std::span<const i64> to,
              const emd::Graph::EdgeRecords& records) {
  return container.change([&] {
    emd::Graph& graph = container.graph();
    Numbered numbered(graph, from, to);
    std::vector<VertexId> sources, targets;
    sources.reserve(from.size());
    targets.reserve(from.size());
    for (std::size_t i = 0; i < from.size(); ++i) {
      sources.push_back(numbered(from[i]));
      targets.push_back(numbered(to[i]));
    }
    return graph.add_edges(sources, targets, records);
  });
}

}  // namespace

// _add_edges(sources, targets, records, mask): contiguous buffers of 64-bit integers, and of the records of typed edges
// and which bits of them count; these are empty for others. Returns how many were added.
u64 graph_add_edges(GraphContainer& container, const ReadBuffer& from, const ReadBuffer& to,
                    const ReadBuffer& records, const ReadBuffer& mask) {
  if (from.size() != to.size() || from.size() % sizeof(i64) != 0)
    throw std::invalid_argument("expected as many sources as targets, of 8 bytes each");
  const std::span<const i64> sources = from.as<i64>(), targets = to.as<i64>();
  u64 added = 0;
  const Container::EntryGuard entered(container);
  const u64 width = mask.size();
  if ((width != 0 && width != container.graph().type().edge_bytes) ||
      records.size() != width * sources.size())
    throw std::invalid_argument("expected a record for each edge, of its type");
  const u64 budget = container.store().buffer_budget();
  const u64 at_once = std::clamp(budget / kBytesAnEdge, kFewestAtOnce, kMostAtOnce);
  for (u64 begin = 0; begin < sources.size(); begin += at_once) {
    const u64 some = std::min<u64>(at_once, sources.size() - begin);
    container.handle().run_long([&] {
      added += add_batch(container, sources.subspan(begin, some), targets.subspan(begin, some),
                         {records.bytes().subspan(width * begin, width * some), mask.bytes()});
    });
  }
  return added;
}

}  // namespace pyr
