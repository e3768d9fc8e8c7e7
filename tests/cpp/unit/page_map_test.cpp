// The page map beside a model: which run it hands out, and that what is handed out is nobody else's.
#include "alloc/page_map.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

#include "store/store.h"
#include "structures/array/array.h"
#include "support/scratch.h"

namespace emd {
namespace {

constexpr u64 kStateOffset = 64;

class PageMapTest : public ::testing::Test {
 protected:
  PageMapTest() : store_(Store::open(scratch_.path("store"), {})) {
    member_ = store_->create("pages", Array::kKind, 1);
    store_->acquire(*member_);
    const Operation operation(*store_);
    region().extend(kPageSize);
    PageMap::format(region().writable(0, kPageSize), kStateOffset, 1);
    used_.assign(1, true);
  }

  Region& region() { return *member_->regions[0]; }
  u64 rover() { return load<PageMapState>(region().data() + kStateOffset).rover; }

  // The first run from `from` on that ends by `limit`, page by page.
  u64 run_from(u64 from, u64 limit, u64 count) const {
    for (u64 start = from; start + count <= limit; ++start) {
      u64 end = start;
      while (end < start + count && !used_[end]) ++end;
      if (end == start + count) return start;
      start = end;
    }
    return ~u64{0};
  }
  u64 expected(u64 count) {
    const u64 pages = used_.size(), from = rover() < pages ? rover() : 0;
    const u64 found = run_from(from, pages, count);
    return found != ~u64{0} ? found : run_from(0, std::min(pages, from + count), count);
  }
  void mark(u64 page, u64 count, bool used) {
    if (used_.size() < page + count) used_.resize(page + count, false);
    std::fill_n(used_.begin() + static_cast<std::ptrdiff_t>(page), count, used);
  }

  const Scratch scratch_;
  std::unique_ptr<Store> store_;
  std::shared_ptr<Member> member_;
  std::vector<bool> used_;
};

TEST_F(PageMapTest, HandsOutTheFirstRunThatIsLongEnough) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  PageMap map(region(), kStateOffset);
  std::map<u64, u64> runs;
  const Operation operation(*store_);
  for (int step = 0; step < 10'000; ++step) {
    const u64 count = random() % 16 == 0 ? 1 + random() % 200 : 1 + random() % 8;
    if (random() % 100 < 52 || runs.empty()) {
      const u64 wanted = expected(count);
      const u64 page = map.allocate(count);
      ASSERT_EQ(page, wanted != ~u64{0} ? wanted : used_.size()) << count << " pages at step " << step;
      mark(page, count, true);
      runs.emplace(page, count);
    } else {
      auto run = runs.lower_bound(random() % used_.size());
      if (run == runs.end()) run = runs.begin();
      map.free(run->first, run->second);
      mark(run->first, run->second, false);
      runs.erase(run);
    }
  }
  Findings findings;
  map.check(findings);
  EXPECT_TRUE(findings.empty());
}

}  // namespace
}  // namespace emd
