// OpenStore: an open store as its handles share it; Member: a container of it, likewise.
//
// A container has one Member, and that one structure, for all of its handles: two structures on one member would not
// know of each other's changes. Member::require() is what every call of a handle begins with. A container that is
// closed, dropped, or whose creation was rolled back is detached: its Member has no structure any more, and refuses.
//
// Threads: as the store's; a fork is noticed in the child before it runs anything else, and then nothing of the store
// is touched.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "api/core.h"
#include "platform/fork_guard.h"

namespace emd::v2::detail {

class Member;

class OpenStore : public std::enable_shared_from_this<OpenStore> {
 public:
  OpenStore(const std::string& path, const core::StoreOptions& options);
  // Closes; an error of that is lost.
  ~OpenStore();
  OpenStore(const OpenStore&) = delete;
  OpenStore& operator=(const OpenStore&) = delete;

  // For each use. Errors: ClosedError, StateError.
  void require() const {
    if (__builtin_expect(attention_.load(std::memory_order_relaxed) != 0, 0)) refuse();
    core_->require_readable();
  }
  core::Store& use() {
    require();
    return *core_;
  }
  // Whatever its state is.
  core::Store& core() { return *core_; }
  const core::Store& core() const { return *core_; }
  bool closed() const { return (attention_.load(std::memory_order_relaxed) & kClosed) != 0; }
  // Whether it is a parent process's.
  bool lost() const { return (attention_.load(std::memory_order_relaxed) & kForked) != 0; }
  void close();

  // Transactions are known by their numbers: one that has ended is not taken for the next.
  u64 begin();
  void commit(u64 transaction);
  void rollback(u64 transaction);
  bool active(u64 transaction) const { return in_transaction_ && transaction == transactions_; }
  bool in_transaction() const { return in_transaction_; }

  void begin_snapshot();
  // False where no state has to be held, or none can be.
  bool begin_snapshot_if_possible();
  void end_snapshot() noexcept;
  // Errors: SnapshotError if one that was begun has expired.
  void require_snapshot() const {
    if (__builtin_expect(snapshots_ != 0, 0) && !core_->in_snapshot()) refuse_expired();
  }

  // The member of this name and kind, created if there is none. Errors: FormatError.
  std::shared_ptr<core::Member> find_or_create(std::string_view name, Kind kind);
  // The Member that handles have of it, or null.
  std::shared_ptr<Member> attached(const core::Member& member) const;
  void attach(Member& member);
  void forget(const core::Member& member) noexcept { members_.erase(&member); }
  void drop(std::string_view name);

 private:
  enum : u32 { kClosed = 1, kForked = 2, kRolledBack = 4 };

  [[noreturn]] void refuse() const;
  [[noreturn]] void refuse_expired() const;
  void end_transaction();
  void detach_all() noexcept;
  void detach_dead() noexcept;

  mutable std::atomic<u32> attention_ = 0;
  platform::ForkGuard fork_guard_{attention_, kForked};
  std::unique_ptr<core::Store> core_;
  std::unordered_map<const core::Member*, Member*> members_;  // those that handles refer to
  bool in_transaction_ = false;
  u64 transactions_ = 0;  // so many were begun
  unsigned snapshots_ = 0;
};

class Member : public std::enable_shared_from_this<Member> {
 public:
  // Precondition: the store is in use, and has no other Member of it.
  Member(std::shared_ptr<OpenStore> store, std::shared_ptr<core::Member> member);
  virtual ~Member();
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;

  void require() const {
    store_->require();
    if (__builtin_expect(!attached_, 0)) refuse();
  }
  bool attached() const { return attached_; }
  OpenStore& store() const { return *store_; }
  const std::shared_ptr<OpenStore>& share_store() const { return store_; }
  core::Store& core() const { return store_->core(); }
  core::Member& member() const { return *member_; }
  // Whether the structure has been laid out, and no rollback has taken that back. Precondition: attached.
  virtual bool laid_out() const = 0;
  // Precondition: required.
  virtual ContainerStats stats() const = 0;
  void detach() noexcept;

  // Runs `work`, which reads the structure, on one committed state: again from its beginning where a writer in another
  // process interferes. Precondition: required. Errors: those of `work`; SnapshotError, LockedError, ClosedError.
  template <class Work>
  auto read_consistent(Work&& work) const {
    if (__builtin_expect(!core().live(), 1)) return work();
    store_->require_snapshot();
    return core().read_consistent(*member_, std::forward<Work>(work));
  }

 protected:
  // Ends the structure, or, in a fork's child, forgets it.
  virtual void close_structure(bool forget) noexcept = 0;
  // In the constructor of a derived class, behind all that can fail.
  void become_attached();

 private:
  [[noreturn]] void refuse() const;
  void let_go() noexcept;

  std::shared_ptr<OpenStore> store_;
  std::shared_ptr<core::Member> member_;
  bool acquired_ = false;
  bool attached_ = false;  // acquired, and there is a structure
};

ContainerStats summary_of(const MemberStats& stats);

template <class Structure>
class MemberOf final : public Member {
 public:
  MemberOf(std::shared_ptr<OpenStore> store, std::shared_ptr<core::Member> member,
           const typename Structure::OpenAs& wanted)
      : Member(std::move(store), std::move(member)) {
    structure_ = read_consistent([&] { return open_as<Structure>(this->core(), this->member(), wanted); });
    become_attached();
  }
  ~MemberOf() override { detach(); }

  // Precondition: required.
  Structure& structure() const { return *structure_; }
  bool laid_out() const override {
    if constexpr (requires { structure_->laid_out(); }) return structure_->laid_out();
    return true;
  }
  ContainerStats stats() const override {
    return read_consistent([&] { return summary_of(stats_of(*structure_, core().region_stats(member()))); });
  }

 protected:
  void close_structure(bool forget) noexcept override {
    if (forget) {
      new std::shared_ptr<Structure>(std::move(structure_));  // never destroyed
    } else {
      structure_.reset();
    }
  }

 private:
  std::shared_ptr<Structure> structure_;
};

// What handles hold, for the sources of this folder.
struct Access {
  static const std::shared_ptr<Member>& member(const Container& handle) { return handle.member_; }
  static Store store(std::shared_ptr<OpenStore> store) { return Store(std::move(store)); }
  static ArrayBase array(std::shared_ptr<Member> member) { return ArrayBase(std::move(member)); }
  static TypedDictBase typed_dict(std::shared_ptr<Member> member) { return TypedDictBase(std::move(member)); }
};

[[noreturn]] void refuse_empty_handle();

// The Member of a handle that is of this structure, ready to be used. Errors: as Member::require().
template <class Structure>
MemberOf<Structure>& use(const Container& handle) {
  auto* const member = static_cast<MemberOf<Structure>*>(Access::member(handle).get());
  if (__builtin_expect(member == nullptr, 0)) refuse_empty_handle();
  member->require();
  return *member;
}

// The same without a structure: of a handle of any kind.
Member& use(const Container& handle);

// The container of this name for a handle: the one that other handles have, or a new one. Errors: FormatError if it is
// another than wanted.
template <class Structure>
std::shared_ptr<Member> open_member(const std::shared_ptr<OpenStore>& store, std::string_view name,
                                    const typename Structure::OpenAs& wanted = {}) {
  if (store == nullptr) refuse_empty_handle();
  core::Store& core = store->use();
  // A member that is made is laid out in the same operation: no commit falls between.
  std::optional<Operation> making;
  if (!core.read_only() && core.find(name) == nullptr) making.emplace(core);
  const std::shared_ptr<core::Member> found = store->find_or_create(name, Structure::kKind);
  std::shared_ptr<Member> member = store->attached(*found);
  if (member == nullptr) return std::make_shared<MemberOf<Structure>>(store, found, wanted);
  const Structure& structure = static_cast<MemberOf<Structure>&>(*member).structure();
  if constexpr (requires { structure.require(wanted); }) structure.require(wanted);
  return member;
}

}  // namespace emd::v2::detail
