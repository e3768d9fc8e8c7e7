// MemoryStore: a temporary store as long as it is small: it has neither directory nor files, nor mappings, nor
// descriptors, and its regions take as much memory as they have bytes. docs/decisions/0013-temporary-stores.md
//
// It moves to files, all at once, by the first commit (of an operation too) after a region has outgrown
// StoreOptions::in_memory_bytes, or all of them a few times that, or the memory budget is full; and when it is told to,
// by who wants a path. Then it is a store like any other, and this class has nothing to do with it any more. Nothing
// but that and the budget sees what a commit is: all that is in memory is fresh (content.h).
//
// A region that grows beyond it within an operation moves to its file at once, alone: pointers into the others must
// stay valid. So does one of which there is a view.
//
// A transaction begins with a copy of all regions, which its rollback brings back.
//
// Threads: as the store's.
#pragma once

#include "store/store_state.h"

namespace emd {

class MemoryStore {
 public:
  explicit MemoryStore(Store& store) : store_(store), state_(*store.state_) {}

  void open();
  // Precondition of these: the store is in memory. No transaction is on at move_to_files().
  void commit();
  void begin();
  void roll_back();
  // Errors: SystemError: it is in memory as before; of the commit that it ends with: as Committer::commit().
  void move_to_files();
  // Precondition: the content is in memory. Errors: SystemError.
  std::unique_ptr<Content> content_in_file(const Content& content);

 private:
  using Moved = std::vector<std::pair<Region*, std::unique_ptr<Content>>>;
  bool has_outgrown() const;
  void require_directory();
  Moved copy_to_files();
  void restore(Region& region, std::unique_ptr<Content> before);

  Store& store_;
  Store::State& state_;
};

}  // namespace emd
