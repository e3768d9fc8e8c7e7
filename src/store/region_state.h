// The part of Region that only the store's own files need.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "store/content.h"
#include "store/region.h"

namespace emd {

struct DeadRange {
  u64 offset;
  u64 length;
};

struct Region::State {
  explicit State(Store& the_store) : store(the_store) {}

  // Everything but where it belongs.
  void exchange(State& other) {
    std::swap(content, other.content);
    std::swap(before, other.before);
    std::swap(unsynced, other.unsynced);
    std::swap(dead, other.dead);
    std::swap(committed_dead, other.committed_dead);
  }

  Store& store;
  std::unique_ptr<Content> content;
  // The committed content, if the present one is a rewrite that was not committed yet.
  std::unique_ptr<Content> before;
  bool unsynced = false;  // committed bytes were applied to the file, and not synced since
  // Given back at the next checkpoint after their commit.
  std::vector<DeadRange> dead;            // since the last commit
  std::vector<DeadRange> committed_dead;  // committed
  Access access = Access::sequential;
  bool expects_points = false;
  bool lets_appended_go = false;
  bool syncs_ahead = true;
};

struct Region::Rewrite::State {
  Store& store;
  std::unique_ptr<Content> content;
};

}  // namespace emd
