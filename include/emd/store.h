// Store: a directory of containers that change together or not at all.
//
//   auto store = emd::Store::open("words");
//   emd::Dict counts = store.dict("counts");
//   {
//     auto transaction = store.transaction();
//     counts.put("hello", "1");
//     transaction.commit();  // durable; without it the block's end would undo what it did
//   }
//   store.verify();
//
// Handles: Store, Dict, List and their like are handles, small and cheap to copy. All that are of one store share it:
// it is open until close(), or until the last of them is gone, which closes it. A handle that was default constructed
// or moved from refers to nothing, and every use throws ClosedError.
//
// What is durable: all that was changed when commit(), close() or a transaction's commit() has returned. A change
// outside of a transaction is part of the next commit, which comes by itself with the first change after
// `commit_interval_seconds`, or when the memory budget is full. One call is never committed by half.
//
// What is handed out is a copy, and never points into the files; ArrayView alone does, and says for how long.
//
// Threads: nothing is synchronized. One thread at a time uses a store and all its handles, iterators and views, and
// destroys them; threads may use different stores at once.
//
// Processes: one writer, and any number of readers (Mode::read) in other processes beside it; within one process a
// store is open for writing, or for reading. After fork() the child's handles throw StateError,
// and let go of nothing that is the parent's.
//
// Errors: errors.h. Where a call says nothing else, SystemError, DamagedError, ClosedError, StateError and BudgetError,
// as they are told there; a change that throws has changed nothing.
#pragma once

#include <emd/bytes.h>
#include <emd/errors.h>
#include <emd/export.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace emd {
inline namespace v2 {

class Deque;
class Dict;
class List;
class Set;
class Shadow;
class Graph;
template <class T>
class Array;
template <class Key, class Value>
class TypedDict;

namespace detail {
class OpenStore;
class Member;
class ArrayBase;
class TypedDictBase;
struct RowType;
struct Access;
}  // namespace detail

enum class Mode {
  append,      // create it, or open it to write
  read,        // it must exist; nothing of it is changed
  read_write,  // it must exist
  exclusive,   // it must not exist
};

struct StoreOptions {
  Mode mode = Mode::append;
  // Seconds after the first change from which on the next change commits first; negative: never.
  double commit_interval_seconds = 5.0;
  // Seconds to wait for a writer in another process to close the store, before LockedError.
  double lock_timeout_seconds = 0.0;
  // Seconds that a commit waits for readers' snapshots, before it expires them.
  double snapshot_timeout_seconds = 1.0;
  // Seconds that a reader waits for a commit that is just being written to the files, before LockedError.
  double read_timeout_seconds = 30.0;
  // The store's own budget of private pages and buffers, within that of the process; 0: none. At least 1 MiB.
  std::uint64_t memory_bytes = 0;
  // Of the files of a new store, as chmod takes them, whatever the umask is. None: what the umask leaves.
  std::optional<std::uint32_t> permissions = {};
};

// What verify() finds: something that contradicts the format, or a page whose checksum does not agree.
struct Finding {
  std::string where;  // "counts: records at 4096"
  std::string what;   // expected and found
};

struct MemberInfo {
  std::string name;
  std::string kind;  // "dict", "list", "set", "deque", "array", "typed dict", "graph", "shadow memory"
};

// All sizes in bytes.
struct StoreStats {
  std::uint64_t commits = 0;         // since it was opened
  std::uint64_t checkpoints = 0;     // likewise
  std::uint64_t journal_bytes = 0;   // in use since the last checkpoint
  std::uint64_t dirty_bytes = 0;     // private pages changed since the last commit
  std::uint64_t private_bytes = 0;   // anonymous memory held by private pages
  std::uint64_t mapped_bytes = 0;    // of its files, mapped for reading and writing
  std::uint64_t resident_bytes = 0;  // of those, in the page cache
  std::uint64_t region_bytes = 0;    // in use in its files
  std::uint64_t disk_bytes = 0;      // blocks of all its files
  std::uint64_t budget_bytes = 0;    // what private_bytes may come to
};

struct ContainerStats {
  std::uint64_t entries = 0;       // as size() says; of a graph: vertices; of shadow memory: ranges
  std::uint64_t region_bytes = 0;  // in use in its files
  std::uint64_t dead_bytes = 0;    // of those, lost until compact()
  std::uint64_t free_bytes =
      0;  // of those, used again by what comes; compact() gives back about so many as well
  std::uint64_t dirty_bytes = 0;  // private pages changed since the last commit
  std::uint64_t disk_bytes = 0;   // blocks of its files
};

// Called now and then with how much is done, of how much; what it throws cancels the work, and passes through.
using Progress = std::function<void(std::uint64_t done, std::uint64_t total)>;

// A block of changes, of all containers of a store, that become durable together or not at all. They do not nest.
//
// It ends at commit(), at rollback(), at its own end, which rolls back, or when the store is closed, which rolls back
// too. One that changes more pages in place than the memory budget has room for throws BudgetError and is rolled back
// at once; until it ends all other calls throw StateError.
class EMD_API Transaction {
 public:
  Transaction(Transaction&& other) noexcept;
  Transaction& operator=(Transaction&& other) noexcept;
  // Rolls back, unless it has ended. An error of that is the store's from then on: it shows at the next use.
  ~Transaction();

  // Errors: SystemError: nothing is committed, and the transaction is still on; StateError if it has ended.
  void commit();
  // Containers that were created in it are gone: their handles throw ClosedError. Does nothing if it has ended.
  void rollback();
  bool active() const;

 private:
  friend class Store;
  Transaction(std::shared_ptr<detail::OpenStore> store, std::uint64_t number);

  std::shared_ptr<detail::OpenStore> store_;
  std::uint64_t number_ = 0;  // of all transactions of the open store
};

// A state of the store that a reader keeps over many calls, while a writer goes on. The writer's commits wait for it,
// at most their `snapshot_timeout_seconds`: then it expires, and reading throws SnapshotError until it ends. They nest.
class EMD_API Snapshot {
 public:
  Snapshot(Snapshot&& other) noexcept;
  Snapshot& operator=(Snapshot&& other) noexcept;
  ~Snapshot();

 private:
  friend class Store;
  explicit Snapshot(std::shared_ptr<detail::OpenStore> store);

  std::shared_ptr<detail::OpenStore> store_;
};

class EMD_API Store {
 public:
  // Opens or creates the store in the directory `path`, whose parent must exist, and recovers it if its last writer was
  // cut off. Cost: that of its members' number, not of its size.
  // Errors: SystemError (no parent, no permission, a file in the way), FormatError, DamagedError, LockedError;
  // std::invalid_argument for times that are none, or a budget that is too small. Nothing is changed then.
  static Store open(const std::string& path, const StoreOptions& options = {});

  Store() = default;
  // Whether it refers to a store that is open.
  explicit operator bool() const;

  // As it was given to open().
  std::string path() const;
  bool read_only() const;
  // Closes: rolls back a transaction that is on, commits, and lets go of the lock. All handles of it throw ClosedError
  // from then on. Harmless when closed. Errors: SystemError: it is closed nevertheless, and holds its last committed
  // state. Where the last handle's end closes the store, an error has nobody to go to: call close() to see it.
  void close();

  // The container of this name, which a store that can be written creates if there is none. Handles of one name are the
  // same container. A name is up to 200 bytes of UTF-8; the empty one is that of a directory that is a single
  // container.
  // Errors: FormatError if it is of another kind or type, or if there is none in a store that is only read.
  Dict dict(std::string_view name);
  List list(std::string_view name);
  Set set(std::string_view name);
  // `limit`: the most elements of a new one, or as many as there are; of one that is there, if it is given, it must be the
  // same.
  Deque deque(std::string_view name, std::optional<std::uint64_t> limit = {});
  // T: a number, bool, or a plain structure; it must be the type that the array was made with.
  template <class T>
  Array<T> array(std::string_view name);
  // Likewise; see typed_dict.h for what a key may be.
  template <class Key, class Value>
  TypedDict<Key, Value> typed_dict(std::string_view name);
  // `width`: bytes of flags that an address has, 1 to 8; 0: as it was made, or 1 if it is new.
  Shadow shadow(std::string_view name, unsigned width = 0);
  // `directed`: of a new one; one that is there must be so, if it is said.
  Graph graph(std::string_view name, std::optional<bool> directed = {});

  bool contains(std::string_view name);
  std::vector<MemberInfo> members();
  // Removes a container; its space returns to the disk with a later commit. Errors: StateError if there is none.
  void drop(std::string_view name);

  // Makes all changes durable. Errors: SystemError: nothing is committed and everything is still pending (the disk is
  // full), or the store must be opened again (a sync failed); StateError inside of a transaction.
  void commit();
  // commit(), then lets the journal restart and gives dead space back to the disk.
  void checkpoint();
  // Begins a transaction; what is pending is committed first. Errors: those of commit().
  [[nodiscard]] Transaction transaction();
  bool in_transaction() const;
  // Errors: StateError in a writer, which sees its own state; SystemError if 62 are held already, or the reader may not
  // write the store's files.
  [[nodiscard]] Snapshot snapshot();

  // Reads everything and says what is wrong: superblock, tables, each page by its checksum, each container's
  // invariants. Nothing is changed. Beside a writer it is of one state. Cost: a pass over all files.
  std::vector<Finding> verify();
  // The same, for who wants an exception. Errors: DamagedError, which tells the first finding and how many there are.
  void check();
  StoreStats stats() const;

  // A copy of the last committed state in a new or empty directory, while this or another process writes. A writer
  // commits first. It is there whole or not at all. Errors: SystemError, DamagedError, SnapshotError, LockedError.
  void backup(const std::string& target, const Progress& progress = {});
  // A copy likewise, of containers written anew without dead space. See Container::compact() for how to do it in place.
  void compact_to(const std::string& target, const Progress& progress = {});

 private:
  friend struct detail::Access;
  explicit Store(std::shared_ptr<detail::OpenStore> store);
  detail::ArrayBase open_array(std::string_view name, std::string_view type, std::uint64_t element_bytes);
  detail::TypedDictBase open_typed_dict(std::string_view name, const detail::RowType& type);

  std::shared_ptr<detail::OpenStore> store_;
};

// What the handles of all containers have.
class EMD_API Container {
 public:
  Container() = default;
  // Whether it refers to a container of a store that is open.
  explicit operator bool() const;

  std::string name() const;
  Store store() const;
  // Writes it anew, in order and without dead space; ids of a graph's vertices change. Commits what is pending.
  // Cost: an insertion an entry, and the live bytes once more on disk until the next checkpoint.
  // Errors: StateError in a transaction; ViewError while there are views of it; what `progress` throws.
  void compact(const Progress& progress = {});
  // Cost: a look at its files.
  ContainerStats stats() const;

 protected:
  friend struct detail::Access;
  explicit Container(std::shared_ptr<detail::Member> member);

  std::shared_ptr<detail::Member> member_;
};

// The budget of anonymous memory of all stores of the process together. At first a quarter of what the machine or its
// cgroup allows. Errors: std::invalid_argument below 1 MiB. Threads: any.
EMD_API std::uint64_t memory_budget();
EMD_API void set_memory_budget(std::uint64_t bytes);

}  // namespace v2
}  // namespace emd
