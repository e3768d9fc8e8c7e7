// What the handles write is what docs/format.md says, so that Python reads it; what Python may have written beyond that
// is refused, and damage is told.
#include <gtest/gtest.h>

#include <string>

#include "api/core.h"
#include "api/encoding.h"
#include "support/scratch.h"

namespace {

using namespace std::string_literals;
namespace core = emd::core;
namespace v2 = emd::v2;
using emd::as_bytes;
using emd::as_text;

// Opens the store anew, without handles, and gives the structure to `work`.
template <class Structure, class Work>
void read_member(const std::string& path, const char* name, const Work& work) {
  const auto store = core::Store::open(path);
  const auto member = store->find(name);
  ASSERT_NE(member, nullptr);
  {
    const emd::AcquireGuard acquired(*store, *member);
    Structure structure(*store, *member);
    const emd::Operation operation(*store);
    work(structure);
  }
  store->commit();
}

TEST(PublicFormat, ADictsBytesAndTextsHaveTags) {
  const Scratch scratch;
  {
    auto store = v2::Store::open(scratch.path());
    v2::Dict dict = store.dict("d");
    dict.put("a", "1");
    dict.put(v2::text("a"), v2::text("\xc3\xa4"));
  }
  read_member<core::Dict>(scratch.path(), "d", [](core::Dict& dict) {
    EXPECT_EQ(as_text(dict.find(as_bytes("\x0c"
                                         "a"))
                          ->value),
              "\x0c"
              "1");
    EXPECT_EQ(as_text(dict.find(as_bytes("\x0a"
                                         "a"))
                          ->value),
              "\x0b\xc3\xa4");
    dict.put(as_bytes("\x0c"
                      "int"),
             {}, as_bytes("\x11\x2a"));
    dict.put(as_bytes("\x0c"
                      "none"),
             {}, {});
  });
  auto store = v2::Store::open(scratch.path());
  v2::Dict dict = store.dict("d");
  EXPECT_EQ(dict.get(v2::text("a")), "\xc3\xa4");
  EXPECT_THROW((void)dict.get("int"), emd::FormatError);
  EXPECT_THROW((void)dict.get("none"), emd::DamagedError);
}

TEST(PublicFormat, AListsWordsAndBlocks) {
  const Scratch scratch;
  {
    auto store = v2::Store::open(scratch.path());
    v2::List list = store.list("l");
    for (const v2::Item& item :
         {v2::Item(5), v2::Item(std::int64_t{1} << 47), v2::Item(v2::text("hi")), v2::Item("hi")})
      list.push_back(item);
  }
  read_member<core::List>(scratch.path(), "l", [](core::List& list) {
    EXPECT_EQ(list.get(0), emd::Word::integer(5));
    EXPECT_EQ(as_text(list.block(list.get(1))), "\x17\0\0\0\0\0\x80\0"s);
    EXPECT_EQ(list.get(2), emd::Word::text(as_bytes("hi")));
    EXPECT_EQ(as_text(list.block(list.get(3))),
              "\x0c"
              "hi");
    list.append(list.store_block(as_bytes("\x20\x00"s)));  // Python's ()
    list.append(list.store_block(as_bytes("\x12\x00"s)));  // cut short
  });
  auto store = v2::Store::open(scratch.path());
  v2::List list = store.list("l");
  EXPECT_THROW((void)list.get(4), emd::FormatError);
  EXPECT_THROW((void)list.get(5), emd::DamagedError);
  EXPECT_THROW(list.sort(), emd::FormatError);
}

TEST(PublicFormat, IntegersHaveTheFewestBytes) {
  using v2::detail::decoded_value;
  using v2::detail::encoded_integer;
  EXPECT_EQ(encoded_integer(0), "\x10");
  EXPECT_EQ(encoded_integer(42), "\x11\x2a");
  EXPECT_EQ(encoded_integer(-128), "\x11\x80");
  EXPECT_EQ(encoded_integer(128), "\x12\x80\0"s);
  for (unsigned bit = 0; bit < 64; ++bit) {
    for (const emd::i64 value :
         {static_cast<emd::i64>(emd::u64{1} << bit), -static_cast<emd::i64>(emd::u64{1} << bit >> 1)}) {
      EXPECT_EQ(decoded_value(as_bytes(encoded_integer(value))), v2::Value(value)) << value;
    }
  }
}

TEST(PublicFormat, AttributesAreADictOfOneEntry) {
  using v2::detail::decoded_attributes;
  using v2::detail::encoded_attributes;
  EXPECT_EQ(encoded_attributes("xy"),
            "\x22\x01\x0a\x04"
            "data\x0c\x02xy");
  EXPECT_EQ(encoded_attributes(""), "");
  EXPECT_EQ(decoded_attributes(as_bytes(encoded_attributes(std::string(1000, 'a')))), std::string(1000, 'a'));
  EXPECT_EQ(decoded_attributes(as_bytes("\x22\x01\x0a\x04"
                                        "data\x0a\x01t")),
            "t");
  for (const std::string& foreign : {"\x22\x00"s,
                                     "\x22\x01\x0a\x04"
                                     "data"s,
                                     "\x22\x01\x0a\x04"
                                     "data\x11\x2a"s,
                                     "\x01"s})
    EXPECT_THROW((void)decoded_attributes(as_bytes(foreign)), emd::FormatError) << foreign;
  for (const std::string& damaged : {"\x22\x01\x0a\x04"
                                     "data\x0c\x03xy"s,
                                     "\x22\x01\x0a\x04"
                                     "data\x0c\xff"s})
    EXPECT_THROW((void)decoded_attributes(as_bytes(damaged)), emd::DamagedError) << damaged;
}

TEST(PublicFormat, TypesHaveNumPysNames) {
  const Scratch scratch;
  {
    auto store = v2::Store::open(scratch.path());
    store.array<float>("a").push_back(1);
    store.typed_dict<std::uint8_t, double>("t").put(1, 2);
  }
  read_member<core::Array>(scratch.path(), "a",
                           [](core::Array& array) { EXPECT_EQ(array.type().dtype, "<f4"); });
  read_member<core::TypedDict>(scratch.path(), "t", [](core::TypedDict& dict) {
    const core::TypedDict::Layout layout = dict.layout();
    EXPECT_EQ(layout.key_text + layout.value_text, "|u1<f8");
    EXPECT_EQ(layout.value_offset, 8u);
    EXPECT_EQ(layout.row_bytes, 16u);
  });
}

TEST(PublicFormat, AnArrayOfItemsOfAnotherSizeIsRefused) {
  const Scratch scratch;
  {
    const auto store = core::Store::open(scratch.path());
    const auto member = store->create("a", core::Array::kKind, core::Array::kRegionCount);
    {
      const emd::AcquireGuard acquired(*store, *member);
      core::Array array(*store, *member);
      const emd::Operation operation(*store);
      array.lay_out({"<f8", 4, {}});  // as a hostile file may say
    }
    store->close();
  }
  auto store = v2::Store::open(scratch.path());
  EXPECT_THROW((void)store.array<double>("a"), emd::FormatError);
}

TEST(PublicFormat, AGraphWithParallelEdgesIsRefused) {
  const Scratch scratch;
  {
    const auto store = core::Store::open(scratch.path());
    const auto member = store->create("g", core::Graph::kKind, core::Graph::kRegionCount);
    {
      const emd::AcquireGuard acquired(*store, *member);
      core::Graph graph(*store, *member);
      const emd::Operation operation(*store);
      graph.lay_out({.directed = true, .multi = true});
    }
    store->close();
  }
  EXPECT_THROW((void)v2::Store::open(scratch.path()).graph("g"), emd::FormatError);
}

}  // namespace
