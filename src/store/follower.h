// Follower: makes a reader's store show, read by read, what the writer in another process has committed last.
//
// A reader maps the region files shared and read-only, and copies the two tables. Before each read it compares the
// sequence of the reader table with that of the state it shows; if it is another one, it reads the tables again and
// takes over new sizes and files. After the read it compares once more. Where the sequence is odd and no writer
// is there (it was killed while it wrote, or power was cut), the files are a mixture that recovery will put right:
// then the reader maps them privately and lays over them what the journal holds, until a writer has come.
//
// Threads: as the store's.
#pragma once

#include <memory>

#include "store/reader_table.h"
#include "store/store_state.h"

namespace emd {

class Follower {
 public:
  Follower(Store& store, std::unique_ptr<ReaderTable> table);
  ~Follower();
  Follower(const Follower&) = delete;
  Follower& operator=(const Follower&) = delete;

  // The state's sequence, when the store shows it. Errors: LockedError if a writer has been at it for very long;
  // SnapshotError if the snapshot held is no more; those of reading.
  u64 begin_read();
  // Whether what was read since begin_read() is one state.
  bool end_read(u64 sequence) noexcept;
  // Whether the store still shows the newest state.
  bool current() const { return in_snapshot() || table_->sequence() == shown_; }

  void take_snapshot();
  void end_snapshot();
  bool in_snapshot() const { return slot_ >= 0 && !automatic_; }

  ReaderTable& table() { return *table_; }
  bool overlaid() const { return overlaid_; }

 private:
  void follow();
  bool show(u64 sequence, bool overlaid);
  void read_journal();
  void hold();
  void let_go();
  void tell_store();

  Store& store_;
  Store::State& state_;
  std::unique_ptr<ReaderTable> table_;
  u64 shown_ = 0;           // sequence of the state that the store shows; zero: none yet
  bool overlaid_ = false;   // it is the journal laid over the files
  int slot_ = -1;           // held in the reader table
  bool automatic_ = false;  // for one read, since the writer was too fast
  unsigned failures_ = 0;   // reads in vain, one after the other
};

}  // namespace emd
