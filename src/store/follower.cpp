// Follower: one consistent read begins and ends here where the sequence has changed; slots of the reader table for
// snapshots.
#include "store/follower.h"

#include <chrono>

#include "base/errors.h"
#include "store/catalogue.h"
#include "store/opener.h"

namespace emd {
namespace {

constexpr std::chrono::microseconds kPause{50};
// After so many reads in vain a reader makes the writer wait.
constexpr unsigned kMostFailures = 4;

}  // namespace

Follower::Follower(Store& store, std::unique_ptr<ReaderTable> table)
    : store_(store), state_(*store.state_), table_(std::move(table)) {
  store_.sequence_ = &table_->shared_sequence();
}

Follower::~Follower() {
  if (slot_ >= 0) table_->free_slot(slot_);
}

// Whether reads may go by comparing the sequence alone.
void Follower::tell_store() { store_.shown_ = slot_ < 0 && failures_ == 0 ? shown_ : 0; }

u64 Follower::begin_read() {
  if (__builtin_expect(slot_ >= 0, 0)) {
    if (table_->holds(slot_, shown_)) return shown_;
    let_go();
    throw SnapshotError(
        state_.path +
        ": the snapshot has expired, since a writer had waited for it as long as its snapshot_timeout "
        "says; take a new one, or make a backup() and read that");
  }
  if (__builtin_expect(failures_ >= kMostFailures, 0)) {
    try {
      hold();
      automatic_ = true;
      return shown_;
    } catch (const SystemError&) {
      // It may not, or there is no slot: it goes on trying.
      state_.pause(kPause);
    }
  }
  if (__builtin_expect(table_->sequence() != shown_, 0)) follow();
  return shown_;
}

bool Follower::end_read(u64 sequence) noexcept {
  ReaderTable::fence();
  if (__builtin_expect(slot_ >= 0, 0)) {
    const bool good = table_->holds(slot_, sequence);
    if (automatic_) let_go();
    return good;
  }
  const bool good = table_->sequence() == sequence;
  failures_ = good ? 0 : failures_ + 1;
  tell_store();
  return good;
}

// Shows the newest state.
void Follower::follow() {
  const Patience patience = state_.patience(state_.options.read_timeout_seconds);
  for (;;) {
    const u64 sequence = table_->sequence();
    if (table_->settled(sequence)) {
      if (show(sequence, false)) return;
    } else if (!state_.directory->writer_present(kReadersName)) {
      if (show(sequence, true)) return;
    } else {
      patience.pause(kPause);
    }
    if (!patience.over()) continue;
    throw LockedError(
        state_.path + ": a writer has been writing a commit, or recovering, for longer than read_timeout, " +
            std::to_string(state_.options.read_timeout_seconds) +
            " seconds; if it was stopped, let it go on, and try again",
        state_.path);
  }
}

// False if it is not the newest state any more.
bool Follower::show(u64 sequence, bool overlaid) {
  const auto still = [&] {
    ReaderTable::fence();
    return table_->sequence() == sequence && (!overlaid || !state_.directory->writer_present(kReadersName));
  };
  shown_ = 0;
  ++store_.changes_;
  tell_store();
  try {
    state_.overlay.clear();
    if (overlaid) read_journal();
    Catalogue catalogue(store_);
    FollowedTables tables = catalogue.read_tables();
    if (!still()) return false;
    catalogue.follow(std::move(tables), overlaid || overlaid_, overlaid);
    for (const auto& [owner, callback] : state_.follow_callbacks) callback();
    if (!still()) return false;
  } catch (const Error&) {
    if (still()) throw;
    return false;
  }
  shown_ = sequence;
  overlaid_ = overlaid;
  tell_store();
  return true;
}

void Follower::read_journal() {
  state_.superblock = Superblock::read(*state_.superblock_file);
  Opener::load_overlay(state_);
}

void Follower::take_snapshot() {
  if (slot_ >= 0) throw StateError(state_.path + ": a snapshot is held already; snapshots do not nest");
  hold();
}

void Follower::end_snapshot() {
  if (slot_ >= 0) let_go();
}

void Follower::hold() {
  const int slot = table_->take_slot();
  if (slot < 0) {
    throw SystemError(EAGAIN, "all places for snapshots are taken by other readers; try again later",
                      state_.path);
  }
  try {
    for (const Patience patience = state_.patience(state_.options.read_timeout_seconds);;) {
      follow();
      if (table_->hold(slot, ReaderTable::Hold::snapshot, shown_,
                       !state_.directory->writer_present(kReadersName)))
        break;
      if (patience.over()) {
        throw LockedError(state_.path + ": a writer has been committing without a pause for longer than " +
                              "read_timeout, " + std::to_string(state_.options.read_timeout_seconds) +
                              " seconds",
                          state_.path);
      }
      patience.pause(kPause);
    }
  } catch (...) {
    table_->free_slot(slot);
    throw;
  }
  slot_ = slot;
  tell_store();
}

void Follower::let_go() {
  table_->free_slot(slot_);
  slot_ = -1;
  automatic_ = false;
  failures_ = 0;
  tell_store();
}

}  // namespace emd
