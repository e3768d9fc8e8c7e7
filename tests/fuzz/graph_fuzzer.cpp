// Graph over any bytes of its rows, index, heap and delta. Where check() finds nothing, what a walk finds is a model:
// each key and edge is found, from both ends, and changes do to the graph what they do to the model.
#include "structures/graph/graph.h"

#include "model/graph_model.h"
#include "structure_run.h"

namespace emd::fuzz {
namespace {

using testing::Disagreement;
using testing::GraphDriver;
using testing::GraphModel;

// Lists of so many neighbours have tables.
constexpr u32 kHubDegree = 12;

std::string text(Bytes bytes) { return std::string(as_text(bytes)); }

// `hub`: neighbours that one vertex has, in so far as there are that many.
Images sound_images(Regions& regions, const Graph::Type& type, u64 vertices, u64 edges, u64 hub) {
  for (unsigned i = 0; i < Graph::kRegionCount; ++i) regions.set(i, {});
  Graph graph(regions.store(), regions.member(), kHubDegree);
  const Operation operation(regions.store());
  graph.lay_out(type);
  GraphModel model;
  model.directed = type.directed;
  model.edge_bytes = type.edge_bytes;
  u64 random = 1;
  const auto below = [&](u64 limit) {
    random = random * 6364136223846793005 + 1442695040888963407;
    return (random >> 33) % limit;
  };
  for (u64 i = 0; i < vertices; ++i) {
    const std::string key = "n" + std::to_string(i);
    graph.add_vertex(as_bytes(key), {});
    model.add(key);
  }
  for (u64 i = 1; i < std::min(hub, vertices); ++i) {
    graph.add_edge(VertexId{0}, VertexId{static_cast<u32>(i)});
    model.add("n0", "n" + std::to_string(i));
    if (i % 3 != 0) continue;
    std::string& record = model.records[model.name("n0", "n" + std::to_string(i))];
    record = "weight";
    graph.set_edge_attributes(VertexId{0}, VertexId{static_cast<u32>(i)}, as_bytes(record));
  }
  GraphDriver driver(graph, model, below);
  for (u64 i = 0; i < edges; ++i) driver.change();
  for (u64 i = 2; i < hub; i += 5) {
    const auto to = graph.find(as_bytes("n" + std::to_string(i)));
    if (to) graph.remove_edge(VertexId{0}, *to);
  }
  return regions.images();
}

class Subject {
 public:
  explicit Subject(Regions& regions) : graph_(regions.store(), regions.member(), kHubDegree) {}

  void check(Findings& findings) const { graph_.check(findings); }
  void read(Input& input, bool sound) {
    model_.directed = graph_.type().directed;
    model_.edge_bytes = graph_.type().edge_bytes;
    answers(sound, [&] { model_.attributes = text(graph_.attributes()); });
    answers(sound, [&] {
      for (auto id = graph_.next(0); id; id = graph_.next(static_cast<u64>(*id) + 1)) {
        const bool answered =
            answers(sound, [&] { model_.vertices.push_back(text(graph_.key_of(*id).key)); });
        if (answered) take_over(*id, model_.vertices.back(), sound);
      }
    });
    if (sound) require_equal();
    look_anywhere(input);
    answers(sound, [&] { graph_.stats(); });
  }
  void change(Input& input, bool sound) {
    GraphDriver driver(graph_, model_, [&](u64 limit) { return input.below(limit); });
    try {
      driver.change();
    } catch (const Disagreement& disagreement) {
      if (sound) fail(disagreement.what());
    }
  }
  void require_equal() const {
    if (const auto found = difference(graph_, model_)) fail("the graph is as its model: " + *found);
  }

 private:
  // What the graph says of a vertex.
  void take_over(VertexId id, const std::string& key, bool sound) {
    answers(sound, [&] {
      const std::string attributes = text(graph_.vertex_attributes(id));
      if (!attributes.empty()) model_.vertex_attributes[key] = attributes;
    });
    for (const Side side : {Side::successors, Side::predecessors}) {
      if (side == Side::predecessors && !model_.directed) break;
      auto& list = (side == Side::successors ? model_.out : model_.in)[key];
      answers(sound, [&] {
        graph_.neighbours(id, side, [&](VertexId other) {
          list.push_back(text(graph_.key_of(other).key));
          if (side == Side::predecessors) return;
          const auto record = graph_.edge_record(id, other);
          if (record)
            model_.records[model_.name(key, list.back())] = testing::text_of(graph_, id, other, *record);
        });
      });
    }
  }
  // Vertices that no walk gave, places behind the end of a list: an error at worst.
  void look_anywhere(Input& input) {
    for (unsigned count = input.byte() % 4; count != 0; --count) {
      const VertexId id{static_cast<u32>(input.magnitude())}, other{static_cast<u32>(input.byte())};
      const u32 place = input.number<u32>();
      answers(false, [&] { graph_.key_of(id); });
      answers(false, [&] { graph_.previous(input.magnitude()); });
      answers(false, [&] { graph_.has_edge(id, other), graph_.has_edge(other, id); });
      answers(false, [&] { graph_.edge_attributes(other, id); });
      answers(false, [&] { graph_.last_parallel(other, id); });
      answers(false, [&] {
        graph_.neighbours_from(other, Side::predecessors, place, [](VertexId) { return true; });
      });
    }
  }

  Graph graph_;
  GraphModel model_;
};

void run(Input input) {
  static Regions regions(Graph::kKind, Graph::kRegionCount);
  // In order: directed; undirected; with a hub, directed and not, some of whose neighbours are removed; with typed
  // edges.
  static const Images sounds[] = {sound_images(regions, {true, false}, 30, 120, 0),
                                  sound_images(regions, {false, false}, 30, 120, 0),
                                  sound_images(regions, {true, false}, 90, 20, 90),
                                  sound_images(regions, {false, false}, 90, 20, 90),
                                  sound_images(regions, {true, false, 11, "bytes"}, 40, 120, 0),
                                  sound_images(regions, {false, false, 11, "bytes"}, 40, 120, 0)};
  const Images images = damaged(input, sounds, 16);
  run_structure<Subject>(regions, images, input, 32);
}

}  // namespace
}  // namespace emd::fuzz

extern "C" int LLVMFuzzerTestOneInput(const emd::u8* data, std::size_t size) {
  emd::fuzz::run(emd::fuzz::Input(data, size));
  return 0;
}
