// The value heap: against a model, and against damage.
#include "alloc/heap.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <string>

#include "structures/array/array.h"
#include "support/scratch.h"

namespace emd {
namespace {

class HeapTest : public testing::Test {
 protected:
  HeapTest() {
    StoreOptions options;
    options.commit_interval_seconds = -1;
    store_ = Store::open(scratch_.path(), options);
    member_ = store_->create("h", Array::kKind, 1);
    store_->acquire(*member_);
    heap_ = std::make_unique<Heap>(region());
  }

  Region& region() { return *member_->regions[0]; }
  HeapRef allocate(const std::string& bytes) {
    Operation operation(*store_);
    return heap_->allocate(as_bytes(bytes));
  }
  void free(HeapRef ref) {
    Operation operation(*store_);
    heap_->free(ref);
  }
  void expect_sound() {
    Findings findings;
    heap_->check(findings);
    for (const Finding& finding : findings) ADD_FAILURE() << finding.where << ": " << finding.what;
  }

  Scratch scratch_;
  std::unique_ptr<Store> store_;
  std::shared_ptr<Member> member_;
  std::unique_ptr<Heap> heap_;
};

TEST_F(HeapTest, AnEmptyRegionIsAnEmptyHeap) {
  EXPECT_EQ(heap_->live_bytes(), 0u);
  EXPECT_EQ(heap_->free_bytes(), 0u);
  expect_sound();
  EXPECT_THROW(heap_->read(HeapRef{512}), DamagedError);
}

TEST_F(HeapTest, BehavesAsTheModel) {
  std::mt19937_64 random(11);
  std::map<HeapRef, std::string> model;
  for (unsigned i = 0; i < 8000; ++i) {
    const u64 size = random() % 50 == 0 ? random() % 200000 : random() % 400;
    const std::string bytes(size, static_cast<char>('a' + random() % 26));
    if (model.empty() || random() % 3 == 0) {
      const HeapRef ref = allocate(bytes);
      ASSERT_TRUE(model.emplace(ref, bytes).second);
      continue;
    }
    const auto at = std::next(model.begin(), static_cast<long>(random() % model.size()));
    ASSERT_EQ(as_text(heap_->read(at->first)), at->second);
    if (random() % 2) {
      free(at->first);
      model.erase(at);
    } else {
      Operation operation(*store_);
      if (heap_->replace(at->first, as_bytes(bytes))) at->second = bytes;
    }
    if (i % 1000 == 0) expect_sound();
  }
  for (const auto& [ref, bytes] : model) ASSERT_EQ(as_text(heap_->read(ref)), bytes);
  expect_sound();
}

TEST_F(HeapTest, AFreedBlockIsUsedAgain) {
  const HeapRef ref = allocate(std::string(100, 'x'));
  const u64 size = region().size();
  for (int i = 0; i < 1000; ++i) {
    free(ref);
    ASSERT_EQ(allocate(std::string(100, 'y')), ref);
  }
  EXPECT_EQ(region().size(), size);
}

TEST_F(HeapTest, AReplacementThatDoesNotFitChangesNothing) {
  const HeapRef ref = allocate("short");
  Operation operation(*store_);
  EXPECT_FALSE(heap_->replace(ref, as_bytes(std::string(1000, 'x'))));
  EXPECT_EQ(as_text(heap_->read(ref)), "short");
  EXPECT_TRUE(heap_->replace(ref, {}));
  EXPECT_TRUE(heap_->read(ref).empty());
}

TEST_F(HeapTest, ClearsToAnEmptyHeap) {
  for (int i = 0; i < 100; ++i) allocate(std::string(1000, 'x'));
  {
    Operation operation(*store_);
    heap_->clear();
  }
  EXPECT_EQ(heap_->live_bytes(), 0u);
  expect_sound();
  EXPECT_EQ(as_text(heap_->read(allocate("again"))), "again");
}

TEST_F(HeapTest, WhatIsNoBlockInUseIsDamage) {
  const HeapRef ref = allocate("bytes");
  for (const u64 wrong : {u64{0}, u64{1}, static_cast<u64>(ref) + 1, u64{1} << 44, ~u64{0}}) {
    EXPECT_THROW(heap_->read(HeapRef{wrong}), DamagedError) << wrong;
    EXPECT_THROW(free(HeapRef{wrong}), DamagedError) << wrong;
  }
  free(ref);
  EXPECT_THROW(free(ref), DamagedError);
  EXPECT_THROW(heap_->replace(ref, as_bytes("x")), DamagedError);
}

TEST_F(HeapTest, ADamagedFreeListIsNoticedAndNothingAllocated) {
  const HeapRef ref = allocate("bytes");
  allocate("others");
  free(ref);
  {
    Operation operation(*store_);
    *region().writable_as<u64>(static_cast<u64>(ref) * 8) = 0x1234;
  }
  const u64 live = heap_->live_bytes();
  EXPECT_THROW(allocate("bytes"), DamagedError);
  EXPECT_EQ(heap_->live_bytes(), live);
  Findings findings;
  heap_->check(findings);
  EXPECT_FALSE(findings.empty());
}

}  // namespace
}  // namespace emd
