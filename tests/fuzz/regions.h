// Regions with given bytes, for the parsers of structures: one store for the whole process, whose member gets a new
// content for each run. What a parser reads behind the end of a region is poisoned: the mapping goes on there, so that
// nothing else would notice.
#pragma once

#include <memory>
#include <string>
#include <vector>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__ 1  // as g++ says it
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

#include "scratch_directory.h"
#include "store/store.h"

namespace emd::fuzz {

using Image = std::vector<u8>;

class Regions {
 public:
  Regions(Kind kind, unsigned count) {
    StoreOptions options;
    options.commit_interval_seconds = -1;
    store_ = Store::open(directory_.path("store"), options);
    member_ = store_->create("", kind, count);
    store_->acquire(*member_);
    store_->commit();
  }

  Store& store() { return *store_; }
  Member& member() { return *member_; }
  Region& operator[](unsigned i) { return *member_->regions[i]; }

  void set(unsigned i, Bytes content) {
    const Operation operation(*store_);
    Region& region = *member_->regions[i];
    Region::Rewrite fresh = region.rewrite(content.size());
    if (!content.empty()) fresh.write(0, content);
    region.finish(std::move(fresh));
  }
  void set(const std::vector<Image>& images) {
    for (unsigned i = 0; i < images.size(); ++i) set(i, images[i]);
  }
  Image image(unsigned i) {
    const Region& region = *member_->regions[i];
    return Image(region.data(), region.data() + region.size());
  }
  std::vector<Image> images() {
    std::vector<Image> result;
    for (unsigned i = 0; i < member_->region_count; ++i) result.push_back(image(i));
    return result;
  }

  // While it lives, nothing behind the regions' ends may be touched; they may not grow.
  class Fence {
   public:
    explicit Fence(Regions& regions) : regions_(regions) {
      each([](const u8* at, u64 bytes) { ASAN_POISON_MEMORY_REGION(at, bytes); });
    }
    ~Fence() {
      each([](const u8* at, u64 bytes) { ASAN_UNPOISON_MEMORY_REGION(at, bytes); });
    }
    Fence(const Fence&) = delete;
    Fence& operator=(const Fence&) = delete;

   private:
    // Far enough that a wrong field is caught; from there on the file has no pages.
    static constexpr u64 kBytes = u64{128} << 10;
    template <class Do>
    void each(Do&& apply) {
      for (unsigned i = 0; i < regions_.member().region_count; ++i)
        apply(regions_[i].data() + regions_[i].size(), kBytes);
    }
    Regions& regions_;
  };

 private:
  ScratchDirectory directory_;
  std::unique_ptr<Store> store_;
  std::shared_ptr<Member> member_;
};

}  // namespace emd::fuzz
