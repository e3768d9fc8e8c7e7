// Parallel edges in tables: random steps against a model, over commits, rollbacks, compaction; and damaged bytes.
#include "structures/graph/parallel_edges.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "algorithms/compact/compact.h"
#include "base/errors.h"
#include "structures/graph/graph.h"
#include "support/scratch.h"

using namespace emd;

namespace {

std::string text(Bytes bytes) { return std::string(as_text(bytes)); }

// In the order of insertion.
using Model = std::vector<std::pair<std::string, std::string>>;

auto find_in(Model& model, const std::string& key) {
  return std::find_if(model.begin(), model.end(), [&](const auto& one) { return one.first == key; });
}

class ParallelEdgesTest : public ::testing::TestWithParam<bool> {
 protected:
  template <class Work>
  auto change(Work&& work) {
    const Operation operation(*store_);
    return work();
  }
  void SetUp() override {
    open();
    change([&] {
      u_ = graph_->add_vertex(as_bytes("u"), {}).first;
      v_ = graph_->add_vertex(as_bytes("v"), {}).first;
      graph_->add_edge(v_, u_);
      graph_->add_edge(u_, v_);
      graph_->set_edge_attributes(u_, v_, as_bytes("one record"));
    });
  }
  void TearDown() override {
    graph_.reset();
    store_.reset();
  }
  void open() {
    StoreOptions options;
    options.commit_interval_seconds = -1;
    store_ = Store::open(scratch_.path(), options);
    member_ = store_->find("g");
    if (member_ == nullptr) member_ = store_->create("g", Graph::kKind, Graph::kRegionCount);
    store_->acquire(*member_);
    graph_.emplace(*store_, *member_);
    if (!graph_->laid_out()) change([&] { graph_->lay_out({GetParam(), true}); });
  }
  void make_table(const Model& model) {
    std::vector<ParallelEdges::Edge> edges;
    for (const auto& [key, value] : model)
      edges.push_back({as_bytes(key), as_bytes("annex"), as_bytes(value)});
    EXPECT_TRUE(change([&] { return graph_->set_parallel(u_, v_, edges); }));
  }
  Model content() {
    Model found;
    graph_->parallel_from(u_, v_, 0, [&](const ParallelEdges::Edge& edge) {
      EXPECT_EQ(text(edge.annex), "annex");
      found.emplace_back(text(edge.key), text(edge.record));
      return true;
    });
    return found;
  }
  void expect(Model& model) {
    EXPECT_EQ(graph_->edge_record(u_, v_)->parallel, model.size());
    EXPECT_EQ(content(), model);
    for (const auto& [key, value] : model)
      ASSERT_EQ(text(graph_->find_parallel(u_, v_, as_bytes(key))->record), value);
    Findings findings;
    graph_->check(findings);
    EXPECT_TRUE(findings.empty()) << findings[0].where << ": " << findings[0].what;
  }

  Scratch scratch_ = Scratch::fast();
  std::unique_ptr<Store> store_;
  std::shared_ptr<Member> member_;
  std::optional<Graph> graph_;
  VertexId u_{}, v_{};
};

TEST_P(ParallelEdgesTest, RandomStepsAgreeWithAModel) {
  for (unsigned seed = 0; seed < 3; ++seed) {
    std::mt19937_64 random(seed);
    Model model, before;
    for (unsigned i = 0; i < 20 * seed; ++i) model.emplace_back("key " + std::to_string(i), "first");
    make_table(model);
    for (unsigned step = 0; step < 3000; ++step) {
      // Phases in which it grows, and shrinks.
      const bool growing = step / 500 % 2 == 0;
      const std::string key = "key " + std::to_string(random() % 400);
      const u64 draw = random() % 100;
      if (draw < (growing ? 70u : 25u)) {
        const std::string value(random() % 60, static_cast<char>('a' + random() % 26));
        const auto known = find_in(model, key);
        const bool added = change([&] {
          return graph_->put_parallel(u_, v_, {as_bytes(key), as_bytes("annex"), as_bytes(value)});
        });
        EXPECT_EQ(added, known == model.end());
        if (known != model.end())
          known->second = value;
        else
          model.emplace_back(key, value);
      } else if (draw < 95) {
        const auto known = find_in(model, key);
        EXPECT_EQ(change([&] { return graph_->remove_parallel(u_, v_, as_bytes(key)); }),
                  known != model.end());
        if (known != model.end()) model.erase(known);
      } else if (store_->in_transaction()) {
        if (random() % 2 == 0) {
          store_->rollback();
          model = before;
        } else {
          store_->commit_transaction();
        }
      } else {
        store_->begin();
        before = model;
      }
      if (step % 250 == 0) expect(model);
    }
    if (store_->in_transaction()) store_->commit_transaction();
    expect(model);
  }
}

TEST_P(ParallelEdgesTest, TheyOutliveTheProcessAndACompaction) {
  Model model;
  for (unsigned i = 0; i < 500; ++i) model.emplace_back("key " + std::to_string(i), std::string(i % 50, 'x'));
  make_table(model);
  store_->commit();
  graph_.reset();
  store_.reset();
  open();
  expect(model);
  graph_.reset();
  compact(*store_, *member_, {});
  graph_.emplace(*store_, *member_);
  expect(model);
}

TEST_P(ParallelEdgesTest, AllThatRemovesTheEdgeRemovesThem) {
  for (unsigned how = 0; how < 5; ++how) {
    change([&] {
      u_ = graph_->add_vertex(as_bytes("u"), {}).first;
      v_ = graph_->add_vertex(as_bytes("v"), {}).first;
      graph_->add_edge(u_, v_);
    });
    Model model;
    for (unsigned i = 0; i < 100; ++i) model.emplace_back("key " + std::to_string(i), "value");
    make_table(model);
    expect(model);
    change([&] {
      if (how == 0) graph_->remove_edge(u_, v_);
      if (how == 1) graph_->remove_vertex(u_);
      if (how == 2) graph_->clear_edges();
      if (how == 3) graph_->set_edge_attributes(u_, v_, as_bytes("one record again"));
      if (how == 4) graph_->clear();
    });
    if (how == 3) {
      EXPECT_EQ(text(*graph_->edge_attributes(u_, v_)), "one record again");
    }
    Findings findings;
    graph_->check(findings);
    EXPECT_TRUE(findings.empty()) << how << ": " << findings[0].where << ": " << findings[0].what;
  }
}

// Whatever the bytes of the heap are: an answer, or the error of damage.
TEST_P(ParallelEdgesTest, DamagedBytesGiveAnAnswerOrAnError) {
  Model model;
  for (unsigned i = 0; i < 60; ++i) model.emplace_back("key " + std::to_string(i), std::string(i % 30, 'x'));
  make_table(model);
  store_->commit();
  Region& heap = *member_->regions[2];
  std::mt19937_64 random(1);
  for (unsigned round = 0; round < 2000; ++round) {
    store_->begin();
    try {
      const Operation operation(*store_);
      for (unsigned i = 0; i < 3; ++i) {
        u8* const byte = heap.writable(kPageSize + random() % (heap.size() - kPageSize), 1);
        *byte = round % 2 == 0 ? static_cast<u8>(random()) : static_cast<u8>(*byte ^ (1u << random() % 8));
      }
      for (unsigned i = 0; i < 60; i += 7) {
        const std::string key = "key " + std::to_string(i);
        graph_->find_parallel(u_, v_, as_bytes(key));
        graph_->put_parallel(u_, v_, {as_bytes(key), {}, as_bytes("another")});
        graph_->put_parallel(u_, v_, {as_bytes("new " + key), {}, as_bytes("new")});
        graph_->remove_parallel(u_, v_, as_bytes(key));
      }
      graph_->parallel_from(u_, v_, 0, [](const auto&) { return true; });
      Findings findings;
      graph_->check(findings);
      graph_->remove_edge(u_, v_);
    } catch (const DamagedError&) {
    }
    store_->rollback();
  }
  expect(model);
}

INSTANTIATE_TEST_SUITE_P(Directed, ParallelEdgesTest, ::testing::Bool());

}  // namespace
