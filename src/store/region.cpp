// Region: growth, marking of pages, and rewriting. What is done for each access is in the header.
#include "store/region.h"

#include <algorithm>
#include <memory>

#include "base/errors.h"
#include "platform/file.h"
#include "platform/mapping.h"
#include "store/region_state.h"
#include "store/store.h"
#include "store/tables.h"

namespace emd {
namespace {

// A growing file gets a quarter more than it holds, within these bounds.
constexpr u64 kLeastSlack = kPageSize;
constexpr u64 kMostSlack = u64{64} << 20;
// Fresh pages are faulted in ahead of their use, this much at a time at most.
constexpr u64 kMostPopulated = u64{2} << 20;
// From here on append() writes through the file: one call costs less than the page faults it saves.
constexpr u64 kWriteThrough = u64{64} << 10;

}  // namespace

Region::Region(Store& store, RegionId id, std::unique_ptr<Content> content)
    : state_(std::make_unique<State>(store)), id_(id) {
  state_->content = std::move(content);
  adopt();
}

Region::~Region() = default;

void Region::save() { state_->content->size = size_; }

void Region::adopt() {
  Content& content = *state_->content;
  window_ = content.window;
  size_ = content.size;
  boundary_ = content.boundary;
  ready_ = std::max(size_, std::min(content.allocated, std::max(content.boundary, content.populated)));
  dirty_bits_ = content.dirty.bits();
}

void Region::mark_page(u64 page) {
  state_->content->add_dirty_page(page);
  state_->store.note_dirty_page();
}

void Region::allocate_to(u64 end) {
  if (end <= state_->content->allocated) return;
  if (state_->content->in_memory()) {
    if (end <= state_->store.in_memory_bytes()) return state_->content->grow_in_memory(end);
    move_to_file();
  }
  Content& content = *state_->content;
  const u64 held = end - std::min(end, content.punched);
  content.allocate(end, end + std::clamp(held / 4, kLeastSlack, kMostSlack));
}

// A temporary store's content that has grown, or that somebody wants a view of; the others follow at the next
// operation.
void Region::move_to_file() {
  save();
  state_->content = state_->store.content_in_file(*state_->content);
  adopt();
}

void Region::grow(u64 bytes, bool populate) {
  if (bytes > ~u64{0} / 2)
    throw SystemError(EFBIG, "cannot grow by " + std::to_string(bytes) + " bytes", path());
  save();
  const u64 end = size_ + bytes;
  allocate_to(end);
  Content& content = *state_->content;
  const u64 from = std::max({content.boundary, content.populated, page_down(size_)});
  if (end > from) {
    const u64 ahead =
        std::min(content.allocated, page_up(end) + std::min(page_up(size_ / 2), kMostPopulated));
    if (populate) platform::populate_write(content.window + from, ahead - from);
    content.populated = ahead;
  }
  adopt();
  if (state_->syncs_ahead && !content.in_memory()) state_->store.note_fresh_bytes(content);
}

u64 Region::extend_untouched(u64 bytes) {
  if (bytes > ready_ - size_) grow(bytes, false);
  return extend(bytes);
}

u64 Region::append(Bytes bytes) {
  const u64 offset = size_;
  if (bytes.size() >= kWriteThrough && bytes.size() > ready_ - size_) grow(bytes.size(), false);
  if (bytes.size() < kWriteThrough || state_->content->in_memory()) {
    extend(bytes.size());
    if (!bytes.empty()) std::memcpy(writable(offset, bytes.size()), bytes.data(), bytes.size());
    return offset;
  }
  // The private part goes through memory, the fresh part through the file; an error of the latter leaves
  // the size as it was, and zeros behind it.
  const u64 in_memory = private_bytes(offset, bytes.size());
  try {
    state_->content->file->write(offset + in_memory, bytes.data() + in_memory, bytes.size() - in_memory);
  } catch (...) {
    state_->content->file->zero(page_up(offset + in_memory),
                                page_up(offset + bytes.size()) - page_up(offset + in_memory));
    std::memset(window_ + offset + in_memory, 0, page_up(offset + in_memory) - (offset + in_memory));
    throw;
  }
  size_ += bytes.size();
  if (in_memory != 0) std::memcpy(writable(offset, in_memory), bytes.data(), in_memory);
  return offset;
}

void Region::note_dead(u64 offset, u64 length) {
  EMD_DCHECK(offset <= size_ && length <= size_ - offset);
  if (state_->content->in_memory()) return;
  const u64 first = page_up(offset);
  const u64 end = page_down(offset + length);
  if (end <= first) return;
  state_->dead.push_back({first, end - first});
  state_->store.note_dead(end - first);
}

void Region::advise(Access access) {
  state_->access = access;
  const Content& content = *state_->content;
  platform::advise(content.window, content.boundary,
                   access == Access::random ? platform::Pattern::random : platform::Pattern::normal);
}

void Region::let_appended_go() { state_->lets_appended_go = true; }

void Region::sync_ahead(bool wanted) { state_->syncs_ahead = wanted; }

void Region::expect_points() {
  state_->expects_points = true;
  if (large()) advise(Access::random);
}

bool Region::large() const { return size_ > 2 * state_->store.memory_budget(); }

u64 Region::resident(u64 offset, u64 length, u8* pages) const {
  return state_->content->resident(offset, length, pages);
}

void Region::will_need(u64 offset, u64 length) {
  if (!state_->content->in_memory()) state_->content->file->will_need(offset, length);
}

void Region::let_go(u64 offset, u64 length) { state_->content->let_go(offset, length); }

std::string Region::path() const {
  const Content& content = *state_->content;
  return content.in_memory() ? state_->store.path() + "/" + region_file_name(content.id)
                             : content.file->path();
}

void Region::out_of_bounds(u64 offset, u64 length) const {
  throw DamagedError(path() + ": a reference to " + std::to_string(length) + " bytes at offset " +
                         std::to_string(offset) + " lies outside the region of " + std::to_string(size_) +
                         " bytes; run verify(), and restore the store from a backup",
                     path());
}

Region::Rewrite Region::rewrite(u64 bytes) {
  auto state = std::make_unique<Rewrite::State>(Rewrite::State{state_->store, nullptr});
  state->content = state_->store.create_content();
  Rewrite result(std::move(state));  // from here on an error removes the file
  std::unique_ptr<Content>& content = result.state_->content;
  if (content->in_memory() && bytes > state_->store.in_memory_bytes()) {
    content = state_->store.content_in_file(*content);
  }
  if (content->in_memory()) {
    content->grow_in_memory(bytes);
  } else if (bytes != 0) {
    content->allocate(bytes, bytes);
  }
  content->size = bytes;
  return result;
}

void Region::finish(Rewrite&& rewrite) {
  EMD_CHECK(view_count() == 0);
  save();
  std::unique_ptr<Content> old = std::exchange(state_->content, std::move(rewrite.state_->content));
  adopt();
  state_->dead.clear();
  state_->committed_dead.clear();  // they were ranges of the old content
  if (old->origin == Content::Origin::existing) {
    state_->before = std::move(old);
  } else {
    state_->store.discard_file(old->id);  // never committed: nothing refers to it
  }
}

Region::Rewrite::Rewrite(std::unique_ptr<State> state) : state_(std::move(state)) {}
Region::Rewrite::Rewrite(Rewrite&&) noexcept = default;
Region::Rewrite& Region::Rewrite::operator=(Rewrite&&) noexcept = default;

Region::Rewrite::~Rewrite() {
  if (state_ != nullptr && state_->content != nullptr) state_->store.discard_file(state_->content->id);
}

u8* Region::Rewrite::data() const { return state_->content->window; }
u64 Region::Rewrite::size() const { return state_->content->size; }

void Region::Rewrite::write(u64 offset, Bytes bytes) {
  EMD_CHECK(offset <= size() && bytes.size() <= size() - offset);
  Content& content = *state_->content;
  if (!content.in_memory()) return content.file->write(offset, bytes.data(), bytes.size());
  if (!bytes.empty()) std::memcpy(content.window + offset, bytes.data(), bytes.size());
}

}  // namespace emd
