// Opener: a new store's files, the lock, recovery for a writer, and what a reader does where recovery is due.
#include "store/opener.h"

#include <cerrno>
#include <optional>

#include "base/errors.h"
#include "store/budget.h"
#include "store/catalogue.h"
#include "store/follower.h"
#include "store/recovered_files.h"

namespace emd {
namespace {

constexpr const char* kNewSuperblockName = "superblock.new";
// Files that a creation which was cut off may have left.
bool may_be_left_over(const std::string& name) {
  return name == kLockName || name == kReadersName || name == kJournalName || name == kNewSuperblockName ||
         name.starts_with("region-") || name.starts_with("sums-");
}

}  // namespace

void Opener::open_for_writing() {
  const Mode mode = state_.options.mode;
  open_directory(mode != Mode::read_write);
  const bool there = state_.directory->exists(kSuperblockName);
  if (!there && mode == Mode::read_write) {
    throw SystemError(ENOENT, "no store here (mode \"r+\" opens only what exists)", state_.path);
  }
  if (there && mode == Mode::exclusive) {
    throw SystemError(EEXIST, "there is a store here already (mode \"x\" only creates)", state_.path);
  }
  if (!there) refuse_foreign_directory();
  if (there) make_files_alike();
  state_.lock = state_.directory->lock(kLockName, platform::LockKind::writer,
                                       state_.patience(state_.options.lock_timeout_seconds));
  if (!state_.directory->exists(kSuperblockName)) {
    create();
  } else if (mode == Mode::exclusive) {
    throw SystemError(EEXIST, "another process has just created a store here", state_.path);
  }
  if (!there) make_files_alike();
  state_.readers = ReaderTable::open_for_writing(*state_.directory, *state_.lock);
  read_superblock(platform::Directory::Open::read_write);
  const Journal::Found found = scan_journal();
  const bool crashed = state_.lock->follows_a_crash();
  // Recovery may show readers another state than they see.
  std::optional<ReaderTable::IntentGuard> intent;
  if (crashed || found.commits != 0) {
    intent.emplace(*state_.readers, state_.patience(state_.options.snapshot_timeout_seconds));
  }
  state_.readers->begin_change();
  if (crashed) {
    // What was read may not be durable: see Superblock::write_again; the same goes for the names.
    state_.superblock.write_again(*state_.superblock_file);
    state_.directory->sync();
  }
  const bool recovered = recover(found);
  Catalogue catalogue(store_);
  catalogue.open_tables();
  // Only then can there be files that were dropped and not yet removed, or made and not committed.
  if (recovered || crashed) catalogue.remove_orphans();
  state_.readers->end_change(state_.journal->sequence());
  if (state_.members.contains(kCompactionName)) catalogue.drop(kCompactionName);
}

void Opener::open_directory(bool create) {
  const StoreOptions& options = state_.options;
  state_.directory = options.directory;
  if (state_.directory != nullptr) return;
  platform::Permissions permissions;
  if (options.permissions) permissions = {*options.permissions, false, permissions.owner, permissions.group};
  state_.directory = options.file_system->open_directory(state_.path, create ? &permissions : nullptr);
  state_.directory->make_files_with(permissions);
}

// Whoever writes it, under whatever umask: the store's files stay its users'.
void Opener::make_files_alike() {
  state_.directory->make_files_with(state_.directory->permissions(kSuperblockName));
}

// A directory with other things in it is not made into a store.
void Opener::refuse_foreign_directory() {
  for (const std::string& name : state_.directory->list()) {
    if (may_be_left_over(name)) continue;
    throw FormatError(state_.path +
                      ": not a pyrsistence store: there is no superblock, and the directory is not empty "
                      "(it holds '" +
                      name + "'); choose another directory");
  }
}

void Opener::create() {
  platform::Directory& directory = *state_.directory;
  for (const std::string& name : directory.list()) {
    if (name != kLockName && name != kReadersName && may_be_left_over(name)) directory.remove(name);
  }
  using Open = platform::Directory::Open;
  const FirstTable table = first_region_table();
  const auto regions = directory.open(region_file_name(kRegionTableFile), Open::create);
  regions->allocate(0, kPageSize);
  regions->write(0, table.data(), table.size());
  regions->sync();
  const auto sums = directory.open(sums_file_name(kRegionTableFile), Open::create);
  const u32 sum = PageSums::of(Bytes(table), kRegionTableFile, 0);
  sums->allocate(0, kPageSize);
  sums->write(0, &sum, sizeof sum);
  sums->sync();
  directory.open(region_file_name(kMemberTableFile), Open::create);
  directory.open(sums_file_name(kMemberTableFile), Open::create);
  make_a_store(Superblock::fresh());
}

// What else belongs to one, but for the regions.
void Opener::make_a_store(Superblock first) {
  using Open = platform::Directory::Open;
  platform::Directory& directory = *state_.directory;
  const auto journal = directory.open(kJournalName, Open::create);
  Journal::create(*journal);
  journal->sync();
  const auto superblock = directory.open(kNewSuperblockName, Open::create);
  first.write_new(*superblock);
  // Its parts have durable names before the name that makes it a store.
  directory.sync();
  directory.rename(kNewSuperblockName, kSuperblockName);
  directory.sync();
}

void Opener::make_files() {
  state_.lock = state_.directory->lock(kLockName, platform::LockKind::writer, state_.patience(0));
  make_a_store(state_.superblock);
  state_.readers = ReaderTable::open_for_writing(*state_.directory, *state_.lock);
  read_superblock(platform::Directory::Open::read_write);
  state_.readers->begin_change();
  state_.journal->restart(state_.superblock.generation(), state_.superblock.salt(),
                          state_.superblock.sequence());
  state_.readers->end_change(state_.journal->sequence());
}

void Opener::remove_files() noexcept {
  state_.journal.reset();
  state_.superblock_file.reset();
  state_.readers.reset();
  state_.lock.reset();
  for (const char* name : {kJournalName, kNewSuperblockName, kSuperblockName, kReadersName, kLockName}) {
    try {
      if (state_.directory->exists(name)) state_.directory->remove(name);
    } catch (...) {
      // It goes with the directory.
    }
  }
}

void Opener::read_superblock(platform::Directory::Open how) {
  state_.superblock_file = state_.directory->open(kSuperblockName, how);
  state_.superblock = Superblock::read(*state_.superblock_file);
  if (!state_.directory->exists(kJournalName)) {
    throw DamagedError(state_.path + ": the journal is missing; restore the store from a backup",
                       state_.path);
  }
  state_.journal = std::make_unique<Journal>(state_.directory->open(kJournalName, how));
}

Journal::Found Opener::scan_journal() {
  const Superblock& superblock = state_.superblock;
  return state_.journal->scan(superblock.generation(), superblock.salt(), superblock.sequence());
}

// A write of the superblock that was cut off is made good with the next generation.
bool Opener::has_torn_slot() {
  Findings findings;
  Superblock::verify(*state_.superblock_file, true, findings);
  return !findings.empty();
}

bool Opener::recover(const Journal::Found& found) {
  const Superblock& superblock = state_.superblock;
  if (found.commits == 0 && !found.leftovers && !has_torn_slot()) {
    state_.journal->restart(superblock.generation(), superblock.salt(), superblock.sequence());
    return false;
  }
  if (found.commits != 0) {
    RecoveredFiles files(*state_.directory);
    state_.journal->replay(
        found, [&](LogFile target, u64 offset, Bytes bytes) { files.expect(target, offset, bytes.size()); });
    files.make_room();
    state_.journal->write_again(found.bytes);
    state_.journal->replay(
        found, [&](LogFile target, u64 offset, Bytes bytes) { files.write(target, offset, bytes); });
    files.sync();
  }
  if (!state_.readers->begin_checkpoint()) {
    // A backup that the last writer had let wait: it cannot go on without the journal.
    state_.readers->expire_backups();
    state_.readers->begin_checkpoint();
  }
  state_.superblock.advance(*state_.superblock_file, found.sequence);
  state_.journal->restart(superblock.generation(), superblock.salt(), found.sequence);
  state_.readers->end_checkpoint();
  return true;
}

void Opener::open_for_reading() {
  open_directory(false);
  if (!state_.directory->exists(kSuperblockName)) {
    if (!state_.directory->list().empty()) refuse_foreign_directory();
    throw SystemError(ENOENT, "no store here", state_.path);
  }
  if (open_live()) return;
  try {
    open_static();
  } catch (const LockedError&) {
    if (!open_live()) throw;  // the writer has made its table since
  }
}

// Beside a writer, now or later. False if there is no table to know of each other by.
bool Opener::open_live() {
  auto table = ReaderTable::open_for_reading(*state_.directory);
  if (table == nullptr || !state_.directory->exists(kLockName)) return false;
  state_.lock = state_.directory->lock(kLockName, platform::LockKind::follower, state_.patience(0));
  read_superblock(platform::Directory::Open::read_only);
  store_.attention_ |= Store::kLive;
  state_.follower = std::make_unique<Follower>(store_, std::move(table));
  state_.follower->end_read(state_.follower->begin_read());
  return true;
}

// A copy that no writer has opened yet: as long as it is open, none can.
void Opener::open_static() {
  state_.lock = state_.directory->lock(kLockName, platform::LockKind::reader,
                                       state_.patience(state_.options.lock_timeout_seconds));
  read_superblock(platform::Directory::Open::read_only);
  load_overlay(state_);
  Catalogue(store_).open_tables();
}

void Opener::load_overlay(Store::State& state) {
  const Superblock& superblock = state.superblock;
  const Journal::Found found =
      state.journal->scan(superblock.generation(), superblock.salt(), superblock.sequence());
  state.journal->replay(found, [&](LogFile target, u64 offset, Bytes bytes) {
    state.overlay[target].emplace_back(offset, std::vector<u8>(bytes.begin(), bytes.end()));
  });
}

}  // namespace emd
