// Container: what EMDict and EMList share: a member of an open store, its codec, its caches of objects.
//
// It lives inside the Python object. It is attached (usable) or detached (closed, dropped, rolled back, or
// never opened); a detached one keeps its handle, to name the path in errors.
//
// Work on its structure happens in the scope of an Entered, in which no Python code runs. What is read is read by
// read(), and taken out of it (taken.h) before it is made an object: beside a writer in another process, what was
// read counts only when the look at it has ended.
//
// Threads: what is attached changes only while the handle is entered; see StoreHandle.
#pragma once

#include <Python.h>

#include <atomic>
#include <memory>
#include <string>

#include "python/codec/codec.h"
#include "python/codec/support.h"
#include "python/core/decoded_cache.h"
#include "python/core/handle.h"
#include "python/core/writeback.h"
#include "python/kit/errors.h"
#include "python/kit/threads.h"
#include "store/store.h"

namespace pyr {

// How the objects of containers begin.
struct ContainerHead {
  PyObject_HEAD PyObject* weak_references;
};

// What a container keeps of the objects that it hands out.
struct Keeping {
  bool writeback = false;  // mutable ones, to write them back
  emd::u64 decoded = 0;    // at most so many, to hand them out again
};

class Container {
 public:
  // The scope of work on the structure: not within another of the same store. Errors: ClosedError, StateError.
  class Entered {
   public:
#ifdef Py_GIL_DISABLED
    explicit Entered(Container& container) : handle_(container.enter(handle_object_)) {}
    ~Entered() { handle_.leave(); }

   private:
    Ref handle_object_;  // another thread may close the container and open it elsewhere
    StoreHandle& handle_;

   public:
#else
    explicit Entered(Container& container) { container.enter(); }
#endif
    Entered(const Entered&) = delete;
    Entered& operator=(const Entered&) = delete;
  };

  // Holds the state of a store that another process may write, for a call of many steps; else does nothing.
  // Errors: as Entered; of the steps: SnapshotError.
  class Snapshot {
   public:
    explicit Snapshot(Container& container);
    ~Snapshot();
    Snapshot(const Snapshot&) = delete;
    Snapshot& operator=(const Snapshot&) = delete;

   private:
    Ref handle_object_;
    StoreHandle* handle_ = nullptr;  // null: nothing is held
  };

  explicit Container(PyObject* self) : self_(self) {}
  virtual ~Container();
  Container(const Container&) = delete;
  Container& operator=(const Container&) = delete;

  // Attaches to the member of the handle's store; detaches first. `handle_object` owns `handle`. False with an error
  // set. Errors by exception: those of StoreHandle::member, of the structure, of the store.
  bool attach(PyObject* handle_object, StoreHandle& handle, std::string_view name, emd::Kind kind,
              const Keeping& keeping);
  void detach() noexcept;
  // The same, for whoever has entered the handle.
  void let_go(Trash& trash) noexcept;
  // A compaction has exchanged what its regions hold. Within its step, by who has entered the handle.
  void note_exchange() noexcept { ++exchanges_; }
  // Whether there is a write-back cache, at this moment.
  bool keeps_objects() const { return cache_.on(); }
  // Whether it is attached at this moment; for more than that, enter.
  bool attached() const { return store_.load(std::memory_order_relaxed) != nullptr; }

  // Enters, and runs `work`, which reads the structure, on one committed state: again, from its beginning, where a
  // writer in another process has interfered (see emd::Store::look; live() tells). Errors: as Entered; those of `work`;
  // SnapshotError, LockedError.
  template <class Work>
  auto read(Work&& work) {
    const Entered entered(*this);
    return look(std::forward<Work>(work));
  }

  // The rest but the codec: precondition: entered.

  template <class Work>
  auto look(Work&& work) {
    return __builtin_expect(live(), 0) ? look_beside_writer(work) : work();
  }
  bool live() const { return store().live(); }
  // Whether scalars may be decoded while entered: what is read is not about to change, and no object is kept for it.
  bool decodes_at_once() const { return __builtin_expect(!live() && keeps_nothing_, 1); }
  // Whether there is neither a write-back cache nor one of decoded objects, at this moment.
  bool keeps_nothing() const { return keeps_nothing_; }
  // The same, and keys are what their bytes say: there is nothing to be done for a record but to decode it.
  bool gives_plainly() const { return gives_plainly_; }
  emd::Store& store() const { return *store_.load(std::memory_order_relaxed); }
  StoreHandle& handle() const { return *handle_.load(std::memory_order_relaxed); }
  // What owns the handle.
  Ref handle_object() const { return Ref::borrowed(handle_object_); }
  emd::u64 epoch() const { return handle().epoch(); }
  emd::u64 opening() const { return handle().opening(); }
  const emd::Member& member() const { return *member_; }
  const std::shared_ptr<emd::Member>& share_member() const { return member_; }
  WriteBack& cache() {
    if (__builtin_expect(cache_.on(), 0)) cache_.follow(stamp());
    return cache_;
  }
  DecodedCache& decoded() { return decoded_; }

  // A value that a read has copied: its name in the cache of decoded objects, and Store::changes() at that read.
  struct NamedValue {
    Bytes name, value;
    emd::u64 changes;
    DecodedCache::Place place;
  };
  // The object decoded before from the same bytes, or a new one, remembered: a new reference, or null with an error
  // set. Outside of a read.
  PyObject* shared_object(const NamedValue& read);

  Codec& codec() { return codec_; }
  PyObject* self() const { return self_; }

  int traverse(visitproc visit, void* arg);
  void clear();

 protected:
  // Opens and closes the structure on the member's regions.
  virtual void open_structure(emd::Store& store, emd::Member& member) = 0;
  virtual void close_structure(bool leak) noexcept = 0;
  // Whether what open_structure() lays out is there; a rollback may have taken it back.
  virtual bool laid_out() const { return true; }
  // Whether the write-back cache has places for names: a compaction moves what is there.
  virtual bool named_by_place() const { return false; }

 private:
  friend class StoreHandle;

#ifdef Py_GIL_DISABLED
  StoreHandle& enter(Ref& handle_object);
#else
  __attribute__((always_inline)) void enter() {
    if (__builtin_expect(!attached(), 0)) refuse();
    if (__builtin_expect(handle().needs_attention(), 0)) settle();
    store().require_readable();
  }
  void settle();
#endif
  [[noreturn]] void refuse();
  // The handle, which lives as long as the reference; null if there never was one.
  StoreHandle* share_handle(Ref& handle_object);
  void detach(Trash& trash);
  template <class Work>
  auto look_beside_writer(Work& work);
  // Another one when what was kept of the container is of another state.
  u64 stamp() const { return handle().rollbacks() + (named_by_place() ? exchanges_ : 0); }

  std::atomic<emd::Store*> store_ = nullptr;
  ObjectMutex opening_;          // one attach() at a time
  mutable ObjectMutex binding_;  // of the next two, which change together
  std::atomic<StoreHandle*> handle_ = nullptr;
  PyObject* handle_object_ = nullptr;
  std::shared_ptr<emd::Member> member_;
  Codec codec_;
  WriteBack cache_;
  DecodedCache decoded_;
  emd::u64 exchanges_ = 0;
  bool keeps_nothing_ = true;
  bool gives_plainly_ = true;
  PyObject* self_;
};

// A member that the writer has dropped is gone for good.
template <class Work>
__attribute__((noinline)) auto Container::look_beside_writer(Work& work) {
  handle().require_snapshot();
  try {
    return store().look(*member_, work);
  } catch (const emd::ClosedError&) {
    // What the cache of decoded objects holds is released with the container: here that would be while entered.
    Trash nothing;
    decoded_.set_aside();
    let_go(nothing);
    throw;
  }
}

}  // namespace pyr
