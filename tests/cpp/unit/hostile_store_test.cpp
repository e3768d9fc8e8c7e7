// What a file says is held against the files before it is used, and a check of it can be ended at each step.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <cstring>
#include <fstream>

#include "base/patience.h"
#include "base/utf8.h"
#include "store/recovered_files.h"
#include "store/store.h"
#include "store/tables.h"
#include "structures/array/array.h"
#include "structures/deque/deque.h"
#include "structures/dict/dict.h"
#include "structures/graph/graph.h"
#include "structures/kinds.h"
#include "structures/list/list.h"
#include "structures/set/set.h"
#include "structures/shadow/shadow.h"
#include "structures/typed_dict/typed_dict.h"
#include "support/scratch.h"

namespace emd {
namespace {

constexpr u64 kMany = 3000;  // more than the steps between two looks

const u8* raw(const u64& number) { return reinterpret_cast<const u8*>(&number); }

StoreOptions quiet() {
  StoreOptions options;
  options.commit_interval_seconds = -1;
  return options;
}

// ---- A check ends when it is told to

struct Stop {};

// Runs a check that is only looked at, and one that is told to stop.
template <class Check>
void expect_stops(Check&& check) {
  Findings findings;
  unsigned looks = 0;
  findings.on_step = [&] { ++looks; };
  check(findings);
  EXPECT_NE(looks, 0u);
  findings.on_step = [] { throw Stop{}; };
  EXPECT_THROW(check(findings), Stop);
}

class Checks : public testing::Test {
 protected:
  std::shared_ptr<Member> member(Kind kind) {
    auto made = store_->create("m", kind, region_count_of(kind));
    store_->acquire(*made);
    return made;
  }
  Scratch scratch_{fast_directory()};
  std::unique_ptr<Store> store_ = Store::open(scratch_.path(), quiet());
};

TEST_F(Checks, OfADictEnds) {
  const auto made = member(Dict::kKind);
  Dict dict(*store_, *made, {});
  const Operation operation(*store_);
  for (u64 i = 0; i < kMany; ++i) dict.put({raw(i), sizeof i}, {}, {raw(i), sizeof i});
  expect_stops([&](Findings& findings) { dict.check(findings); });
}

TEST_F(Checks, OfASetEnds) {
  const auto made = member(Set::kKind);
  Set set(*store_, *made, {});
  const Operation operation(*store_);
  for (u64 i = 0; i < kMany; ++i) set.put({raw(i), sizeof i}, {}, {});
  expect_stops([&](Findings& findings) { set.check(findings); });
}

TEST_F(Checks, OfAListEnds) {
  const auto made = member(List::kKind);
  List list(*store_, *made);
  const Operation operation(*store_);
  for (u64 i = 0; i < kMany; ++i) list.append(Word::integer(static_cast<i64>(i)));
  expect_stops([&](Findings& findings) { list.check(findings); });
}

TEST_F(Checks, OfADequeEnds) {
  const auto made = member(Deque::kKind);
  Deque deque(*store_, *made);
  const Operation operation(*store_);
  deque.lay_out_as({});
  for (u64 i = 0; i < kMany; ++i) deque.append_front(Word::integer(static_cast<i64>(i)));
  expect_stops([&](Findings& findings) { deque.check(findings); });
}

TEST_F(Checks, OfATypedDictEnds) {
  const auto made = member(TypedDict::kKind);
  TypedDict dict(*store_, *made, {8, 8, 8, 16, "<u8", "<u8"});
  const Operation operation(*store_);
  for (u64 i = 0; i < kMany; ++i) dict.put(raw(i), raw(i));
  expect_stops([&](Findings& findings) { dict.check(findings); });
}

TEST_F(Checks, OfAGraphEnds) {
  const auto made = member(Graph::kKind);
  Graph graph(*store_, *made);
  const Operation operation(*store_);
  graph.lay_out({true});
  for (u64 i = 0; i < kMany; ++i) graph.add_vertex({raw(i), sizeof i}, {});
  expect_stops([&](Findings& findings) { graph.check(findings); });
}

TEST_F(Checks, OfAShadowMemoryEnds) {
  const auto made = member(Shadow::kKind);
  Shadow shadow(*store_, *made);
  const Operation operation(*store_);
  shadow.lay_out(1);
  for (u64 i = 0; i < kMany; ++i) {
    const AddressRange range{i << 20, (i << 20) + 1};
    shadow.add_ranges({&range, 1});
  }
  expect_stops([&](Findings& findings) { shadow.check(findings); });
}

TEST_F(Checks, OfAllPagesEnds) {
  const auto made = member(Array::kKind);
  {
    const Operation operation(*store_);
    made->regions[0]->extend(kMany * kPageSize);
  }
  store_->commit();
  expect_stops([&](Findings& findings) { store_->verify(findings); });
}

// ---- Recovery writes what fits the files, or nothing

class Recovery : public testing::Test {
 protected:
  Recovery() {
    std::filesystem::create_directory(scratch_.path());
    std::ofstream(scratch_.path() + "/region-3") << std::string(8192, 'r');
    std::ofstream(scratch_.path() + "/sums-3") << std::string(4096, 's');
  }
  // The ranges (file, offset) of eight bytes each.
  void recover(std::initializer_list<std::pair<LogFile, u64>> ranges) {
    const auto directory = platform::real_file_system()->open_directory(scratch_.path(), nullptr);
    RecoveredFiles files(*directory);
    const std::array<u8, 8> bytes{};
    for (const auto& [file, offset] : ranges) files.expect(file, offset, bytes.size());
    files.make_room();
    for (const auto& [file, offset] : ranges) files.write(file, offset, bytes);
  }
  u64 size_of(const char* name) { return std::filesystem::file_size(scratch_.path() + "/" + name); }

  static constexpr LogFile kRegion = log_file(FileId{3}), kSums = log_sums(FileId{3});
  Scratch scratch_{fast_directory()};
};

TEST_F(Recovery, WritesWhatFits) {
  recover({{kRegion, 0}, {kRegion, 8184}, {kSums, 4088}});
  EXPECT_EQ(size_of("region-3"), 8192u);
  EXPECT_EQ(size_of("sums-3"), 4096u);
}

TEST_F(Recovery, MakesAFileOfChecksumsLongerPageByPage) {
  recover({{kSums, 8192}, {kSums, 4096}, {kSums, 12280}});  // in any order
  EXPECT_EQ(size_of("sums-3"), 12288u);
}

TEST_F(Recovery, RefusesAGapInTheChecksums) {
  EXPECT_THROW(recover({{kSums, 4096}, {kSums, 12288}}), DamagedError);
  EXPECT_THROW(recover({{kSums, u64{1} << 34}}), DamagedError);
  EXPECT_EQ(size_of("sums-3"), 4096u);
}

TEST_F(Recovery, RefusesWhatLiesBehindTheEnd) {
  EXPECT_THROW(recover({{kRegion, 0}, {kRegion, 8185}}), DamagedError);
  EXPECT_THROW(recover({{log_file(FileId{4}), 0}}), DamagedError);
  std::ifstream file(scratch_.path() + "/region-3");
  EXPECT_EQ(file.get(), 'r') << "nothing is written of what is refused";
}

// ---- Files

TEST(HostileFile, AHoleIsTold) {
  const Scratch scratch(fast_directory());
  std::filesystem::create_directory(scratch.path());
  const auto directory = platform::real_file_system()->open_directory(scratch.path(), nullptr);
  const auto file = directory->open("file", platform::Directory::Open::create);
  file->truncate(u64{1} << 40);
  file->write(u64{1} << 30, "data", 4);
  const platform::File::Extent data = file->data_in(0, u64{1} << 40);
  EXPECT_LE(data.begin, u64{1} << 30);
  EXPECT_GT(data.begin, u64{1} << 29);
  EXPECT_GT(data.end, u64{1} << 30);
  EXPECT_EQ(file->data_in(data.end, u64{1} << 40).begin, u64{1} << 40);
  EXPECT_EQ(file->data_in(u64{2} << 40, u64{3} << 40).begin, u64{3} << 40);
  EXPECT_NO_THROW(require_table_backed(*file, 4096));
  EXPECT_THROW(require_table_backed(*file, u64{1} << 30), DamagedError);
  EXPECT_THROW(require_table_backed(*file, u64{2} << 40), DamagedError);
}

TEST(HostileFile, WhatIsNoRegularFileIsRefused) {
  const Scratch scratch(fast_directory());
  std::filesystem::create_directory(scratch.path());
  const auto directory = platform::real_file_system()->open_directory(scratch.path(), nullptr);
  ASSERT_EQ(::mkfifo((scratch.path() + "/fifo").c_str(), 0600), 0);
  std::filesystem::create_directory(scratch.path() + "/directory");
  std::filesystem::create_symlink("/dev/zero", scratch.path() + "/link");
  const Pause none;
  for (const char* name : {"fifo", "directory", "link"}) {
    using Open = platform::Directory::Open;
    EXPECT_THROW(directory->open(name, Open::read_only), DamagedError) << name;
    EXPECT_THROW(directory->open(name, Open::read_write), DamagedError) << name;
    EXPECT_THROW(directory->lock(name, platform::LockKind::writer, Patience(0, none)), DamagedError) << name;
    EXPECT_THROW(directory->share(name, "locks", nullptr), DamagedError) << name;
  }
}

TEST(Utf8, IsTakenAsPythonTakesIt) {
  for (const char* good : {"", "a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf"})
    EXPECT_TRUE(is_utf8(as_bytes(good))) << good;
  for (const char* bad : {"\x80", "\xc3", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
                          "\xf4\x90\x80\x80", "\xff", "\xe2\x82"})
    EXPECT_FALSE(is_utf8(as_bytes(bad))) << bad;
}

}  // namespace
}  // namespace emd
