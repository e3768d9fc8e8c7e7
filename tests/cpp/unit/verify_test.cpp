// Page checksums: every flipped bit of committed bytes is found, and damage is never sealed as sound.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <random>

#include "store/store.h"
#include "structures/dict/dict.h"
#include "support/scratch.h"

namespace emd {
namespace {

StoreOptions quiet() {
  StoreOptions options;
  options.commit_interval_seconds = -1;
  return options;
}

std::unique_ptr<Dict> open_dict(Store& store, std::shared_ptr<Member>& member) {
  member = store.find("");
  if (member == nullptr) member = store.create("", Dict::kKind, Dict::kRegionCount);
  store.acquire(*member);
  return std::make_unique<Dict>(store, *member);
}

// A dict with inline values, heap values, dead records and a rewritten content, over several commits.
void make(const std::string& path) {
  const auto store = Store::open(path, quiet());
  std::shared_ptr<Member> member;
  const auto dict = open_dict(*store, member);
  for (u64 i = 0; i < 20000; ++i) {
    {
      const Operation operation(*store);
      const std::string key = "key " + std::to_string(i % 9000);
      dict->put(as_bytes(key), {}, as_bytes(std::string(i % 97, 'v') + std::to_string(i)));
      if (i % 5 == 0) dict->erase(as_bytes("key " + std::to_string(i / 2 % 9000)));
    }
    if (i % 3000 == 0) store->commit();
  }
  store->close();
}

Findings findings_of(const std::string& path, Mode mode = Mode::append) {
  StoreOptions options = quiet();
  options.mode = mode;
  const auto store = Store::open(path, options);
  Findings findings;
  store->verify(findings);
  return findings;
}

struct Committed {
  std::string file;
  u64 size;
};

// By the region table: docs/format.md.
std::vector<Committed> committed_regions(const std::string& path) {
  std::ifstream in(path + "/region-1", std::ios::binary);
  const std::string table((std::istreambuf_iterator<char>(in)), {});
  std::vector<Committed> regions;
  const u64 end = load<u64>(table.data() + 64 + 8);
  for (u64 at = 64; at + 32 <= end; at += 32) {
    const u64 size = load<u64>(table.data() + at + 8);
    if (load<u32>(table.data() + at + 16) == 1 && size != 0)
      regions.push_back({path + "/region-" + std::to_string(load<u64>(table.data() + at)), size});
  }
  return regions;
}

void flip(const std::string& file, u64 byte, unsigned bit) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekg(static_cast<std::streamoff>(byte));
  char value = 0;
  stream.get(value);
  stream.seekp(static_cast<std::streamoff>(byte));
  stream.put(static_cast<char>(value ^ (1 << bit)));
}

TEST(Verify, FindsEverySingleFlippedBit) {
  const Scratch scratch = Scratch::fast();
  const std::string path = scratch.path("s");
  make(path);
  ASSERT_TRUE(findings_of(path).empty());
  std::mt19937_64 random(::testing::UnitTest::GetInstance()->random_seed());
  const std::vector<Committed> regions = committed_regions(path);
  u64 total = 0;
  for (const Committed& region : regions) total += region.size;
  StoreOptions options = quiet();
  options.mode = Mode::read;
  const auto store = Store::open(path, options);
  const char* const wanted = std::getenv("VERIFY_FLIPS");
  const u64 flips = wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 100;
  u64 found = 0;
  for (u64 i = 0; i < flips; ++i) {
    u64 byte = random() % total;
    auto region = regions.begin();
    for (; byte >= region->size; ++region) byte -= region->size;
    const unsigned bit = random() % 8;
    flip(region->file, byte, bit);
    Findings findings;
    store->verify(findings);
    const std::string page = " at " + std::to_string(byte / kPageSize * kPageSize);
    const bool told = std::any_of(findings.begin(), findings.end(),
                                  [&](const Finding& one) { return one.where.ends_with(page); });
    EXPECT_TRUE(told) << region->file << ", byte " << byte << ", bit " << bit;
    found += told;
    flip(region->file, byte, bit);
  }
  std::printf("%llu bits of %llu committed bytes flipped one by one, %llu found\n",
              static_cast<unsigned long long>(flips), static_cast<unsigned long long>(total),
              static_cast<unsigned long long>(found));
  Findings findings;
  store->verify(findings);
  EXPECT_TRUE(findings.empty());
}

TEST(Verify, FindsPagesThatChangedPlacesAndLostChecksums) {
  const Scratch scratch = Scratch::fast();
  const std::string path = scratch.path("s");
  make(path);
  const std::string copy = scratch.path("copy");
  for (const std::string name : {"sums-4", "region-4"}) {
    std::filesystem::remove_all(copy);
    std::filesystem::copy(path, copy);
    std::vector<char> page(kPageSize);
    {
      std::fstream stream(copy + "/" + name, std::ios::in | std::ios::out | std::ios::binary);
      if (name == "region-4") stream.read(page.data(), kPageSize);
      stream.seekp(name == "region-4" ? kPageSize : 0);
      stream.write(page.data(), kPageSize);
    }
    EXPECT_FALSE(findings_of(copy).empty()) << name;
  }
}

TEST(Verify, ACommitDoesNotSealDamage) {
  const Scratch scratch;
  const std::string path = scratch.path("s");
  make(path);
  flip(path + "/region-4", 3 * kPageSize + 100, 3);
  const auto store = Store::open(path, quiet());
  std::shared_ptr<Member> member;
  const auto dict = open_dict(*store, member);
  {
    const Operation operation(*store);
    for (u64 i = 0; i < 9000; ++i) dict->put(as_bytes("key " + std::to_string(i)), {}, as_bytes("new"));
  }
  EXPECT_THROW(store->commit(), DamagedError);
  Findings findings;
  store->verify(findings);
  EXPECT_FALSE(findings.empty());
}

// clear() gives the dict new files, and removes those that no commit has named.
TEST(Verify, ContentsThatWaitForACommitAreNoFinding) {
  const Scratch scratch = Scratch::fast();
  const auto store = Store::open(scratch.path("s"), quiet());
  std::shared_ptr<Member> member;
  const auto dict = open_dict(*store, member);
  for (u64 i = 0; i < 1000; ++i) {
    const Operation operation(*store);
    dict->put(as_bytes("key " + std::to_string(i)), {}, as_bytes("value"));
  }
  dict->clear();
  for (int committed = 0; committed < 2; ++committed) {
    Findings findings;
    store->verify(findings);
    EXPECT_TRUE(findings.empty()) << findings.front().where << ": " << findings.front().what;
    store->commit();
  }
}

}  // namespace
}  // namespace emd
