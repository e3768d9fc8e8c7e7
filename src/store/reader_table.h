// ReaderTable: the page through which a store's writer and its readers in other processes know of each other.
//
//   sequence   odd while a commit is being written to the files. A reader reads it before and after: the same even
//              number twice says that what it saw in between is one committed state (a sequence lock).
//   boot       the machine's start and the very file that the sequence belongs to: after a power cut, and in a copy,
//              nothing of it is believed.
//   commit     the number of the commit that the files hold
//   intent     what the writer is about to do and looks into the slots for
//   slots      one a reader that holds a state (a snapshot), or that copies the files (a backup). A slot belongs to
//              whoever has the lock of its number; the kernel takes that from the dead.
//
// A reader that wants a slot stores there what it holds and then looks at `intent`; the writer states its intent and
// then looks at the slots: one of them sees the other (Dekker).
//
// Nothing here is durable, and nothing is believed further than its type goes. docs/concurrency.md
//
// Threads: as the store's; processes: one writer, any number of readers.
#pragma once

#include <atomic>
#include <memory>

#include "base/bytes.h"
#include "base/patience.h"
#include "platform/file.h"

namespace emd {

inline constexpr const char* kReadersName = "readers";
inline constexpr const char* kLockName = "lock";

class ReaderTable {
 public:
  // For the writer, which holds the store's lock, and is seen to be there from now on. Errors: SystemError.
  static std::unique_ptr<ReaderTable> open_for_writing(platform::Directory& directory,
                                                       const platform::Lock& lock);
  // For a reader; null if no writer has made one.
  static std::unique_ptr<ReaderTable> open_for_reading(platform::Directory& directory);
  ~ReaderTable();
  ReaderTable(const ReaderTable&) = delete;
  ReaderTable& operator=(const ReaderTable&) = delete;

  // ---- The writer's

  // The scope of a commit: from its begin on no snapshot is taken that the change would spoil.
  class IntentGuard {
   public:
    // Waits for the snapshots that are held, and expires those that are left when patience is over. Errors: what a
    // pause throws; SystemError; nothing has changed then.
    IntentGuard(ReaderTable& table, const Patience& patience);
    ~IntentGuard();
    IntentGuard(const IntentGuard&) = delete;
    IntentGuard& operator=(const IntentGuard&) = delete;

   private:
    ReaderTable& table_;
  };
  // The files are about to change: makes the sequence odd, if it is not odd since a crash. Within an IntentGuard, but
  // for a writer that opens and finds nothing to recover: what a snapshot shows stays as it is then.
  void begin_change();
  // They hold a committed state again.
  // `commit`: the number of the last commit in them.
  void end_change(u64 commit);
  // Whether space may be given back and the journal restarted: false while a backup is being made. If true, backups
  // wait until end_checkpoint().
  bool begin_checkpoint();
  void end_checkpoint();
  // Gives up the backups that are being made.
  void expire_backups();

  // ---- A reader's

  // Whether this process may hold anything.
  bool writable() const { return page_->writable(); }

  const std::atomic<u64>& shared_sequence() const { return shared_->sequence; }
  u64 sequence() const { return shared_->sequence.load(std::memory_order_acquire); }
  // Whether the files hold a committed state at this sequence.
  bool settled(u64 sequence) const {
    return sequence % 2 == 0 && boot_ != 0 && shared_->boot.load(std::memory_order_acquire) == boot_;
  }
  // The number of the commit that the files hold, at a settled sequence.
  u64 commit() const { return shared_->commit.load(std::memory_order_acquire); }
  // Orders the reads before it before the next sequence().
  static void fence() { std::atomic_thread_fence(std::memory_order_acquire); }

  enum class Hold : u64 { snapshot = 1, backup = 2 };
  // Takes a slot; -1 if none is free. Errors: SystemError; EROFS if this process may not write the table.
  int take_slot();
  void free_slot(int slot);
  // Holds the files as they are at `sequence`. False if the writer was faster: look again. What a writer that is gone
  // has left as its intent does not count.
  bool hold(int slot, Hold what, u64 sequence, bool no_writer);
  // False if the writer has given it up.
  bool holds(int slot, u64 sequence) const {
    return shared_->slots[slot].held.load(std::memory_order_acquire) == sequence;
  }
  void let_go(int slot);

 private:
  static constexpr unsigned kSlots = 62;
  static constexpr u64 kMagic = 0x3252444145524d45;  // "EMREADR2"
  // No writer counts up to here: such a number was made up, and zero is what a reader that shows nothing compares with.
  static constexpr u64 kSequenceLimit = u64{1} << 63;
  static constexpr u64 kChanging = 1;
  static constexpr u64 kCheckpointing = 2;
  struct Slot {
    std::atomic<u64> held;  // the sequence; zero: nothing; all ones: given up
    std::atomic<u64> what;
    u64 reserved[6];
  };
  struct Shared {
    std::atomic<u64> magic;
    std::atomic<u64> sequence;
    std::atomic<u64> boot;
    std::atomic<u64> intent;
    std::atomic<u64> commit;
    u64 reserved[3];
    Slot slots[kSlots];
  };
  static_assert(sizeof(Slot) == 64 && sizeof(Shared) <= kPageSize && std::atomic<u64>::is_always_lock_free);
  static constexpr u64 kGivenUp = ~u64{0};

  explicit ReaderTable(std::unique_ptr<platform::SharedPage> page);
  bool plausible() const {
    const u64 now = sequence();
    return shared_->magic.load() == kMagic && now != 0 && now < kSequenceLimit;
  }
  bool is_held(unsigned slot, Hold what);
  void give_up(unsigned slot);
  void wait_for_snapshots(const Patience& patience);

  std::unique_ptr<platform::SharedPage> page_;
  Shared* shared_;
  u64 boot_;
  u64 own_slots_ = 0;  // a bit each
};

}  // namespace emd
