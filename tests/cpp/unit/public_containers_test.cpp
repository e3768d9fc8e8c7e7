// The handles of containers, with the public headers alone.
#include <emd/emd.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <ranges>
#include <string>
#include <vector>

#include "support/scratch.h"

namespace {

using Limits = std::numeric_limits<std::int64_t>;

class PublicContainers : public testing::Test {
 protected:
  // Commits and opens anew, for writing or beside no one for reading.
  void reopen(emd::Mode mode = emd::Mode::append) {
    store_.close();
    store_ = emd::Store::open(scratch_.path(), {.mode = mode});
  }

  Scratch scratch_ = Scratch::fast();
  emd::Store store_ = emd::Store::open(scratch_.path());
};

// ---- Bytes

TEST(PublicBytes, AreMadeOfWhatHoldsBytes) {
  const std::array<unsigned char, 3> numbers{1, 0, 2};
  const std::vector<std::byte> bytes(4);
  const char* const pointer = "text";
  EXPECT_EQ(emd::BytesView("literal").size(), 7u);
  EXPECT_EQ(emd::BytesView(pointer).size(), 4u);
  EXPECT_EQ(emd::BytesView(std::string("a\0b", 3)).size(), 3u);
  EXPECT_EQ(emd::BytesView(std::string_view("ab")).size(), 2u);
  EXPECT_EQ(emd::BytesView(numbers).size(), 3u);
  EXPECT_EQ(emd::BytesView(bytes).size(), 4u);
  EXPECT_EQ(emd::BytesView(std::span(numbers)).size(), 3u);
  EXPECT_EQ(emd::bytes_of(std::uint32_t{7}).size(), 4u);
  EXPECT_TRUE(emd::BytesView().empty());
  EXPECT_FALSE(emd::BytesView("a").is_text());
  EXPECT_TRUE(emd::text("a").is_text());
}

// ---- Dict

TEST_F(PublicContainers, ADictHoldsBytesInOrder) {
  emd::Dict dict = store_.dict("dict");
  const std::string zeros("\0k\0", 3), large(100'000, 'v');
  EXPECT_TRUE(dict.put("b", "1"));
  EXPECT_TRUE(dict.put(zeros, large));
  EXPECT_TRUE(dict.put("", ""));
  EXPECT_TRUE(dict.put(large, "long key"));
  EXPECT_FALSE(dict.put("b", "2"));
  EXPECT_TRUE(dict.put(emd::text("b"), emd::text("t\xc3\xa4xt")));  // another key
  reopen();
  dict = store_.dict("dict");
  std::vector<std::string> keys;
  for (const auto& [key, value] : dict) keys.emplace_back(key);
  EXPECT_EQ(keys, (std::vector<std::string>{"b", zeros, "", large, "b"}));
  EXPECT_EQ(dict.get("b"), "2");
  EXPECT_EQ(dict.get(emd::text("b")), "t\xc3\xa4xt");
  EXPECT_EQ(dict.get(zeros), large);
  EXPECT_EQ(dict.get(""), "");
  EXPECT_EQ(dict.get("c"), std::nullopt);
  EXPECT_TRUE(dict.contains(large));
  std::string value = "kept";
  EXPECT_FALSE(dict.get("c", value));
  EXPECT_EQ(value, "kept");
  EXPECT_TRUE(dict.get("b", value));
  EXPECT_EQ(value, "2");
  EXPECT_TRUE(dict.erase("b"));
  EXPECT_FALSE(dict.erase("b"));
  EXPECT_EQ(dict.size(), 4u);
  dict.clear();
  EXPECT_TRUE(dict.empty());
  EXPECT_TRUE(dict.begin() == dict.end());
  EXPECT_THROW(dict.put(emd::text("\xff"), ""), emd::FormatError);
}

TEST_F(PublicContainers, ADictHoldsNumbers) {
  struct Point {
    double x, y;
  };
  emd::Dict dict = store_.dict("dict");
  dict.put("n", emd::bytes_of(std::uint64_t{1} << 40));
  dict.put(emd::bytes_of(3), emd::bytes_of(Point{1.5, -2}));
  EXPECT_EQ(dict.get<std::uint64_t>("n"), std::uint64_t{1} << 40);
  EXPECT_EQ(dict.get<Point>(emd::bytes_of(3))->y, -2);
  EXPECT_FALSE(dict.get<Point>("m"));
  EXPECT_THROW((void)dict.get<std::uint32_t>("n"), emd::FormatError);
}

TEST_F(PublicContainers, ADictThatChangesEndsItsIteration) {
  emd::Dict dict = store_.dict("dict");
  for (int i = 0; i < 5; ++i) dict.put(std::to_string(i), "v");
  std::size_t seen = 0;
  for (const auto& [key, value] : dict) {
    dict.put(key, std::string(100, 'w'));  // a new value for an old key
    ++seen;
  }
  EXPECT_EQ(seen, 5u);
  auto step = dict.begin();
  dict.put("new", "");
  EXPECT_THROW(++step, emd::StateError);
}

// ---- Set

TEST_F(PublicContainers, ASetHoldsEachOnceInOrder) {
  emd::Set set = store_.set("set");
  const std::string zeros("\0k\0", 3);
  EXPECT_TRUE(set.insert("b"));
  EXPECT_TRUE(set.insert(zeros));
  EXPECT_TRUE(set.insert(""));
  EXPECT_FALSE(set.insert("b"));
  EXPECT_TRUE(set.insert(emd::text("b")));
  reopen();
  set = store_.set("set");
  std::vector<std::string> elements;
  for (const std::string_view element : set) elements.emplace_back(element);
  EXPECT_EQ(elements, (std::vector<std::string>{"b", zeros, "", "b"}));
  EXPECT_EQ(set.size(), 4u);
  EXPECT_TRUE(set.contains(zeros));
  EXPECT_FALSE(set.contains("c"));
  EXPECT_TRUE(set.erase("b"));
  EXPECT_FALSE(set.erase("b"));
  EXPECT_TRUE(set.contains(emd::text("b")));
  auto step = set.begin();
  set.insert("new");
  EXPECT_THROW(++step, emd::StateError);
  EXPECT_THROW((void)store_.dict("set"), emd::FormatError);
  EXPECT_EQ(set.stats().entries, 4u);
  EXPECT_TRUE(store_.verify().empty());
  set.clear();
  EXPECT_TRUE(set.begin() == set.end());
}

// ---- List

TEST_F(PublicContainers, AListHoldsNumbersAndBytes) {
  emd::List list = store_.list("list");
  const double strange = std::bit_cast<double>(0xfff9000000000000);  // a NaN that is an integer's word
  const std::vector<emd::Value> values{
      std::monostate(),      true, false, std::int64_t{-1},     Limits::max(),          Limits::min(),
      std::int64_t{1} << 47, 0.5,  -0.0,  std::string("bytes"), std::string("a\0b", 3), std::string(),
      std::string(5000, 'x')};
  for (const emd::Value& value : values) list.push_back(value);
  list.push_back(strange);
  list.push_back(emd::text("short"));
  list.push_back(emd::text("longer than six"));
  list.push_back(7u);
  list.push_back("literal");
  reopen(emd::Mode::read);
  list = store_.list("list");
  ASSERT_EQ(list.size(), values.size() + 5);
  std::size_t at = 0;
  for (const emd::Value& value : list) {
    if (at < values.size()) {
      EXPECT_EQ(value, values[at]) << at;
    }
    ++at;
  }
  EXPECT_EQ(at, list.size());
  EXPECT_EQ(std::bit_cast<std::uint64_t>(std::get<double>(list[values.size()])), 0xfff9000000000000);
  EXPECT_EQ(list[values.size() + 1], emd::Value("short"));
  EXPECT_EQ(list[values.size() + 2], emd::Value("longer than six"));
  EXPECT_EQ(list[values.size() + 3], emd::Value(std::int64_t{7}));
  EXPECT_EQ(list[values.size() + 4], emd::Value("literal"));
  EXPECT_THROW(list.push_back(1), emd::ReadOnlyError);
  EXPECT_THROW(emd::Item(~std::uint64_t{0}), emd::RangeError);
}

TEST_F(PublicContainers, AListIsEdited) {
  emd::List list = store_.list("list");
  list.extend(std::vector<std::int64_t>{0, 1, 2, 3, Limits::max()});
  list.extend(std::vector<double>{0.5});
  list.insert(0, "first");
  list.insert(7, "last");
  list.set(2, "one");
  list.erase(3, 5);
  list.reverse();
  std::vector<emd::Value> expected{"last", 0.5, Limits::max(), "one", std::int64_t{0}, "first"};
  EXPECT_TRUE(std::ranges::equal(list, expected));
  EXPECT_EQ(list.pop_back(), emd::Value("first"));
  EXPECT_EQ(list.size(), 5u);
  EXPECT_THROW((void)list.get(5), emd::RangeError);
  EXPECT_THROW(list.set(5, 1), emd::RangeError);
  EXPECT_THROW(list.insert(6, 1), emd::RangeError);
  EXPECT_THROW(list.erase(2, 6), emd::RangeError);
  EXPECT_THROW(list.erase(3, 2), emd::RangeError);
  list.clear();
  EXPECT_THROW((void)list.pop_back(), emd::RangeError);
}

TEST_F(PublicContainers, AListIsSorted) {
  emd::List list = store_.list("list");
  const double nan = std::nan("");
  for (const emd::Item& item :
       std::vector<emd::Item>{3, Limits::max(), -0.5, nan, true, Limits::min(), 2.5}) {
    list.push_back(item);
  }
  list.sort();
  EXPECT_EQ(list[0], emd::Value(Limits::min()));
  EXPECT_EQ(list[1], emd::Value(-0.5));
  EXPECT_EQ(list[2], emd::Value(true));
  EXPECT_EQ(list[5], emd::Value(Limits::max()));
  EXPECT_TRUE(std::isnan(std::get<double>(list[6])));
  list.push_back("bytes");
  EXPECT_THROW(list.sort(), emd::FormatError);
  EXPECT_EQ(list.size(), 8u);

  emd::List words = store_.list("words");
  for (int i = 0; i < 10'000; ++i) words.push_back(std::to_string(i * 7919 % 10'000));
  words.sort(true);
  std::string before = "a";
  for (const emd::Value& word : words) {
    EXPECT_LT(std::get<std::string>(word), before);
    before = std::get<std::string>(word);
  }
  EXPECT_EQ(store_.verify().size(), 0u);
}

// ---- Deque

TEST_F(PublicContainers, ADequeGrowsAndShrinksAtBothEnds) {
  emd::Deque deque = store_.deque("deque");
  EXPECT_THROW((void)deque.pop_back(), emd::RangeError);
  EXPECT_THROW((void)deque.pop_front(), emd::RangeError);
  deque.push_back("a longer text");
  deque.push_front(1);
  deque.extend(std::vector<std::int64_t>{2, Limits::max()});
  deque.extend(std::vector<double>{0.5});
  deque.set(0, "first");
  std::vector<emd::Value> expected{"first", "a longer text", std::int64_t{2}, Limits::max(), 0.5};
  EXPECT_TRUE(std::ranges::equal(deque, expected));
  for (const std::int64_t steps : {std::int64_t{1}, std::int64_t{-3}, std::int64_t{7}, Limits::min() + 3}) {
    deque.rotate(steps);
    const auto size = static_cast<std::int64_t>(expected.size());
    std::rotate(expected.begin(), expected.end() - (steps % size + size) % size, expected.end());
    EXPECT_TRUE(std::ranges::equal(deque, expected)) << steps;
  }
  deque.reverse();
  std::reverse(expected.begin(), expected.end());
  reopen(emd::Mode::append);
  deque = store_.deque("deque");
  EXPECT_TRUE(std::ranges::equal(deque, expected));
  EXPECT_EQ(deque.pop_front(), expected.front());
  EXPECT_EQ(deque.pop_back(), expected.back());
  EXPECT_EQ(deque.size(), 3u);
  EXPECT_THROW((void)deque.get(3), emd::RangeError);
  EXPECT_THROW(deque.set(3, 1), emd::RangeError);
  auto it = deque.begin();
  deque.set(1, 7);
  ++it;
  deque.push_back(8);
  EXPECT_THROW(++it, emd::StateError);
  deque.clear();
  EXPECT_TRUE(deque.begin() == deque.end());
  EXPECT_TRUE(store_.verify().empty());
}

TEST_F(PublicContainers, ADequeKeepsToItsLimit) {
  emd::Deque last = store_.deque("last", 3);
  for (int i = 0; i < 10; ++i) last.push_back("number " + std::to_string(i));
  EXPECT_EQ(last.get(0), emd::Value("number 7"));
  last.push_front(1);
  EXPECT_EQ(last.size(), 3u);
  EXPECT_EQ(last.get(2), emd::Value("number 8"));
  EXPECT_EQ(last.limit(), 3u);
  EXPECT_EQ(store_.deque("last").size(), 3u);
  EXPECT_THROW((void)store_.deque("last", 4), emd::FormatError);
  EXPECT_THROW((void)store_.deque("other", ~std::uint64_t{0}), emd::RangeError);
  reopen(emd::Mode::read);
  EXPECT_EQ(store_.deque("last").limit(), 3u);
  EXPECT_THROW((void)store_.deque("last", 2), emd::FormatError);
  EXPECT_THROW(store_.deque("last").push_back(1), emd::ReadOnlyError);
}

// ---- Array

TEST_F(PublicContainers, AnArrayHoldsItemsAsTheyAre) {
  auto array = store_.array<double>("array");
  array.push_back(0.5);
  array.extend(std::vector<double>{1, 2, 3});
  array.set(0, -1);
  array.write(2, std::vector<double>{5, 6});
  array.resize(5);
  reopen(emd::Mode::read);
  array = store_.array<double>("array");
  std::vector<double> items(5);
  array.read(0, items);
  EXPECT_EQ(items, (std::vector<double>{-1, 1, 5, 6, 0}));
  EXPECT_EQ(array[1], 1);
  EXPECT_THROW((void)array.get(5), emd::RangeError);
  EXPECT_THROW(array.read(1, items), emd::RangeError);
  EXPECT_THROW((void)array.writable_view(), emd::ReadOnlyError);
  EXPECT_THROW((void)store_.array<float>("array"), emd::FormatError);
  EXPECT_THROW((void)store_.array<std::int64_t>("array"), emd::FormatError);
  const emd::Snapshot snapshot = store_.snapshot();
  EXPECT_TRUE(std::ranges::equal(array.view(), items));
}

TEST_F(PublicContainers, AViewOfAnArrayIsStoredThroughAndOutlivesGrowth) {
  auto array = store_.array<int>("array");
  array.resize(1000);
  auto view = array.writable_view();
  static_assert(std::ranges::contiguous_range<emd::ArrayView<int>>);
  view[999] = 7;
  for (int i = 0; i < 100'000; ++i) array.push_back(i);
  EXPECT_EQ(view.size(), 1000u);
  store_.commit();
  EXPECT_EQ(array[999], 7);
  {
    auto transaction = store_.transaction();
    view[0] = 1;
  }
  EXPECT_EQ(view[0], 0);
  EXPECT_THROW(array.resize(10), emd::ViewError);
  EXPECT_THROW(array.compact(), emd::ViewError);
  store_.close();
  EXPECT_EQ(view[999], 7);
  view = {};
  reopen();
  EXPECT_EQ(store_.array<int>("array")[999], 7);
}

// ---- TypedDict

TEST_F(PublicContainers, ATypedDictHoldsRows) {
  auto dict = store_.typed_dict<std::uint64_t, double>("typed");
  EXPECT_TRUE(dict.put(7, 0.5));
  EXPECT_TRUE(dict.put(3, 1.5));
  EXPECT_FALSE(dict.put(7, 2.5));
  dict.add(3, 1);
  dict.add(9, 4);
  reopen();
  dict = store_.typed_dict<std::uint64_t, double>("typed");
  std::vector<std::pair<std::uint64_t, double>> entries;
  for (const auto& entry : dict) entries.push_back(entry);
  EXPECT_EQ(entries, (std::vector<std::pair<std::uint64_t, double>>{{7, 2.5}, {3, 2.5}, {9, 4}}));
  EXPECT_EQ(dict.get(7), 2.5);
  EXPECT_EQ(dict.get(8), std::nullopt);
  EXPECT_TRUE(dict.contains(3));
  EXPECT_TRUE(dict.erase(3));
  EXPECT_FALSE(dict.erase(3));
  EXPECT_EQ(dict.size(), 2u);
  EXPECT_THROW((void)(store_.typed_dict<std::uint64_t, float>("typed")), emd::FormatError);
  auto step = dict.begin();
  dict.put(1, 1);
  EXPECT_THROW(++step, emd::StateError);
  dict.clear();
  EXPECT_TRUE(dict.begin() == dict.end());
}

TEST_F(PublicContainers, BatchesOfATypedDict) {
  auto dict = store_.typed_dict<std::int32_t, std::int64_t>("typed");
  std::vector<std::int32_t> keys;
  std::vector<std::int64_t> values;
  for (int i = 0; i < 100'000; ++i) {
    keys.push_back(i);
    values.push_back(std::int64_t{i} * i);
  }
  EXPECT_EQ(dict.put_many(keys, values), 100'000u);
  EXPECT_EQ(dict.put_many(std::span(keys).first(10), std::span(values).first(10)), 0u);
  dict.add_many(keys, values);
  for (std::int32_t& key : keys) key += 1;
  std::vector<std::int64_t> found(keys.size());
  EXPECT_EQ(dict.get_many(keys, found, -1), 99'999u);
  EXPECT_EQ(found[99'998], 2 * std::int64_t{99'999} * 99'999);
  EXPECT_EQ(found[99'999], -1);
  EXPECT_THROW((void)dict.get_many(keys, std::span(found).first(1)), emd::RangeError);
}

TEST_F(PublicContainers, FloatsAsKeysHaveOneZeroAndOneNaN) {
  auto dict = store_.typed_dict<double, int>("typed");
  EXPECT_TRUE(dict.put(0.0, 1));
  EXPECT_FALSE(dict.put(-0.0, 2));
  EXPECT_TRUE(dict.put(std::nan("1"), 3));
  EXPECT_FALSE(dict.put(-std::nan("2"), 4));
  EXPECT_EQ(dict.get(0.0), 2);
  std::vector<int> found(2);
  EXPECT_EQ(dict.get_many(std::vector<double>{-0.0, std::nan("3")}, found), 2u);
}

struct Key {
  std::uint32_t a, b;
};
struct Row {
  char name[5];
  double weight;
};

TEST_F(PublicContainers, PlainStructuresAreKeysAndValues) {
  auto dict = store_.typed_dict<Key, Row>("typed");
  dict.put({1, 2}, {"abc", 0.5});
  EXPECT_EQ(dict.get({1, 2})->weight, 0.5);
  EXPECT_FALSE(dict.get({2, 1}));
  auto rows = store_.array<Row>("rows");
  rows.push_back({"xyz", 1.5});
  EXPECT_STREQ(rows[0].name, "xyz");
  EXPECT_TRUE(store_.verify().empty());
}

// ---- Shadow

TEST_F(PublicContainers, ShadowMemoryHasFlagsOfAddresses) {
  emd::Shadow shadow = store_.shadow("shadow", 2);
  constexpr std::uint64_t kTop = ~std::uint64_t{0};
  shadow.add_range(0x1000, 0x1fff);
  shadow.add_range(0x2000, 0x2fff);
  shadow.add_range(kTop - 15, kTop);
  EXPECT_EQ(shadow.ranges(), (std::vector<emd::AddressRun>{{0x1000, 0x2fff}, {kTop - 15, kTop}}));
  shadow.mark(0x1800, 0x27ff, 0x101);
  shadow.unmark(0x2000, 0x20ff, 1);
  shadow.assign(kTop, kTop, 0xffff);
  EXPECT_EQ(shadow.get(0x1800), 0x101u);
  EXPECT_EQ(shadow.get(0x2000), 0x100u);
  EXPECT_EQ(shadow.get(kTop), 0xffffu);
  EXPECT_EQ(shadow.count(0x1000, 0x2fff, emd::FlagPattern::all_of(0x101)), 0xf00u);
  EXPECT_EQ(shadow.find(0, kTop, emd::FlagPattern::any_of(1)), 0x1800u);
  EXPECT_EQ(shadow.runs(0, 0x2fff, emd::FlagPattern::all_of(1), 10),
            (std::vector<emd::AddressRun>{{0x1800, 0x1fff}, {0x2100, 0x27ff}}));
  EXPECT_EQ(shadow.find(0x1900, 0x2fff, emd::FlagPattern::none_of(1)), 0x2000u);
  EXPECT_THROW((void)shadow.get(0), emd::UnbackedError);
  EXPECT_THROW(shadow.mark(0x2f00, 0x3000, 1), emd::UnbackedError);
  EXPECT_THROW(shadow.mark(0x1000, 0x1000, 0x10000), emd::RangeError);
  EXPECT_THROW(shadow.mark(2, 1, 1), emd::RangeError);
  EXPECT_THROW(shadow.add_range(0, kTop), emd::RangeError);
  shadow.remove_range(0x1800, 0x1fff);
  EXPECT_FALSE(shadow.backed(0x1800));
  EXPECT_TRUE(shadow.backed(0x17ff));
  EXPECT_EQ(store_.shadow("shadow").width(), 2u);
  EXPECT_THROW((void)store_.shadow("shadow", 1), emd::FormatError);
  EXPECT_THROW((void)store_.shadow("other", 9), emd::RangeError);
  EXPECT_TRUE(store_.verify().empty());
}

// ---- Graph

TEST_F(PublicContainers, AGraphHasVerticesAndEdges) {
  emd::Graph graph = store_.graph("graph", true);
  EXPECT_TRUE(graph.add_edge("a", "b"));
  EXPECT_TRUE(graph.add_edge("a", "c"));
  EXPECT_TRUE(graph.add_edge("c", "a"));
  EXPECT_FALSE(graph.add_edge("a", "b"));
  reopen();
  graph = store_.graph("graph");
  EXPECT_TRUE(graph.directed());
  const emd::Vertex a = *graph.find("a"), b = *graph.find("b"), c = *graph.find("c");
  EXPECT_EQ(graph.key(c), "c");
  EXPECT_EQ(graph.successors(a), (std::vector<emd::Vertex>{b, c}));
  EXPECT_EQ(graph.predecessors(a), (std::vector<emd::Vertex>{c}));
  EXPECT_EQ(graph.out_degree(a), 2u);
  EXPECT_EQ(graph.in_degree(b), 1u);
  EXPECT_TRUE(graph.has_edge(a, b));
  EXPECT_FALSE(graph.has_edge(b, a));
  const emd::Vertex d = graph.add_vertex("d");
  EXPECT_EQ(graph.add_vertex("d"), d);
  EXPECT_EQ(graph.add_edges(std::vector{a, d, d}, std::vector{b, a, b}), 2u);
  EXPECT_THROW(graph.add_edges(std::vector{a}, std::vector{a, b}), emd::RangeError);
  EXPECT_EQ(graph.edge_count(), 5u);
  EXPECT_TRUE(graph.remove_edge(d, a));
  EXPECT_FALSE(graph.remove_edge(d, a));
  graph.remove_vertex(c);
  EXPECT_FALSE(graph.contains(c));
  EXPECT_THROW((void)graph.successors(c), emd::RangeError);
  EXPECT_THROW(graph.add_edge(a, emd::Vertex{1000}), emd::RangeError);
  EXPECT_EQ(graph.find("x"), std::nullopt);
  std::string keys;
  for (const emd::Vertex vertex : graph) keys += graph.key(vertex);
  EXPECT_EQ(keys, "abd");
  EXPECT_THROW((void)store_.graph("graph", false), emd::FormatError);
  graph.compact();
  EXPECT_EQ(graph.key(*graph.find("d")), "d");
  EXPECT_TRUE(store_.verify().empty());
  graph.clear();
  EXPECT_EQ(graph.vertex_count(), 0u);
}

TEST_F(PublicContainers, AGraphHasAttributes) {
  emd::Graph graph = store_.graph("graph");
  const emd::Vertex a = graph.add_vertex("a"), b = graph.add_vertex("b");
  graph.add_edge(a, b);
  EXPECT_EQ(graph.attributes(a), "");
  EXPECT_EQ(graph.edge_attributes(a, b), "");
  EXPECT_EQ(graph.edge_attributes(a, a), std::nullopt);
  graph.set_attributes(a, std::string(300, 'x'));
  EXPECT_TRUE(graph.set_edge_attributes(b, a, emd::bytes_of(0.5)));
  EXPECT_FALSE(graph.set_edge_attributes(a, a, "loop"));
  EXPECT_EQ(graph.attributes(a), std::string(300, 'x'));
  EXPECT_EQ(graph.edge_attributes(a, b)->size(), 8u);
  graph.set_attributes(a, "");
  EXPECT_EQ(graph.attributes(a), "");
  EXPECT_EQ(graph.successors(a), graph.predecessors(a));
}

}  // namespace
