// PageSums: the file of checksums, and which of them are staged until their commit is in the journal.
#include "store/page_sums.h"

#include <algorithm>

#include "base/check.h"
#include "base/errors.h"
#include "base/hash.h"
#include "platform/mapping.h"

namespace emd {
namespace {

// Staged checksums nearer than this are written by one call, with what lies between them.
constexpr u64 kMergeGap = 64;

}  // namespace

u32 PageSums::of(Bytes bytes, FileId file, u64 page) {
  const u64 seed = static_cast<u64>(file) << 40 ^ page;
  const u32 sum = static_cast<u32>(hash64(bytes, seed));
  return sum == kDead || sum == 0 ? 1 : sum;
}

PageSums::PageSums(std::shared_ptr<platform::File> file, u64 region_bytes)
    : file_(std::move(file)), allocated_(file_->size()) {
  const u64 needed = bytes_for(region_bytes);
  if (allocated_ >= needed) return;
  throw DamagedError(file_->path() + ": the file of page checksums is truncated: expected at least " +
                         std::to_string(needed) + " bytes, found " + std::to_string(allocated_) +
                         "; restore the store from a backup",
                     file_->path());
}

PageSums::~PageSums() {
  if (window_ != nullptr) platform::unreserve(const_cast<u8*>(window_), mapped_);
}

u32 PageSums::get(u64 page) {
  const u64 offset = page * sizeof(u32);
  EMD_CHECK(offset + sizeof(u32) <= allocated_);
  if (offset + sizeof(u32) > mapped_) {
    const u64 wanted = round_up(std::max(allocated_, 4 * mapped_), u64{64} << 10);
    u8* const fresh = platform::reserve(wanted);
    try {
      file_->map(fresh, 0, wanted, platform::File::Share::shared_read_only);
    } catch (...) {
      platform::unreserve(fresh, wanted);
      throw;
    }
    if (window_ != nullptr) platform::unreserve(const_cast<u8*>(window_), mapped_);
    window_ = fresh;
    mapped_ = wanted;
  }
  return load<u32>(window_ + offset);
}

void PageSums::allocate(u64 region_bytes) {
  const u64 needed = page_up(bytes_for(region_bytes));
  if (needed <= allocated_) return;
  u64 wanted = page_up(needed + needed / 4);
  try {
    file_->allocate(allocated_, wanted - allocated_);
  } catch (const SystemError&) {
    wanted = needed;
    file_->allocate(allocated_, wanted - allocated_);
  }
  allocated_ = wanted;
}

void PageSums::write(u64 first_page, std::span<const u32> sums) {
  EMD_CHECK(first_page * sizeof(u32) + sums.size_bytes() <= allocated_);
  file_->write(first_page * sizeof(u32), sums.data(), sums.size_bytes());
  unsynced_ = true;
}

void PageSums::write_staged() {
  std::stable_sort(staged_.begin(), staged_.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<u32> run;
  u64 first = 0;
  for (const auto& [page, sum] : staged_) {
    const u64 end = first + run.size();
    if (!run.empty() && page >= end + kMergeGap) {
      write(first, run);
      run.clear();
    }
    if (run.empty()) first = page;
    while (first + run.size() < page) run.push_back(get(first + run.size()));
    if (first + run.size() == page) {
      run.push_back(sum);
    } else {
      run.back() = sum;  // the same page again
    }
  }
  if (!run.empty()) write(first, run);
  staged_.clear();
}

void PageSums::sync() {
  if (!unsynced_) return;
  file_->sync();
  unsynced_ = false;
}

void PageSums::trim(u64 region_bytes) {
  const u64 needed = page_up(bytes_for(region_bytes));
  if (allocated_ <= needed) return;
  file_->truncate(needed);
  allocated_ = needed;
}

}  // namespace emd
