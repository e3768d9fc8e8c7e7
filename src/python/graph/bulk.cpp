// Edges whose ends are two arrays of integers.
#include <algorithm>
#include <limits>
#include <vector>

#include "python/array/object.h"
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
  return container.change([&](emd::Graph& graph) {
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

std::span<const i64> numbers(const BytesArgument& argument) {
  return {reinterpret_cast<const i64*>(argument.data()), argument.size() / sizeof(i64)};
}

}  // namespace

// _add_edges(sources, targets, records, mask): contiguous buffers of 64-bit integers, and of the records of typed edges and
// which bits of them count; these are empty for others. Returns how many were added.
PyObject* graph_add_edges(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  return guarded_object([&]() -> PyObject* {
    GraphContainer* const container = usable(self);
    BytesArgument from, to, records, mask;
    if (!check_count(count, 4) || !container || !from.take(args[0]) || !to.take(args[1]) ||
        !records.take(args[2]) || !mask.take(args[3])) {
      return nullptr;
    }
    if (from.size() != to.size() || from.size() % sizeof(i64) != 0) {
      PyErr_SetString(PyExc_ValueError, "expected as many sources as targets, of 8 bytes each");
      return nullptr;
    }
    const std::span<const i64> sources = numbers(from), targets = numbers(to);
    u64 added = 0;
    const Container::Entered entered(*container);
    const u64 width = mask.size();
    if ((width != 0 && width != container->graph().type().edge_bytes) ||
        records.size() != width * sources.size()) {
      PyErr_SetString(PyExc_ValueError, "expected a record for each edge, of its type");
      return nullptr;
    }
    const u64 budget = container->store().buffer_budget();
    const u64 at_once = std::clamp(budget / kBytesAnEdge, kFewestAtOnce, kMostAtOnce);
    for (u64 begin = 0; begin < sources.size(); begin += at_once) {
      const u64 some = std::min<u64>(at_once, sources.size() - begin);
      container->handle().run_long([&] {
        added += add_batch(*container, sources.subspan(begin, some), targets.subspan(begin, some),
                           {records.bytes().subspan(width * begin, width * some), mask.bytes()});
      });
    }
    return PyLong_FromUnsignedLongLong(added);
  });
}

}  // namespace pyr
