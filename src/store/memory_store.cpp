// MemoryStore: transactions of a store without files by copies of its regions, and the move to files.
#include "store/memory_store.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/errors.h"
#include "store/catalogue.h"
#include "store/committer.h"
#include "store/opener.h"

namespace emd {
namespace {

// All regions together may have so many times as many bytes as one.
constexpr u64 kRegionsTogether = 4;

std::unique_ptr<Content> copy_of(const Content& content) {
  auto copy = std::make_unique<Content>(content.budget, content.id);
  copy->grow_in_memory(content.size);
  if (content.size != 0) std::memcpy(copy->window, content.window, content.size);
  copy->size = content.size;
  return copy;
}

// That there are no more descriptors or mappings to be had.
bool is_scarcity(const SystemError& error) {
  return error.error() == EMFILE || error.error() == ENFILE || error.error() == ENOMEM;
}

}  // namespace

void MemoryStore::open() {
  state_.memory = std::make_unique<MemoryImage>();
  state_.superblock = Superblock::fresh();
  for (const auto& [id, file] :
       {std::pair(kRegionTable, kRegionTableFile), std::pair(kMemberTable, kMemberTableFile)}) {
    state_.regions[static_cast<u32>(id)] =
        std::unique_ptr<Region>(new Region(store_, id, std::make_unique<Content>(state_.budget, file)));
  }
  state_.region_table().append(Bytes(first_region_table()));
  Catalogue(store_).reload();
}

bool MemoryStore::has_outgrown() const {
  u64 bytes = 0;
  for (const auto& [id, region] : state_.regions) {
    const Content& content = *region->state_->content;
    if (!content.in_memory()) return true;
    bytes += content.reserved;
  }
  return bytes > kRegionsTogether * state_.options.in_memory_bytes;
}

void MemoryStore::commit() {
  const bool outgrown = has_outgrown();
  if (state_.in_transaction) {
    // It moves when that has ended: what the transaction began with is in memory.
    if (outgrown) store_.attention_.fetch_or(Store::kCommitDue, std::memory_order_relaxed);
  } else if (outgrown) {
    return move_to_files();
  } else if (state_.budget.exceeded()) {
    try {
      return move_to_files();
    } catch (const SystemError& error) {
      if (!is_scarcity(error) || !store_.in_memory()) throw;
      // So many small stores that they cannot all have files: this one stays where it is.
    }
  }
  state_.memory->contents.clear();
  if (!std::exchange(state_.dropped_regions, {}).empty()) Catalogue(store_).load_free_entries();
  store_.dirty_ = false;
  ++state_.commits;
}

// ---- Transactions

void MemoryStore::begin() {
  auto& contents = state_.memory->contents;
  contents.clear();
  for (const auto& [id, region] : state_.regions) {
    region->save();
    contents.emplace_back(id, copy_of(*region->state_->content));
  }
}

// A content with views keeps its addresses, and so its file.
void MemoryStore::restore(Region& region, std::unique_ptr<Content> before) {
  Content& now = *region.state_->content;
  region.save();
  if (now.view_count() != 0) {
    if (before->size != 0) std::memcpy(now.window, before->window, before->size);
    if (now.size > before->size) std::memset(now.window + before->size, 0, now.size - before->size);
    now.size = before->size;
  } else {
    if (!now.in_memory()) store_.discard_file(now.id);
    region.state_->content = std::move(before);
  }
  region.state_->dead.clear();
  region.adopt();
}

void MemoryStore::roll_back() {
  ++store_.changes_;
  for (auto& region : std::exchange(state_.dropped_regions, {}))
    state_.regions[static_cast<u32>(region->id())] = std::move(region);
  auto regions = std::exchange(state_.regions, {});
  for (auto& [id, before] : std::exchange(state_.memory->contents, {})) {
    auto node = regions.extract(id);
    EMD_CHECK(!node.empty());
    restore(*node.mapped(), std::move(before));
    state_.regions.insert(std::move(node));
  }
  for (const auto& [id, region] : regions) store_.discard_file(region->state_->content->id);
  store_.dirty_ = false;
  Catalogue(store_).reload();
  for (const auto& [owner, callback] : state_.rollback_callbacks) callback();
}

// ---- Moving

void MemoryStore::require_directory() {
  if (state_.directory == nullptr) Opener(store_).open_directory(true);
}

std::unique_ptr<Content> MemoryStore::content_in_file(const Content& from) {
  using Open = platform::Directory::Open;
  require_directory();
  try {
    auto file = state_.directory->open(region_file_name(from.id), Open::create);
    auto sums = std::make_unique<PageSums>(state_.directory->open(sums_file_name(from.id), Open::create), 0);
    auto content = std::make_unique<Content>(state_.budget, std::move(file), std::move(sums), from.id, 0,
                                             Content::Origin::created);
    if (from.size != 0) {
      content->allocate(from.size, from.size);
      content->file->write(0, from.window, from.size);
    }
    content->size = from.size;
    store_.dirty_ = true;
    store_.attention_.fetch_or(Store::kCommitDue, std::memory_order_relaxed);
    return content;
  } catch (...) {
    store_.discard_file(from.id);
    throw;
  }
}

MemoryStore::Moved MemoryStore::copy_to_files() {
  Moved moved;
  try {
    for (const auto& [id, region] : state_.regions) {
      region->save();
      const Content& content = *region->state_->content;
      if (content.in_memory()) moved.emplace_back(region.get(), content_in_file(content));
    }
    Opener(store_).make_files();
  } catch (...) {
    for (const auto& [region, content] : moved) store_.discard_file(content->id);
    Opener(store_).remove_files();
    throw;
  }
  return moved;
}

void MemoryStore::move_to_files() {
  EMD_CHECK(!state_.in_transaction);
  require_directory();
  Moved moved = copy_to_files();
  // Nothing fails from here on, but the commit.
  for (auto& [region, content] : moved) {
    region->state_->content = std::move(content);
    region->adopt();
  }
  state_.memory.reset();
  state_.new_files = true;
  store_.dirty_ = true;
  for (const auto& [name, member] : state_.members) {
    if (member->users == 0) state_.released.push_back(member);
  }
  Committer(store_).commit();
}

}  // namespace emd
