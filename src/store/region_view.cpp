// Region::View: bytes of a window in the hands of others.
#include <algorithm>
#include <utility>

#include "base/errors.h"
#include "store/exports.h"
#include "store/region_state.h"
#include "store/store.h"

namespace emd {
namespace {

// What the window of a region with views may grow to without moving.
constexpr u64 kRoomForViews = u64{1} << 40;

}  // namespace

Region::View Region::view(u64 offset, u64 length, bool writable) {
  EMD_CHECK(offset <= size_ && length <= size_ - offset);
  if (state_->content->in_memory()) move_to_file();
  save();
  Content& content = *state_->content;
  const u64 room = std::max(kRoomForViews, 4 * content.allocated);
  if (content.view_count() == 0 && content.reserved < room && !state_->store.read_only()) {
    try {
      content.relocate(room);
    } catch (const SystemError&) {
      // The addresses are limited (ulimit -v): it grows as far as it can.
    }
    adopt();
  }
  std::shared_ptr<Exports> exports = content.add_view(offset + length, writable);
  if (writable) state_->store.become_dirty();
  return View(state_->store, std::move(exports), window_ + offset, length, writable);
}

unsigned Region::view_count() const { return state_->content->view_count(); }

u64 Region::viewed_end() const {
  const Content& content = *state_->content;
  return content.exports == nullptr ? 0 : content.exports->end;
}

void Region::require_no_views(const char* what) const {
  if (view_count() == 0) return;
  throw ViewError(path() + ": " + std::to_string(view_count()) + " views of it exist: delete them before " +
                  what);
}

Region::View::View(Store& store, std::shared_ptr<Exports> exports, u8* data, u64 size, bool writable)
    : store_(&store), exports_(std::move(exports)), data_(data), size_(size), writable_(writable) {}

Region::View::View(View&&) noexcept = default;
Region::View& Region::View::operator=(View&& other) noexcept {
  View old(std::move(*this));
  store_ = other.store_;
  exports_ = std::move(other.exports_);
  data_ = other.data_;
  size_ = other.size_;
  writable_ = other.writable_;
  return *this;
}

Region::View::~View() {
  if (exports_ == nullptr) return;
  if (exports_->content == nullptr) {
    --exports_->views;
    return;
  }
  if (writable_) store_->become_dirty();
  exports_->content->end_view(writable_);
}

}  // namespace emd
