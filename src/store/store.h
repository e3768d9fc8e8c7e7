// Store: a directory whose regions change together or not at all.
//
// A store holds named members (a dict, a list); each member owns a few regions. Everything changed since
// the last commit becomes durable by commit(), or is undone by rollback() of a transaction. See
// docs/durability.md for the promises and docs/format.md for the files.
//
// A mutating operation of a structure runs as
//     Operation op(store);      // commits first, if a commit is due; refuses if the store cannot be written
//     ... reserve and allocate (may throw: nothing has changed yet) ...
//     ... change bytes (cannot fail) ...
// so that a commit never sees half an operation.
//
// Threads: one thread at a time works on a store (the bindings see to it).
#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/bytes.h"
#include "base/errors.h"
#include "base/patience.h"
#include "store/region.h"

namespace emd {

namespace platform {
class Directory;
class File;
class FileSystem;
}  // namespace platform

enum class Mode {
  append,      // "a": create, or open to write
  read,        // "r": read only
  read_write,  // "r+": must exist
  exclusive,   // "x": must not exist
};

// What a member is: a number that structures/kinds.h gives a meaning. Kept on disk: values are never reused.
enum class Kind : u32 {};
inline constexpr unsigned kMaxRegionsPerMember = 4;

struct StoreOptions {
  Mode mode = Mode::append;
  // Seconds after which the next operation commits first; negative: never.
  double commit_interval_seconds = 5.0;
  // Seconds to wait for a writer in another process to close the store.
  double lock_timeout_seconds = 0.0;
  // Seconds that a commit waits for a reader's snapshot before it expires it.
  double snapshot_timeout_seconds = 1.0;
  // Seconds that a reader waits for a commit that is just being written to the files.
  double read_timeout_seconds = 30.0;
  // How it waits for other processes; null: it sleeps.
  Pause pause;
  // Compare every unmarked page with the base at commit; slow; a failed comparison is a CheckError.
  bool check_unmarked_writes =
#ifdef NDEBUG
      false;
#else
      true;
#endif
  // The store's own budget of private pages and buffers, within that of the process; 0: none. At least 1 MiB.
  u64 memory_bytes = 0;
  // Bytes that commits have written to the region files, or that one of these has grown by, from which on they are
  // synced in the background.
  u64 background_sync_bytes = u64{16} << 20;
  // Of the files of a new store, as chmod takes them, whatever the umask is; the directory, if it is new, can also be
  // entered by who may read them. None: what the umask leaves. Later files are as the store's superblock.
  std::optional<u32> permissions;
  // The disk; null: the real one.
  std::shared_ptr<platform::FileSystem> file_system;
  // The store's directory, if it is open already: then the path is but a name.
  std::shared_ptr<platform::Directory> directory;
  // Not zero: a temporary store, which begins in memory and makes its directory (that may not be there yet) and its
  // files when a region has outgrown so many bytes, or move_to_files() is called. See memory_store.h.
  u64 in_memory_bytes = 0;
  // How many regions a member of a kind has, 0: there is no such kind. The tables are held against it as a whole,
  // before anything is used or recovered. Null: who opens a member finds out.
  unsigned (*region_count_of)(Kind) = nullptr;
};

// Names that begin with a zero byte are the library's own. This one is of a member that a compaction is writing; what a
// cut off one has left is dropped by the next writer.
inline constexpr std::string_view kCompactionName{"\0compaction", 11};
constexpr bool is_reserved_name(std::string_view name) { return name.starts_with('\0'); }

// A finding of verify() and of a structure's check(): something that breaks an invariant.
struct Finding {
  std::string where;  // "records at 4096"
  std::string what;   // expected and found
};
// What is found; and who does the finding says at each step that it goes on, so that whoever waits can end it.
struct Findings : std::vector<Finding> {
  using std::vector<Finding>::vector;

  // Called now and then; what it throws ends the check, which has changed nothing.
  std::function<void()> on_step;
  // A bounded piece of work, of a microsecond or so, has been done.
  void step() {
    if (++steps_ % kStepsBetween == 0 && on_step) on_step();
  }

 private:
  static constexpr u64 kStepsBetween = 1024;
  u64 steps_ = 0;
};

// A member's entry. Handles share it; `live` ends when the member is dropped, its creation is rolled
// back, or the store is closed.
struct Member {
  std::string name;
  Kind kind{};
  u32 slot = 0;  // in the member table
  // Regions in the order the structure defines; null behind region_count.
  Region* regions[kMaxRegionsPerMember] = {};
  unsigned region_count = 0;
  bool live = true;
  unsigned users = 0;  // acquire() calls not yet released

  // For a structure that opens itself there. Precondition: acquired. Errors: DamagedError if there are not so many.
  Region& region(unsigned index) const {
    if (__builtin_expect(index >= region_count, 0)) lacks_region(index);
    return *regions[index];
  }
  [[noreturn]] void lacks_region(unsigned index) const;
};

struct RegionStats {
  std::string file;
  u64 bytes = 0;  // with what is not committed yet
  u64 committed_bytes = 0;
  u64 dirty_bytes = 0;     // private pages changed since the last commit
  u64 private_bytes = 0;   // anonymous memory held by private pages
  u64 mapped_bytes = 0;    // of the file, mapped for reading and writing
  u64 resident_bytes = 0;  // of those, in the page cache; private pages are not among them
  u64 disk_bytes = 0;      // blocks of the file
  u64 awaiting_bytes = 0;  // dead, and given back to the disk at the next checkpoint
};

struct StoreStats {
  u64 commits = 0;
  u64 checkpoints = 0;
  u64 journal_bytes = 0;  // in use since the last checkpoint
  u64 journal_capacity = 0;
  u64 dirty_bytes = 0;     // private pages changed since the last commit
  u64 private_bytes = 0;   // anonymous memory held by private pages
  u64 mapped_bytes = 0;    // of region files, mapped for reading and writing
  u64 resident_bytes = 0;  // of those, in the page cache; private pages are not among them
  u64 region_bytes = 0;    // committed and fresh
  u64 disk_bytes = 0;      // blocks of all files of the store
  // What private_bytes may come to, and the same of all stores of the process.
  u64 budget_bytes = 0;
  u64 process_budget_bytes = 0;
  u64 process_private_bytes = 0;
};

class Store {
 public:
  // Opens or creates the store in directory `path`, and recovers it if its last writer was cut off.
  // Cost: O(members), not O(data). Errors: SystemError (missing parent, a file in the way, no
  // permission), FormatError, DamagedError, LockedError; what options.pause throws; std::invalid_argument for times
  // that are none; nothing is changed then.
  static std::unique_ptr<Store> open(const std::string& path, const StoreOptions& options = {});
  // Commits nothing: a Store destroyed without close() leaves the last committed state.
  ~Store();

  // As it was given.
  const std::string& path() const;
  // What is open, whatever has that path now; may be kept when the store is closed. Errors: ClosedError.
  std::shared_ptr<platform::Directory> directory() const;
  bool read_only() const;
  // Whether it is a temporary store that has no files yet; and whether it has made its directory.
  bool in_memory() const;
  bool has_directory() const;
  // Has it make them, and commits. Errors: as commit(); SystemError: nothing has changed.
  void move_to_files();
  bool closed() const;
  // 64 random bits chosen at creation, the seed for hashing keys.
  u64 seed() const;

  // Members. create() returns a member with `region_count` empty regions (size 0). A compaction's is neither found nor
  // dropped. Errors: FormatError for a name that is too long, or reserved (is_reserved_name); StateError if there is
  // none to drop.
  std::shared_ptr<Member> find(std::string_view name);
  std::shared_ptr<Member> create(std::string_view name, Kind kind, unsigned region_count);
  void drop(std::string_view name);
  // The hidden member of a compaction: made anew, or dropped if it is there.
  std::shared_ptr<Member> create_compaction(Kind kind, unsigned region_count);
  void drop_compaction();
  // The contents of `source` become those of `target`, of the same kind, as one change that is not in a transaction;
  // `source`, with the old ones, is dropped. Both are mapped. Views into `target` are void: the callbacks of
  // on_rollback() are called.
  void replace(Member& target, Member& source);
  // All but the hidden one of a compaction; and how many they are.
  std::vector<std::shared_ptr<Member>> members();
  u64 member_count();
  // Whether there are views of any region (Region::View).
  bool viewed() const;
  // Maps the member's regions if they are not; release() unmaps what is clean when its last user has gone.
  void acquire(Member& member);
  void release(Member& member);

  // Makes all changes durable. Errors: SystemError: nothing was committed and everything is still
  // pending (ENOSPC), or the store must be reopened (a failed sync). StateError inside an operation or
  // transaction.
  void commit();
  // commit(), then lets the journal restart and gives back dead space.
  void checkpoint();
  // Begins a transaction (commits first what is pending), ends it, or undoes it.
  void begin();
  void commit_transaction();
  void rollback();
  bool in_transaction() const;
  // commit(), checkpoint(), unlock. Harmless when closed. On an error the store is closed nevertheless,
  // unlocked, and holds its last committed state.
  void close();

  // ---- Reading beside a writer in another process (mode "r"); docs/concurrency.md

  // Whether such a writer may change what is read: then every read runs inside read_consistent().
  bool live() const { return attention_.load(std::memory_order_relaxed) & kLive; }
  // Runs `work`, which reads the structures of `member` and copies out what it needs, on one committed state. Where no
  // other process can write, that is a call; else `work` runs again when a commit came in between, and may see a
  // mixture of states (so bounded steps, checked offsets, no effects) whose result is then thrown away.
  // Errors: those of `work`; ClosedError if the member is gone; SnapshotError if the snapshot has expired;
  // LockedError if a commit is being applied for very long.
  template <class Work>
  auto read_consistent(const Member& member, Work&& work) {
    if (__builtin_expect(!live(), 1)) return work();
    for (;;) {
      const u64 ticket = begin_read(member);
      try {
        if constexpr (std::is_void_v<decltype(work())>) {
          work();
          if (end_read(ticket)) return;
        } else {
          auto result = work();
          if (end_read(ticket)) return result;
        }
      } catch (const std::exception&) {
        if (end_read(ticket)) throw;  // else it came from a mixture of states
      } catch (...) {                 // what ends the work from outside, whatever the state was
        end_read(ticket);
        throw;
      }
    }
  }
  // Holds the present state for this reader, over many reads. A writer waits for it at each commit, `snapshot_timeout_
  // seconds` of its own at most, and then expires it. Errors: StateError unless the store is live (a writer sees its
  // own state; where nobody can write, nothing changes), or if one is held; SystemError.
  void take_snapshot();
  void end_snapshot();
  bool in_snapshot() const;

  // Runs the commits that an operation begins with (of the interval, or since the budget is full): for who has to let
  // go of something meanwhile. `run` calls what it is given, once.
  void on_implied_commit(std::function<void(const std::function<void()>& commit)> run);

  // Called after a rollback, so that a structure can forget what it had cached; and when a live reader has
  // followed the writer to another state.
  void on_rollback(const void* owner, std::function<void()> callback);
  void on_follow(const void* owner, std::function<void()> callback);
  void remove_callback(const void* owner);

  // Another number whenever anything that is read may be another: after an operation has begun, a rollback, and, beside
  // a writer, another of its commits. Of this object, not of the files.
  u64 changes() const { return changes_; }

  // What its private pages and buffers may take together: its own budget or the process's, whichever is less; and what
  // of it one buffer may take that lives as long as a call, at least an eighth. Threads: any.
  u64 memory_budget() const;
  u64 buffer_budget() const;

  // Cost of both: a look at the files, and what Content::resident_bytes() costs.
  StoreStats stats() const;
  // Of a member's regions, in the structure's order. Precondition: it is acquired.
  std::vector<RegionStats> region_stats(const Member& member) const;
  // Checks superblock, tables, and every committed page by its checksum; structures are checked by their own
  // check(). Cost: reads all files once.
  void verify(Findings& findings) const;

  // Throws unless the store may be used (read: open, not forked; write: also writable, not failed).
  void require_readable() const {
    if (__builtin_expect(attention_.load(std::memory_order_relaxed) & kReadAttention, 0)) refuse();
  }

 private:
  friend class Operation;
  friend class Region;
  friend class Committer;
  friend class Opener;
  friend class Catalogue;
  friend class Follower;
  friend class Verifier;
  friend class MemoryStore;
  struct State;

  enum : u32 {
    kClosed = 1,
    kForked = 2,
    kReadOnly = 4,
    kFailed = 8,      // a sync failed: refuse to write
    kCommitDue = 16,  // or a checkpoint: see attend()
    kUndecided =
        32,      // failed, and the transaction that it failed was given up: what is in memory counts no more
    kLive = 64,  // a reader beside writers in other processes
    kReadAttention = kClosed | kForked | kUndecided,
  };

  Store();
  void follow() const;
  // The usual case, nothing new and no snapshot, without a call.
  u64 begin_read(const Member& member) {
    // A closed store has no sequence any more.
    const bool usual = !(attention_.load(std::memory_order_relaxed) & kReadAttention) &&
                       sequence_->load(std::memory_order_acquire) == shown_ && member.live;
    return __builtin_expect(usual, 1) ? shown_ : begin_read_slowly(member);
  }
  bool end_read(u64 ticket) noexcept {
    std::atomic_thread_fence(std::memory_order_acquire);  // what was read comes before this
    const bool usual = ticket == shown_ && sequence_->load(std::memory_order_relaxed) == ticket;
    return __builtin_expect(usual, 1) ? true : end_read_slowly(ticket);
  }
  u64 begin_read_slowly(const Member& member);
  bool end_read_slowly(u64 ticket) noexcept;
  void begin_operation();
  void end_operation() { --operations_; }
  void imply_commit(const std::function<void()>& commit);
  void attend();
  [[noreturn]] void refuse_large_transaction(u64 dirty_bytes) const;
  void commit_if_there_is_room();
  [[noreturn]] void refuse() const;
  void require_writable() const;
  // For Region: a content in files of its own, created now, part of the store from the next commit on; files that
  // nothing committed refers to; and space that has died.
  std::unique_ptr<Content> create_content();
  // Of a temporary store: what a content in memory may grow to; and a file with what such a content holds.
  u64 in_memory_bytes() const;
  std::unique_ptr<Content> content_in_file(const Content& content);
  void discard_file(FileId id) noexcept;
  // Something may change, or have changed, since the last commit: the commit interval begins, unless it has.
  void become_dirty();
  // After a commit or a rollback; `stored_through`: views may change bytes without a call, from now on.
  void become_clean(bool stored_through);
  void note_dead(u64 bytes);
  void note_dirty_page() {
    if (__builtin_expect(++dirty_pages_ >= dirty_bound_, 0)) note_many_dirty_pages();
  }
  void note_many_dirty_pages();
  void note_fresh_bytes(Content& content);
  void adapt_bound(u64 pages, double seconds);

  // What the next operation must look at first; usually nothing.
  std::atomic<u32> attention_ = 0;
  unsigned operations_ = 0;  // operations nest: the outermost decides
  u64 changes_ = 0;
  bool dirty_ = false;   // an operation ran since the last commit
  u64 dirty_pages_ = 0;  // marked since the last commit
  // Where memory is scarce, a commit is made when so many pages are dirty: as many as take a tenth of a second.
  u64 dirty_bound_ = 16384;
  // Of a live reader: the writer's sequence, and that of the state shown; zero if a read needs more than to compare
  // them.
  const std::atomic<u64>* sequence_ = nullptr;
  u64 shown_ = 0;
  std::unique_ptr<State> state_;
};

// The scope of one mutating operation. An Operation inside another is part of it.
class Operation {
 public:
  explicit Operation(Store& store) : store_(store) { store.begin_operation(); }
  ~Operation() { store_.end_operation(); }
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;

 private:
  Store& store_;
};

// The budget of private (anonymous) pages, one for the process. Default: a quarter of what the machine or its
// cgroup allows.
u64 memory_budget();
void set_memory_budget(u64 bytes);

// The scope in which a member is mapped. An error of giving it back is left to the store's next use, which it shows at.
class AcquireGuard {
 public:
  AcquireGuard(Store& store, Member& member) : store_(store), member_(member) { store.acquire(member); }
  ~AcquireGuard();
  AcquireGuard(const AcquireGuard&) = delete;
  AcquireGuard& operator=(const AcquireGuard&) = delete;

 private:
  Store& store_;
  Member& member_;
};

}  // namespace emd
