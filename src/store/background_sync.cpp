// BackgroundSync: the thread that syncs files between a commit and the checkpoint after it.
#include "store/background_sync.h"

#include <algorithm>
#include <system_error>
#include <utility>

namespace emd {

BackgroundSync::~BackgroundSync() { finish(); }

void BackgroundSync::finish() {
  if (thread_.joinable()) thread_.join();
}

void BackgroundSync::start(Files files, bool in_thread) {
  finish();
  asked_.clear();
  for (const auto& file : files) asked_.push_back(file.get());
  running_.store(true, std::memory_order_relaxed);
  if (in_thread) {
    try {
      thread_ = std::thread([this, files] { work(files); });
      return;
    } catch (const std::system_error&) {
      // No thread to be had: it is done now.
    }
  }
  work(files);
}

void BackgroundSync::work(const Files& files) noexcept {
  for (const auto& file : files) {
    try {
      file->sync();
    } catch (...) {
      if (error_ == nullptr) error_ = std::current_exception();
    }
  }
  running_.store(false, std::memory_order_release);
}

void BackgroundSync::settle(const platform::File& file) {
  if (!running() || std::find(asked_.begin(), asked_.end(), &file) != asked_.end()) wait();
}

void BackgroundSync::wait() {
  finish();
  if (error_ != nullptr) std::rethrow_exception(std::exchange(error_, nullptr));
}

}  // namespace emd
