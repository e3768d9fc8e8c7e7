// Store: what may be done in which state (closed, forked, failed, read only), operations and the commits that they
// imply, transactions, and members.
#include "store/store.h"

#include <algorithm>
#include <cerrno>
#include <exception>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>

#include "base/check.h"
#include "platform/mapping.h"
#include "store/budget.h"
#include "store/catalogue.h"
#include "store/committer.h"
#include "store/follower.h"
#include "store/memory_store.h"
#include "store/opener.h"
#include "store/verifier.h"

namespace emd {

namespace {
// Of the commits that the budget asks for; pages and seconds.
constexpr u64 kLeastBound = 4096;
constexpr double kGoodCommitSeconds = 0.07;

void require_time(const char* name, double seconds, double least) {
  if (seconds >= least) return;  // which a NaN is not
  throw std::invalid_argument(std::string("expected ") + name + " in seconds, zero or more, found " +
                              std::to_string(seconds));
}

void require_times(const StoreOptions& options) {
  constexpr double kAny = -std::numeric_limits<double>::infinity();
  require_time("commit_interval", options.commit_interval_seconds, kAny);
  require_time("timeout", options.lock_timeout_seconds, 0);
  require_time("snapshot_timeout", options.snapshot_timeout_seconds, 0);
  require_time("read_timeout", options.read_timeout_seconds, 0);
}
}  // namespace

Store::Store() : state_(std::make_unique<State>()) {}

std::unique_ptr<Store> Store::open(const std::string& path, const StoreOptions& options) {
  require_times(options);
  std::unique_ptr<Store> store(new Store);
  State& state = *store->state_;
  state.path = path;
  state.options = options;
  if (state.options.file_system == nullptr) state.options.file_system = platform::real_file_system();
  state.budget.start(options.memory_bytes, store->attention_, kCommitDue);
  if (options.in_memory_bytes != 0) {
    MemoryStore(*store).open();
  } else if (options.mode == Mode::read) {
    store->attention_ = kReadOnly;
    Opener(*store).open_for_reading();
  } else {
    Opener(*store).open_for_writing();
  }
  state.fork_guard.emplace(store->attention_, kForked);
  return store;
}

Store::~Store() {
  if (attention_ & kForked) {
    // Everything is the parent's: locks that other threads held at the fork will never be released here.
    state_->fork_guard.reset();
    (void)state_.release();
    return;
  }
  state_->budget.stop();
}

const std::string& Store::path() const { return state_->path; }
std::shared_ptr<platform::Directory> Store::directory() const {
  if (closed()) refuse();
  return state_->directory;
}
bool Store::read_only() const { return attention_ & kReadOnly; }
bool Store::in_memory() const { return state_->memory != nullptr; }
bool Store::has_directory() const { return state_->directory != nullptr; }
bool Store::closed() const { return attention_ & kClosed; }
bool Store::in_transaction() const { return state_->in_transaction; }
u64 Store::seed() const { return state_->superblock.seed(); }

void Store::refuse() const {
  const u32 why = attention_;
  if (why & kClosed) throw ClosedError(path() + ": the store is closed; open it again");
  if (why & kForked) {
    throw StateError(path() + ": opened before fork(); a child process must open the store itself");
  }
  if (why & kReadOnly) throw ReadOnlyError(path() + ": opened with mode=\"r\", so it cannot be changed");
  throw StateError(
      path() +
      ": writing to the disk failed earlier, so nobody can say what is on it; close the store and "
      "open it again: it will hold what was last committed");
}

void Store::require_writable() const {
  if (attention_ & (kClosed | kForked | kReadOnly | kFailed)) refuse();
}

void Store::become_dirty() {
  if (!dirty_) state_->dirty_since = platform::coarse_seconds();
  dirty_ = true;
}

void Store::become_clean(bool stored_through) {
  dirty_ = false;
  if (stored_through) become_dirty();
}

void Store::begin_operation() {
  if (operations_ == 0) {
    if (__builtin_expect(attention_.load(std::memory_order_relaxed) != 0, 0)) {
      imply_commit([this] { attend(); });
    }
    const double interval = state_->options.commit_interval_seconds;
    if (interval >= 0 && !state_->in_transaction) {
      const double now = platform::coarse_seconds();
      if (!dirty_) {
        state_->dirty_since = now;
      } else if (now - state_->dirty_since > interval) {
        state_->dirty_since = now;
        imply_commit([this] { commit_if_there_is_room(); });
      }
    }
    dirty_ = true;
  }
  ++operations_;
  ++changes_;
}

void Store::imply_commit(const std::function<void()>& commit) {
  if (state_->run_implied_commit) {
    state_->run_implied_commit(commit);
  } else {
    commit();
  }
}

// On a full disk the periodic commit waits for the next time, so that deleting stays possible; commit() and
// close() tell. Past the commit point there is no next time.
void Store::commit_if_there_is_room() {
  try {
    Committer(*this).commit();
  } catch (const SystemError& error) {
    const bool full = error.error() == ENOSPC || error.error() == EDQUOT;
    if (!full || (attention_ & kFailed) != 0) throw;
  }
}

// A commit is due: the budget is full, or many pages are dirty, or there is dead space to give back. Or a checkpoint
// is, which the last commit has left to this operation, so that none waits for both.
void Store::attend() {
  require_writable();
  attention_.fetch_and(~u32{kCommitDue}, std::memory_order_relaxed);
  Committer committer(*this);
  const bool full = state_->budget.exceeded();
  if (full) committer.drop_clean_pages();
  if (!state_->in_transaction) {
    if (committer.checkpoint_is_overdue()) {
      committer.checkpoint();
      if (!full && dirty_pages_ < dirty_bound_) return;
    }
    const u64 pages = dirty_pages_;
    const double begin = platform::coarse_seconds();
    committer.commit();
    adapt_bound(pages, platform::coarse_seconds() - begin);
    if (full) committer.drop_clean_pages();
    return;
  }
  const u64 dirty = committer.dirty_pages();
  if (dirty <= state_->budget.page_limit()) return;
  rollback();
  refuse_large_transaction(dirty * kPageSize);
}

void Store::refuse_large_transaction(u64 dirty_bytes) const {
  const u64 limit = memory_budget();
  const bool own = limit < emd::memory_budget();
  throw BudgetError(path() + ": the transaction changed " + std::to_string(dirty_bytes) +
                    " bytes in place, more than the memory budget of " +
                    (own ? "this store" : "the process") + ", " + std::to_string(limit) +
                    " bytes, leaves for pages, and was rolled back; split it, or raise the budget: " +
                    (own ? "open the store with a larger memory=" : "pyrsistence.set_memory_budget(bytes)"));
}

u64 Store::memory_budget() const { return state_->budget.bytes(); }
u64 Store::buffer_budget() const { return state_->budget.buffer_bytes(); }

void Store::commit() {
  if (read_only() && !closed()) return;
  require_writable();
  if (operations_ != 0) throw StateError(path() + ": commit inside an operation");
  if (in_transaction()) throw StateError(path() + ": commit inside a transaction; it commits at its end");
  Committer(*this).commit();
}

void Store::move_to_files() {
  commit();
  if (in_memory()) MemoryStore(*this).move_to_files();
}

void Store::checkpoint() {
  commit();
  if (!read_only() && !in_memory()) Committer(*this).checkpoint();
}

void Store::begin() {
  require_writable();
  if (in_transaction()) throw StateError(path() + ": a transaction is open already; they do not nest");
  commit();
  if (in_memory()) MemoryStore(*this).begin();
  state_->in_transaction = true;
}

void Store::commit_transaction() {
  if (!in_transaction()) throw StateError(path() + ": no transaction is open (it may have been rolled back)");
  require_writable();
  if (operations_ != 0) throw StateError(path() + ": commit inside an operation");
  Committer(*this).commit();
  state_->in_transaction = false;
}

void Member::lacks_region(unsigned index) const {
  throw DamagedError("member '" + name + "': expected more than " + std::to_string(index) +
                         " regions, found " + std::to_string(region_count) +
                         "; restore the store from a backup",
                     regions[0]->path());
}

AcquireGuard::~AcquireGuard() {
  try {
    store_.release(member_);
  } catch (const Error&) {
  }
}

void Store::rollback() {
  if (!in_transaction())
    throw StateError(path() + ": no transaction is open; rollback() undoes transactions only");
  if (operations_ != 0) throw StateError(path() + ": rollback inside an operation");
  if (attention_ & (kClosed | kForked)) refuse();
  state_->in_transaction = false;
  if (attention_ & kFailed) {
    // The journal may hold the whole commit: then recovery will apply it, so its fresh bytes and its files must
    // stay. Which state counts, only recovery can say.
    attention_.fetch_or(kUndecided, std::memory_order_relaxed);
    return;
  }
  Committer(*this).roll_back();
}

std::shared_ptr<Member> Store::find(std::string_view name) {
  follow();
  const auto found = state_->members.find(name);
  return found == state_->members.end() || name == kCompactionName ? nullptr : found->second;
}

std::shared_ptr<Member> Store::create(std::string_view name, Kind kind, unsigned region_count) {
  require_writable();
  if (is_reserved_name(name)) {
    throw FormatError(path() +
                      ": a member's name may not begin with a zero byte: such names are the library's own");
  }
  return Catalogue(*this).create(name, kind, region_count);
}

void Store::drop(std::string_view name) {
  require_writable();
  if (find(name) == nullptr) throw StateError(path() + ": no member '" + std::string(name) + "'");
  Catalogue(*this).drop(name);
}

std::shared_ptr<Member> Store::create_compaction(Kind kind, unsigned region_count) {
  drop_compaction();  // left by one that failed and then could not drop it
  return Catalogue(*this).create(kCompactionName, kind, region_count);
}

void Store::drop_compaction() {
  require_writable();
  if (state_->members.contains(kCompactionName)) Catalogue(*this).drop(kCompactionName);
}

void Store::replace(Member& target, Member& source) {
  require_writable();
  if (in_transaction()) throw StateError(path() + ": a member cannot be replaced inside a transaction");
  EMD_CHECK(target.kind == source.kind && target.users != 0);
  for (unsigned i = 0; i < target.region_count; ++i) target.regions[i]->require_no_views("replacing it");
  {
    const Operation operation(*this);
    Catalogue(*this).replace(target, source);
  }
  for (const auto& [owner, callback] : state_->rollback_callbacks) callback();
}

std::vector<std::shared_ptr<Member>> Store::members() {
  follow();
  std::vector<std::shared_ptr<Member>> all;
  for (const auto& [name, member] : state_->members) {
    if (name != kCompactionName) all.push_back(member);
  }
  return all;
}

u64 Store::member_count() {
  follow();
  return state_->members.size() - state_->members.count(kCompactionName);
}

bool Store::viewed() const {
  return std::any_of(state_->regions.begin(), state_->regions.end(),
                     [](const auto& one) { return one.second->view_count() != 0; });
}

void Store::acquire(Member& member) {
  // Of a live reader the files may be gone by the time they are opened: then it reads them again.
  read_consistent(member, [&] {
    EMD_CHECK(member.live);
    Catalogue catalogue(*this);
    const MemberEntry entry = catalogue.member_entry(member.slot);
    for (unsigned i = 0; i < member.region_count; ++i)
      member.regions[i] = &catalogue.map_region(entry.regions[i]);
  });
  ++member.users;
}

void Store::release(Member& member) {
  EMD_CHECK(member.users != 0);
  if (--member.users != 0 || closed() || !member.live) return;
  const auto found = state_->members.find(member.name);
  if (found == state_->members.end()) return;
  state_->released.push_back(found->second);
  if (attention_ & (kForked | kFailed) || in_memory()) return;
  if (read_only()) return;  // what a reader has mapped stays mapped
  Committer committer(*this);
  if (!in_transaction() && committer.nothing_changed()) committer.unmap_released();
}

void Store::on_rollback(const void* owner, std::function<void()> callback) {
  state_->rollback_callbacks.emplace_back(owner, std::move(callback));
}

void Store::on_implied_commit(std::function<void(const std::function<void()>& commit)> run) {
  state_->run_implied_commit = std::move(run);
}

void Store::on_follow(const void* owner, std::function<void()> callback) {
  state_->follow_callbacks.emplace_back(owner, std::move(callback));
}

void Store::remove_callback(const void* owner) {
  std::erase_if(state_->rollback_callbacks, [owner](const auto& one) { return one.first == owner; });
  std::erase_if(state_->follow_callbacks, [owner](const auto& one) { return one.first == owner; });
}

// ---- Reading beside a writer

Store::State::~State() = default;

u64 Store::begin_read_slowly(const Member& member) {
  require_readable();
  const u64 sequence = state_->follower->begin_read();
  if (member.live) return sequence;
  state_->follower->end_read(sequence);
  throw ClosedError("'" + member.name + "' in '" + path() + "' is gone: a writer has dropped it");
}

bool Store::end_read_slowly(u64 ticket) noexcept { return state_->follower->end_read(ticket); }

// A live reader shows the newest state before it answers what lies outside of a read.
void Store::follow() const {
  require_readable();
  if (live()) state_->follower->end_read(state_->follower->begin_read());
}

void Store::take_snapshot() {
  require_readable();
  if (!live()) {
    throw StateError(path() +
                     (read_only() ? ": nobody can write this store while it is open, so it needs no snapshot"
                                  : ": a snapshot is for readers (mode \"r\"); a writer sees its own state"));
  }
  state_->follower->take_snapshot();
}

void Store::end_snapshot() {
  if (state_->follower != nullptr && !(attention_ & kForked)) state_->follower->end_snapshot();
}

bool Store::in_snapshot() const { return state_->follower != nullptr && state_->follower->in_snapshot(); }

void Store::close() {
  if (closed()) return;
  std::exception_ptr error;
  if (!read_only() && !(attention_ & kForked)) {
    try {
      if (attention_ & kFailed) refuse();
      if (in_transaction()) rollback();
      Committer committer(*this);
      committer.commit();
      const bool filed = !in_memory();
      const bool needed = filed && (state_->journal->used_bytes() != 0 || !state_->obsolete_files.empty());
      // Where a backup holds the checkpoint up, the next writer recovers.
      if (filed && (!needed || committer.checkpoint())) {
        committer.trim();
        state_->lock->end_in_order();
      }
    } catch (...) {
      error = std::current_exception();
    }
  }
  const bool forked = attention_.fetch_or(kClosed, std::memory_order_relaxed) & kForked;
  if (forked) return;
  for (const auto& [name, member] : state_->members) member->live = false;
  sequence_ = nullptr;
  state_->follower.reset();
  state_->regions.clear();
  state_->dropped_regions.clear();
  state_->abandoned_regions.clear();
  state_->journal.reset();
  state_->readers.reset();
  state_->superblock_file.reset();
  state_->lock.reset();
  state_->directory.reset();
  if (error != nullptr) std::rethrow_exception(error);
}

std::unique_ptr<Content> Store::create_content() {
  Region& table = state_->region_table();
  auto header = load<RegionTableHeader>(table.at(0, sizeof(RegionTableHeader)));
  const FileId id{header.next_file};
  if (in_memory()) {
    auto content = std::make_unique<Content>(state_->budget, id);
    ++header.next_file;
    store(table.writable(0, sizeof header), header);
    return content;
  }
  using Open = platform::Directory::Open;
  platform::Directory& directory = *state_->directory;
  // A writer that was cut off may have left such files: nothing committed refers to them.
  for (const std::string& name : {region_file_name(id), sums_file_name(id)}) {
    if (directory.exists(name)) directory.remove(name);
  }
  try {
    auto file = directory.open(region_file_name(id), Open::create);
    auto sums = std::make_unique<PageSums>(directory.open(sums_file_name(id), Open::create), 0);
    auto content = std::make_unique<Content>(state_->budget, std::move(file), std::move(sums), id, 0,
                                             Content::Origin::created);
    ++header.next_file;
    store(table.writable(0, sizeof header), header);
    state_->new_files = true;
    return content;
  } catch (...) {
    discard_file(id);
    throw;
  }
}

u64 Store::in_memory_bytes() const { return state_->options.in_memory_bytes; }

std::unique_ptr<Content> Store::content_in_file(const Content& content) {
  return MemoryStore(*this).content_in_file(content);
}

// Nothing committed refers to the files; if they stay, the next writer removes them.
void Store::discard_file(FileId id) noexcept {
  if (state_->directory == nullptr) return;
  state_->background.finish();  // a job opens its files by name
  for (const std::string& name : {region_file_name(id), sums_file_name(id)}) {
    try {
      if (state_->directory->exists(name)) state_->directory->remove(name);
    } catch (...) {
    }
  }
}

// While the budget is less than a quarter used, commits are as rare as it allows: pages that change again and again are
// then written once.
void Store::note_many_dirty_pages() {
  if (!state_->in_transaction && state_->budget.quarter_used()) {
    attention_.fetch_or(kCommitDue, std::memory_order_relaxed);
  }
}

// A commit has to sync fresh bytes: so it should find most of them synced.
void Store::note_fresh_bytes(Content& content) {
  const u64 from = std::max(content.sync_asked, content.fresh_begin);
  if (content.size >= from + state_->options.background_sync_bytes)
    Committer(*this).sync_fresh_bytes(content);
}

// A commit holds up the operation that begins with it, so it should be short; but many short ones write the same pages
// more often, those that change all the time in each of them. So all are aimed at the same time.
void Store::adapt_bound(u64 pages, double seconds) {
  // One of few pages, or that came for another reason and was short, says nothing about the price of pages.
  if (pages < kLeastBound || (pages < dirty_bound_ && seconds <= kGoodCommitSeconds)) return;
  const double aimed =
      static_cast<double>(pages) * kGoodCommitSeconds / std::max(seconds, kGoodCommitSeconds / 2);
  dirty_bound_ = std::clamp(static_cast<u64>(aimed), dirty_bound_ / 2, 2 * dirty_bound_);
  dirty_bound_ = std::max(dirty_bound_, kLeastBound);
}

// Asks once for each so many: a checkpoint may have to wait for a backup.
void Store::note_dead(u64 bytes) {
  const u64 before = std::exchange(state_->dead_bytes, state_->dead_bytes + bytes);
  if (before / kDeadBytesDue != state_->dead_bytes / kDeadBytesDue) {
    attention_.fetch_or(kCommitDue, std::memory_order_relaxed);
  }
}

void Store::verify(Findings& findings) const {
  follow();
  Verifier(const_cast<Store&>(*this), findings).run();
}

}  // namespace emd
