// Opener: finds, creates and recovers a store, and takes its lock.
#pragma once

#include "store/store_state.h"

namespace emd {

class Opener {
 public:
  explicit Opener(Store& store) : store_(store), state_(*store.state_) {}

  void open_for_writing();
  void open_for_reading();
  // What the options name; `create`: also if it is not there yet.
  void open_directory(bool create);
  // Makes the files of a store that has been in memory, but for those of its regions; or, where that has failed,
  // removes them.
  void make_files();
  void remove_files() noexcept;
  // What the last writer committed and did not apply, by file, from the journal.
  static void load_overlay(Store::State& state);

 private:
  void make_files_alike();
  void refuse_foreign_directory();
  void create();
  void make_a_store(Superblock first);
  void read_superblock(platform::Directory::Open how);
  Journal::Found scan_journal();
  // Returns whether there was something to recover.
  bool recover(const Journal::Found& found);
  bool has_torn_slot();
  bool open_live();
  void open_static();

  Store& store_;
  Store::State& state_;
};

}  // namespace emd
