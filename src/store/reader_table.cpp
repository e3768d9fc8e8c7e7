// ReaderTable: the writer's half (intent, sequence, waiting for snapshots) and a reader's half (slots, and their
// locks).
#include "store/reader_table.h"

#include <cerrno>
#include <chrono>

#include "base/check.h"
#include "base/errors.h"

namespace emd {
namespace {

constexpr std::chrono::microseconds kPause{200};

}  // namespace

ReaderTable::ReaderTable(std::unique_ptr<platform::SharedPage> page)
    : page_(std::move(page)), shared_(reinterpret_cast<Shared*>(page_->data())), boot_(page_->identity()) {}

ReaderTable::~ReaderTable() = default;

std::unique_ptr<ReaderTable> ReaderTable::open_for_writing(platform::Directory& directory,
                                                           const platform::Lock& lock) {
  std::unique_ptr<ReaderTable> table(new ReaderTable(directory.share(kReadersName, kLockName, &lock)));
  Shared& shared = *table->shared_;
  if (!table->plausible()) {
    // Odd: nothing is said yet of the files. And no number that readers of another version may be showing.
    const u64 before = table->sequence() < kSequenceLimit ? table->sequence() : 0;
    std::memset(static_cast<void*>(&shared), 0, sizeof shared);
    shared.sequence.store(before | 1);
    shared.magic.store(kMagic);
  }
  shared.intent.store(0);
  return table;
}

std::unique_ptr<ReaderTable> ReaderTable::open_for_reading(platform::Directory& directory) {
  auto page = directory.share(kReadersName, kLockName, nullptr);
  if (page == nullptr) return nullptr;
  std::unique_ptr<ReaderTable> table(new ReaderTable(std::move(page)));
  if (!table->plausible()) return nullptr;
  return table;
}

// ---- The writer's

// What the slot of a dead reader says is forgotten, unless another has just taken the slot.
bool ReaderTable::is_held(unsigned slot, Hold what) {
  Slot& one = shared_->slots[slot];
  u64 held = one.held.load(std::memory_order_seq_cst);
  if (held == 0 || held == kGivenUp || one.what.load() != static_cast<u64>(what)) return false;
  if (page_->locked_by_another(slot)) return true;
  one.held.compare_exchange_strong(held, 0);
  return false;
}

void ReaderTable::give_up(unsigned slot) {
  u64 held = shared_->slots[slot].held.load();
  if (held != 0) shared_->slots[slot].held.compare_exchange_strong(held, kGivenUp);
}

ReaderTable::IntentGuard::IntentGuard(ReaderTable& table, const Patience& patience) : table_(table) {
  table_.shared_->intent.fetch_or(kChanging, std::memory_order_seq_cst);
  try {
    table_.wait_for_snapshots(patience);
  } catch (...) {
    table_.shared_->intent.fetch_and(~kChanging, std::memory_order_seq_cst);
    throw;
  }
}

ReaderTable::IntentGuard::~IntentGuard() {
  table_.shared_->intent.fetch_and(~kChanging, std::memory_order_seq_cst);
}

void ReaderTable::wait_for_snapshots(const Patience& patience) {
  for (unsigned slot = 0; slot < kSlots; ++slot) {
    while (is_held(slot, Hold::snapshot)) {
      if (patience.over()) give_up(slot);
      patience.pause(kPause);
    }
  }
}

// What is then written to the files comes after it, on any processor.
void ReaderTable::begin_change() {
  shared_->sequence.fetch_or(1, std::memory_order_seq_cst);
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

void ReaderTable::end_change(u64 commit) {
  shared_->commit.store(commit, std::memory_order_release);
  shared_->boot.store(boot_, std::memory_order_release);
  const u64 now = shared_->sequence.load();
  EMD_CHECK(now % 2 == 1);
  shared_->sequence.store(now + 1, std::memory_order_seq_cst);
}

bool ReaderTable::begin_checkpoint() {
  shared_->intent.fetch_or(kCheckpointing, std::memory_order_seq_cst);
  for (unsigned slot = 0; slot < kSlots; ++slot) {
    try {
      if (!is_held(slot, Hold::backup)) continue;
    } catch (...) {
      end_checkpoint();
      throw;
    }
    end_checkpoint();
    return false;
  }
  return true;
}

void ReaderTable::end_checkpoint() { shared_->intent.fetch_and(~kCheckpointing, std::memory_order_seq_cst); }

void ReaderTable::expire_backups() {
  for (unsigned slot = 0; slot < kSlots; ++slot) {
    if (is_held(slot, Hold::backup)) give_up(slot);
  }
}

// ---- A reader's

int ReaderTable::take_slot() {
  if (!page_->writable()) {
    throw SystemError(EROFS, "a reader that may not write the files 'readers' and 'lock' cannot hold a state",
                      kReadersName);
  }
  for (unsigned slot = 0; slot < kSlots; ++slot) {
    // A lock that this process has through the same file would be given again.
    if ((own_slots_ >> slot & 1) != 0 || !page_->try_lock(slot)) continue;
    own_slots_ |= u64{1} << slot;
    shared_->slots[slot].held.store(0);
    return static_cast<int>(slot);
  }
  return -1;
}

void ReaderTable::free_slot(int slot) {
  let_go(slot);
  page_->unlock(static_cast<unsigned>(slot));
  own_slots_ &= ~(u64{1} << slot);
}

bool ReaderTable::hold(int slot, Hold what, u64 sequence, bool no_writer) {
  Slot& one = shared_->slots[slot];
  one.what.store(static_cast<u64>(what));
  one.held.store(sequence, std::memory_order_seq_cst);
  const u64 against = what == Hold::snapshot ? kChanging : kCheckpointing;
  const bool free = no_writer || (shared_->intent.load(std::memory_order_seq_cst) & against) == 0;
  if (free && shared_->sequence.load(std::memory_order_seq_cst) == sequence) return true;
  one.held.store(0, std::memory_order_seq_cst);
  return false;
}

void ReaderTable::let_go(int slot) { shared_->slots[slot].held.store(0, std::memory_order_seq_cst); }

}  // namespace emd
