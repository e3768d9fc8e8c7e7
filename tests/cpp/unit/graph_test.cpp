// Graphs: vertices, edges and attributes against a model, rollback, reopening, compaction, damage.
#include "structures/graph/graph.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <random>
#include <set>

#include "algorithms/compact/compact.h"
#include "base/errors.h"
#include "model/graph_model.h"
#include "support/scratch.h"

namespace emd {
namespace {

std::string text(Bytes bytes) { return std::string(as_text(bytes)); }

class GraphTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override { open(); }
  void TearDown() override {
    graph_.reset();
    store_.reset();
  }
  void open(Mode mode = Mode::append) {
    StoreOptions options;
    options.mode = mode;
    options.commit_interval_seconds = -1;
    store_ = Store::open(scratch_.path(), options);
    member_ = store_->find("g");
    if (member_ == nullptr) member_ = store_->create("g", Graph::kKind, Graph::kRegionCount);
    store_->acquire(*member_);
    graph_.emplace(*store_, *member_, hub_degree_);
    if (!graph_->laid_out()) {
      const Operation operation(*store_);
      graph_->lay_out(type());
    }
  }
  virtual Graph::Type type() const { return {GetParam(), false}; }
  void reopen() {
    graph_.reset();
    store_->release(*member_);
    store_->close();
    open();
  }
  // The store as the next process finds it, after a power cut here.
  void cut_off() {
    graph_.reset();
    store_.reset();
    open();
  }
  template <class Work>
  auto change(Work&& work) {
    const Operation operation(*store_);
    return work();
  }
  VertexId add(const std::string& key) {
    return change([&] { return graph_->add_vertex(as_bytes(key), {}).first; });
  }
  VertexId at(const std::string& key) { return *graph_->find(as_bytes(key)); }
  std::vector<std::string> neighbours(const std::string& key, Side side = Side::successors) {
    std::vector<std::string> found;
    graph_->neighbours(at(key), side, [&](VertexId id) { found.push_back(text(graph_->key_of(id).key)); });
    return found;
  }
  std::vector<std::string> keys() {
    std::vector<std::string> found;
    for (auto id = graph_->next(0); id; id = graph_->next(static_cast<u64>(*id) + 1))
      found.push_back(text(graph_->key_of(*id).key));
    return found;
  }
  void expect_sound() {
    Findings findings;
    graph_->check(findings);
    for (const Finding& finding : findings) ADD_FAILURE() << finding.where << ": " << finding.what;
  }

  void reopen_with_hubs_of(u32 degree) {
    hub_degree_ = degree;
    reopen();
  }
  void do_what_a_model_does();

  Scratch scratch_ = Scratch::fast();
  u32 hub_degree_ = Graph::kHubDegree;
  std::unique_ptr<Store> store_;
  std::shared_ptr<Member> member_;
  std::optional<Graph> graph_;
};

TEST_P(GraphTest, KeepsVerticesAndEdgesInTheOrderOfInsertion) {
  const std::string long_key(5000, 'x');
  for (const std::string& key : {std::string("b"), std::string("a"), long_key}) add(key);
  change([&] {
    EXPECT_TRUE(graph_->add_edge(at("b"), at(long_key)));
    EXPECT_TRUE(graph_->add_edge(at("b"), at("a")));
    EXPECT_TRUE(graph_->add_edge(at("b"), at("b")));
    EXPECT_FALSE(graph_->add_edge(at("b"), at("a")));
    EXPECT_FALSE(graph_->add_vertex(as_bytes("a"), {}).second);
  });
  reopen();
  expect_sound();
  EXPECT_EQ(keys(), (std::vector<std::string>{"b", "a", long_key}));
  EXPECT_EQ(neighbours("b"), (std::vector<std::string>{long_key, "a", "b"}));
  EXPECT_EQ(neighbours("a", Side::predecessors), std::vector<std::string>{"b"});
  EXPECT_EQ(neighbours("a").size(), GetParam() ? 0u : 1u);
  EXPECT_EQ(graph_->edge_count(), 3u);
}

TEST_P(GraphTest, AnEdgeHasOneRecordSeenFromBothEnds) {
  add("a"), add("b"), add("c");
  const std::string large(3000, 'y');
  change([&] {
    graph_->add_edge(at("c"), at("a"));
    graph_->add_edge(at("b"), at("a"));
    EXPECT_TRUE(graph_->set_edge_attributes(at("c"), at("a"), as_bytes("1")));
    EXPECT_TRUE(graph_->set_edge_attributes(at("c"), at("a"), as_bytes(large)));
    EXPECT_FALSE(graph_->set_edge_attributes(at("c"), at("b"), as_bytes("1")));
    graph_->set_vertex_attributes(at("a"), as_bytes("of a"));
    graph_->set_attributes(as_bytes("of all"));
  });
  EXPECT_EQ(text(*graph_->edge_attributes(at("c"), at("a"))), large);
  EXPECT_EQ(graph_->edge_attributes(at("a"), at("c")).has_value(), !GetParam());
  EXPECT_EQ(text(*graph_->edge_attributes(at("b"), at("a"))), "");
  EXPECT_EQ(text(graph_->vertex_attributes(at("a"))), "of a");
  EXPECT_EQ(text(graph_->attributes()), "of all");
  expect_sound();
  change([&] { graph_->remove_edge(at("c"), at("a")); });
  expect_sound();
  change([&] { graph_->remove_vertex(at("a")); });
  expect_sound();
  EXPECT_EQ(graph_->edge_count(), 0u);
  EXPECT_EQ(keys(), (std::vector<std::string>{"b", "c"}));
}

TEST_P(GraphTest, RollsBackAndRecovers) {
  add("a"), add("b");
  store_->commit();
  const u64 generation = graph_->generation();
  store_->begin();
  add("c");
  change([&] {
    graph_->add_edge(at("a"), at("c"));
    graph_->remove_vertex(at("b"));
  });
  store_->rollback();
  EXPECT_NE(graph_->generation(), generation);
  EXPECT_EQ(keys(), (std::vector<std::string>{"a", "b"}));
  add("d");
  cut_off();
  EXPECT_EQ(keys(), (std::vector<std::string>{"a", "b"}));
  expect_sound();
}

void GraphTest::do_what_a_model_does() {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  testing::GraphModel model;
  model.directed = GetParam();
  for (int step = 0; step < 4000; ++step) {
    if (random() % 300 == 0) {
      graph_.reset();
      compact(*store_, *member_, {});
      graph_.emplace(*store_, *member_);
    }
    change(
        [&] { testing::GraphDriver(*graph_, model, [&](u64 limit) { return random() % limit; }).change(); });
    if (step % 500 == 0) expect_sound();
  }
  expect_sound();
  EXPECT_EQ(difference(*graph_, model), std::nullopt);
  change([&] { graph_->clear(); });
  expect_sound();
  EXPECT_EQ(graph_->vertex_count(), 0u);
}

TEST_P(GraphTest, DoesWhatAModelDoes) { do_what_a_model_does(); }

TEST_P(GraphTest, DoesWhatAModelDoesWithTablesOfNeighbours) {
  reopen_with_hubs_of(8);
  do_what_a_model_does();
}

// Whatever else would mark its pages has been committed before.
TEST_P(GraphTest, EachChangeByItselfOutlivesAPowerCut) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  testing::GraphModel model;
  model.directed = GetParam();
  for (int step = 0; step < 600; ++step) {
    change(
        [&] { testing::GraphDriver(*graph_, model, [&](u64 limit) { return random() % limit; }).change(); });
    if (step < 200) continue;
    store_->commit();
    if (step % 4 != 0) continue;
    cut_off();
    ASSERT_EQ(difference(*graph_, model), std::nullopt) << "after step " << step;
  }
  expect_sound();
}

TEST_P(GraphTest, HubsAreSearchedByATable) {
  constexpr u32 kMany = 2000;
  std::vector<VertexId> from, to;
  for (const char* hub : {"one", "two"}) add(hub);
  for (u32 i = 0; i < kMany; ++i) {
    const VertexId leaf = add("leaf" + std::to_string(i));
    change([&] { graph_->add_edge(at("one"), leaf); });
    from.push_back(leaf);
    to.push_back(at("two"));
  }
  change([&] { graph_->add_edges(from, to); });
  const Side side = GetParam() ? Side::predecessors : Side::successors;
  const auto expect_tables = [&](const char* when) {
    SCOPED_TRACE(when);
    EXPECT_TRUE(graph_->indexed(at("one"), Side::successors));
    EXPECT_TRUE(graph_->indexed(at("two"), side));
    EXPECT_FALSE(graph_->indexed(at("leaf1"), Side::successors));
    expect_sound();
  };
  expect_tables("made");
  EXPECT_FALSE(graph_->has_edge(at("one"), at("two")));
  change([&] {
    graph_->add_edge(at("one"), at("two"));
    graph_->set_edge_attributes(at("one"), at("two"), as_bytes("hubs"));
  });
  EXPECT_TRUE(graph_->has_edge(at("one"), at("two")));
  EXPECT_EQ(graph_->has_edge(at("two"), at("one")), !GetParam());
  expect_tables("attributed");
  graph_.reset();
  compact(*store_, *member_, {});
  graph_.emplace(*store_, *member_);
  expect_tables("compacted");
  EXPECT_EQ(text(*graph_->edge_attributes(at("one"), at("two"))), "hubs");
  for (u32 i = 0; i < kMany; i += 2) change([&] { graph_->remove_edge(at("one"), VertexId{2 + i}); });
  expect_tables("half of them removed");
  EXPECT_EQ(graph_->degree(at("one"), Side::successors), kMany / 2 + 1);
  change([&] { graph_->remove_vertex(at("one")); });
  expect_sound();
}

TEST_P(GraphTest, ManyEdgesAtOnceAreThoseOneByOne) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  testing::GraphModel model;
  model.directed = GetParam();
  constexpr u32 kVertices = 150;
  for (u32 i = 0; i < kVertices; ++i) {
    add("v" + std::to_string(i));
    model.add("v" + std::to_string(i));
  }
  for (const unsigned count : {1u, 3u, 500u, 0u, 6000u}) {
    std::vector<VertexId> from, to;
    u64 before = graph_->edge_count();
    for (unsigned i = 0; i < count; ++i) {
      // A few vertices have most of the edges.
      from.push_back(VertexId{static_cast<u32>(random() % (i % 2 == 0 ? 3 : kVertices))});
      to.push_back(VertexId{static_cast<u32>(random() % kVertices)});
      model.add("v" + std::to_string(static_cast<u32>(from.back())),
                "v" + std::to_string(static_cast<u32>(to.back())));
    }
    const u64 added = change([&] { return graph_->add_edges(from, to); });
    EXPECT_EQ(graph_->edge_count(), before + added);
    EXPECT_EQ(graph_->edge_count(), model.records.size());
    if (count != 0) {
      change([&] { graph_->set_edge_attributes(from[0], to[0], as_bytes("w")); });
      const auto key = [](VertexId id) { return "v" + std::to_string(static_cast<u32>(id)); };
      model.records[model.name(key(from[0]), key(to[0]))] = "w";
    }
    expect_sound();
  }
  EXPECT_EQ(difference(*graph_, model), std::nullopt);
}

TEST_P(GraphTest, ALongListLosesItsNeighbours) {
  constexpr u32 kMany = 3000;
  const VertexId hub = add("hub");
  for (u32 i = 0; i < kMany; ++i) {
    const VertexId leaf = add("leaf" + std::to_string(i));
    change([&] {
      graph_->add_edge(hub, leaf);
      if (i % 3 == 0) graph_->set_edge_attributes(hub, leaf, as_bytes("w"));
    });
  }
  for (u32 i = 0; i < kMany; ++i) {
    if (i % 8 != 0) change([&] { graph_->remove_edge(hub, at("leaf" + std::to_string(i))); });
    if (i % 500 == 0) expect_sound();
  }
  expect_sound();
  EXPECT_EQ(graph_->degree(hub, Side::successors), kMany / 8);
  change([&] { graph_->remove_vertex(hub); });
  expect_sound();
  EXPECT_EQ(graph_->edge_count(), 0u);
}

TEST_P(GraphTest, FlippedBytesAreAnAnswerOrAnError) {
  reopen_with_hubs_of(10);
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int i = 0; i < 60; ++i) add("v" + std::to_string(i));
  for (int i = 0; i < 400; ++i) {
    change([&] {
      const VertexId u{static_cast<u32>(random() % 60)}, v{static_cast<u32>(random() % 60)};
      if (graph_->add_edge(u, v)) graph_->set_edge_attributes(u, v, as_bytes("x"));
    });
  }
  for (int round = 0; round < 300; ++round) {
    store_->begin();
    change([&] {
      Region& region = *member_->regions[random() % 3];
      const u64 offset = random() % region.size();
      *region.writable(offset, 1) ^= static_cast<u8>(1 + random() % 255);
    });
    Findings findings;
    try {
      graph_->check(findings);
      for (int i = 0; i < 20; ++i) {
        const std::string u = "v" + std::to_string(random() % 60), v = "v" + std::to_string(random() % 60);
        const auto a = graph_->find(as_bytes(u)), b = graph_->find(as_bytes(v));
        if (!a || !b) continue;
        change([&] {
          graph_->remove_edge(*a, *b);
          graph_->add_edge(*b, *a);
          if (i % 7 == 0) graph_->remove_vertex(*a);
        });
      }
    } catch (const Error&) {
    }
    store_->rollback();
  }
  expect_sound();
}

// Edges with records of seven bytes, which is no multiple of anything.
class TypedGraphTest : public GraphTest {
 protected:
  static constexpr u32 kBytes = 7;
  Graph::Type type() const override { return {GetParam(), false, kBytes, "seven bytes"}; }
  static std::string some_record(std::mt19937& random) {
    std::string record(kBytes, '\0');
    for (char& c : record) c = static_cast<char>(random() % 3 == 0 ? 0 : random());
    return record;
  }
};

// `whole` with those bytes of `record` that `mask` has.
std::string mixed(std::string whole, const std::string& record, const std::string& mask) {
  for (std::size_t i = 0; i < whole.size(); ++i) {
    if (mask[i] != 0) whole[i] = record[i];
  }
  return whole;
}

TEST_P(TypedGraphTest, DoesWhatAModelDoes) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  testing::GraphModel model;
  model.directed = GetParam();
  constexpr u32 kVertices = 60;
  const auto name = [](VertexId id) { return "v" + std::to_string(static_cast<u32>(id)); };
  for (u32 i = 0; i < kVertices; ++i) add(name(VertexId{i}));
  const std::string nothing(kBytes, '\0');
  for (int step = 0; step < 1500; ++step) {
    std::string mask(kBytes, '\0');
    for (char& c : mask) c = random() % 2 == 0 ? '\xff' : '\0';
    // Mostly of a few vertices, so that they come twice and have long lists.
    const auto some = [&] {
      return VertexId{static_cast<u32>(random() % (random() % 2 == 0 ? 4 : kVertices))};
    };
    const VertexId u = some(), v = some();
    const unsigned what = random() % 100;
    if (what < 6) {
      std::vector<VertexId> from, to;
      std::string records;
      const unsigned count = random() % 3 == 0 ? 700 : random() % 20;
      for (unsigned i = 0; i < count; ++i) {
        from.push_back(some()), to.push_back(some());
        const std::string record = some_record(random);
        records += record;
        model.add(name(from.back()), name(to.back()));
        std::string& known = model.records[model.name(name(from.back()), name(to.back()))];
        known = mixed(known.empty() ? nothing : known, record, mask);
      }
      change([&] { graph_->add_edges(from, to, {as_bytes(records), as_bytes(mask)}); });
    } else if (what < 30) {
      EXPECT_EQ(change([&] { return graph_->add_edge(u, v); }), !model.has(name(u), name(v)));
      model.add(name(u), name(v));
    } else if (what < 60) {
      EXPECT_EQ(change([&] { return graph_->remove_edge(u, v); }), model.has(name(u), name(v)));
      model.remove(name(u), name(v));
    } else if (what < 95) {
      const std::string record = some_record(random);
      const bool whole = random() % 2 == 0;
      EXPECT_EQ(change([&] {
                  return whole ? graph_->set_edge_attributes(u, v, as_bytes(record))
                               : graph_->change_edge_record(u, v, {as_bytes(record), as_bytes(mask)});
                }),
                model.has(name(u), name(v)));
      if (model.has(name(u), name(v))) {
        std::string& known = model.records[model.name(name(u), name(v))];
        known = whole ? record : mixed(known.empty() ? nothing : known, record, mask);
      }
    } else if (what < 97) {
      graph_.reset();
      compact(*store_, *member_, {});
      graph_.emplace(*store_, *member_);
    } else {
      reopen();
    }
    if (step % 100 == 0) expect_sound();
  }
  expect_sound();
  EXPECT_EQ(graph_->type(), type());
  EXPECT_EQ(graph_->edge_count(), model.records.size());
  for (const std::string& key : keys()) {
    EXPECT_EQ(neighbours(key), model.out[key]);
    for (const std::string& other : model.out[key]) {
      const std::string& known = model.records[model.name(key, other)];
      EXPECT_EQ(text(*graph_->edge_attributes(at(key), at(other))), known.empty() ? nothing : known);
    }
  }
  change([&] { graph_->clear(); });
  reopen();
  EXPECT_EQ(graph_->type(), type());
}

INSTANTIATE_TEST_SUITE_P(Of, TypedGraphTest, ::testing::Bool(),
                         [](const auto& suite) { return suite.param ? "Directed" : "Undirected"; });
INSTANTIATE_TEST_SUITE_P(Of, GraphTest, ::testing::Bool(),
                         [](const auto& suite) { return suite.param ? "Directed" : "Undirected"; });

}  // namespace
}  // namespace emd
