// Writes a container of each kind for Python to read, or reads those that Python has written (run.py).
//
//   kinds write STORE | kinds read STORE
#include <emd/emd.h>

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string_view>
#include <vector>

struct Point {
  double x, y;
};
template <>
struct emd::TypeText<Point> {
  static std::string of_items() { return R"([["x","<f8"],["y","<f8"]])"; }
  static std::string of_rows() { return "[('x', '<f8'), ('y', '<f8')]"; }
};

namespace {

void require(bool condition, int line) {
  if (condition) return;
  std::cerr << "kinds.cpp:" << line << ": not as expected\n";
  std::exit(1);
}
#define REQUIRE(condition) require(condition, __LINE__)

void write(emd::Store& store) {
  emd::Dict dict = store.dict("dict");
  dict.put("bytes", emd::BytesView("\0\1", 2));
  dict.put(emd::text("text"), emd::text("t\xc3\xa4xt"));
  store.set("set").insert("element");
  emd::List list = store.list("list");
  for (const emd::Item& item : std::vector<emd::Item>{std::monostate(), true, 5, std::int64_t{1} << 60, -0.5,
                                                      "bytes", emd::text("text")})
    list.push_back(item);
  emd::Deque deque = store.deque("deque", 2);
  for (const char* item : {"first", "a longer one", "last"}) deque.push_back(item);
  store.array<Point>("points").push_back({1, 2});
  auto typed = store.typed_dict<double, Point>("typed");
  typed.put(-0.0, {3, 4});
  emd::Graph graph = store.graph("graph", true);
  graph.add_edge("a", "b");
  graph.set_attributes(*graph.find("a"), "of a");
  graph.set_edge_attributes(*graph.find("a"), *graph.find("b"), "of both");
  emd::Shadow shadow = store.shadow("shadow", 2);
  shadow.add_range(0x1000, 0x1fff);
  shadow.mark(0x1100, 0x11ff, 0x101);
}

void read(emd::Store& store) {
  const emd::Dict dict = store.dict("dict");
  REQUIRE(dict.get("bytes") == std::string("\0\1", 2));
  REQUIRE(dict.get(emd::text("text")) == "t\xc3\xa4xt");
  try {
    (void)dict.get(emd::text("tuple"));
    REQUIRE(false);
  } catch (const emd::FormatError&) {
  }
  REQUIRE(store.set("set").contains("element"));
  const std::vector<emd::Value> expected{std::monostate(),      true, std::int64_t{5},
                                         std::int64_t{1} << 60, -0.5, std::string("bytes"),
                                         std::string("text")};
  std::size_t at = 0;
  for (const emd::Value& value : store.list("list")) REQUIRE(at < expected.size() && value == expected[at++]);
  REQUIRE(at == expected.size());
  const emd::Deque deque = store.deque("deque", 2);
  REQUIRE(deque.size() == 2 && deque[0] == emd::Value("a longer one") && deque[1] == emd::Value("last"));
  REQUIRE(store.array<Point>("points")[0].y == 2);
  REQUIRE((store.typed_dict<double, Point>("typed").get(0.0)->x == 3));
  const emd::Graph graph = store.graph("graph", true);
  const emd::Vertex a = *graph.find("a");
  REQUIRE(graph.key(graph.successors(a).at(0)) == "b");
  REQUIRE(graph.attributes(a) == "of a");
  REQUIRE(graph.edge_attributes(a, *graph.find("b")) == "of both");
  const emd::Shadow shadow = store.shadow("shadow", 2);
  REQUIRE(shadow.count(0x1000, 0x1fff, emd::FlagPattern::all_of(0x101)) == 0x100);
}

}  // namespace

int main(int, char** argv) {
  const bool writes = std::string_view(argv[1]) == "write";
  auto store = emd::Store::open(argv[2], {.mode = writes ? emd::Mode::append : emd::Mode::read});
  writes ? write(store) : read(store);
  store.close();
}
