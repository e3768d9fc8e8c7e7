// Container: what all containers share: a member of an open store, a codec, caches of objects; and StructureContainer,
// one whose member holds a structure.
//
// It lives inside the Python object (boxed.h). It is attached (usable) or detached (closed, dropped, rolled back, or
// never opened); a detached one keeps its handle, to name the path in errors.
//
// Work on its structure happens in the scope of an EntryGuard, in which no Python code runs. What is read is read by
// read(), and taken out of it (extracted.h) before it is made an object: beside a writer in another process, what was
// read counts only when the read has ended.
//
// Threads: what is attached changes only while the handle is entered; see StoreHandle.
#pragma once

#include <Python.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "python/codec/codec.h"
#include "python/codec/support.h"
#include "python/core/decoded_cache.h"
#include "python/core/handle.h"
#include "python/core/writeback.h"
#include "python/kit/boxed.h"
#include "python/kit/threads.h"
#include "store/store.h"
#include "structures/open_as.h"
#include "structures/stats.h"

namespace pyr {

// What a container keeps of the objects that it hands out.
struct Keeping {
  bool writeback = false;  // mutable ones, to write them back
  emd::u64 decoded = 0;    // at most so many, to hand them out again
};

class Container {
 public:
  // The scope of work on the structure: not within another of the same store. Errors: ClosedError, StateError.
  class EntryGuard {
   public:
#ifdef Py_GIL_DISABLED
    explicit EntryGuard(Container& container) : handle_(container.enter(handle_object_)) {}
    ~EntryGuard() { handle_.leave(); }

   private:
    OwnedRef handle_object_;  // another thread may close the container and open it elsewhere
    StoreHandle& handle_;

   public:
#else
    explicit EntryGuard(Container& container) { container.enter(); }
#endif
    EntryGuard(const EntryGuard&) = delete;
    EntryGuard& operator=(const EntryGuard&) = delete;
  };

  // Holds the state of a store that another process may write, for a call of many steps; else does nothing.
  // Errors: as EntryGuard; of the steps: SnapshotError.
  class SnapshotGuard {
   public:
    explicit SnapshotGuard(Container& container);

   private:
    OwnedRef handle_object_;
    std::optional<StoreHandle::SnapshotGuard> held_;
  };

  static constexpr bool kWeakReferences = true;
  static constexpr unsigned long kFlags = Py_TPFLAGS_BASETYPE;

  explicit Container(PyObject* self) : self_(self) {}
  virtual ~Container();
  Container(const Container&) = delete;
  Container& operator=(const Container&) = delete;

  // Attaches to the member of the handle's store; detaches first. `handle_object` owns `handle`. False with an error
  // set. Errors by exception: those of StoreHandle::member, of the structure, of the store.
  bool attach(PyObject* handle_object, StoreHandle& handle, std::string_view name, const Keeping& keeping);
  void detach() noexcept;
  // The same, for whoever has entered the handle.
  void let_go(DeferredDecrefs& deferred) noexcept;
  // A compaction has exchanged what its regions hold. Within its step, by who has entered the handle.
  void note_exchange() noexcept { ++exchanges_; }
  // Whether there is a write-back cache, at this moment.
  bool keeps_objects() const { return cache_.on(); }
  // Whether it is attached at this moment; for more than that, enter.
  bool attached() const { return store_.load(std::memory_order_relaxed) != nullptr; }

  // Enters, and runs `work`, which reads the structure, on one committed state: again, from its beginning, where a
  // writer in another process has interfered (see emd::Store::read_consistent; live() tells). Errors: as EntryGuard;
  // those of `work`; SnapshotError, LockedError.
  template <class Work>
  auto read(Work&& work) {
    const EntryGuard entered(*this);
    return read_consistent(std::forward<Work>(work));
  }

  // A value that a read has copied: its name in the cache of decoded objects, and Store::changes() at that read.
  struct NamedValue {
    Bytes name, value;
    emd::u64 changes;
    DecodedCache::Admission admission;
  };
  // The object decoded before from the same bytes, or a new one, remembered: a new reference, or null with an error
  // set. Outside of a read.
  PyObject* shared_object(const NamedValue& read);

  Codec& codec() { return codec_; }
  PyObject* self() const { return self_; }

  virtual int traverse(visitproc visit, void* arg);
  void clear();

  // ---- Precondition: the caller has entered

  template <class Work>
  auto read_consistent(Work&& work) {
    return __builtin_expect(live(), 0) ? read_beside_writer(work) : work();
  }
  // Runs `work` as one operation of the store; a long one with the GIL released.
  template <class Work>
  decltype(auto) change(Work&& work) {
    const emd::Operation operation(store());
    return work();
  }
  template <class Work>
  void change(bool is_long, Work&& work) {
    is_long ? handle().run_long([&] { change(work); }) : static_cast<void>(change(work));
  }
  // As read_consistent(), a long one with the GIL released.
  template <class Work>
  auto read_long_if(bool is_long, Work&& work) {
    if (!is_long) return read_consistent(work);
    if (live()) handle().require_snapshot();
    if constexpr (std::is_void_v<decltype(work())>) {
      handle().run_long([&] { store().read_consistent(member(), work); });
    } else {
      std::optional<decltype(work())> result;
      handle().run_long([&] { result = store().read_consistent(member(), work); });
      return std::move(*result);
    }
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
  OwnedRef handle_object() const { return OwnedRef::borrowed(handle_object_); }
  emd::u64 epoch() const { return handle().epoch(); }
  emd::u64 opening() const { return handle().opening(); }
  const emd::Member& member() const { return *member_; }
  const std::shared_ptr<emd::Member>& share_member() const { return member_; }
  WriteBack& cache() {
    if (__builtin_expect(cache_.on(), 0)) cache_.follow(stamp());
    return cache_;
  }
  DecodedCache& decoded() { return decoded_; }

  // ---- What differs by the kind

  virtual emd::Kind kind() const = 0;
  // Parses what it is to hold: a tuple that the kind's Python class makes. It is called before attach(). Errors by
  // exception: std::invalid_argument.
  virtual void want(PyObject* /*wanted*/) {}
  // Writes back what was changed in objects that were handed out. A list of failures gets (key, error) of those that
  // cannot be encoded; false with another error set.
  virtual bool flush(PyObject* /*failures*/) { return true; }
  // After a rollback: objects that were handed out and are kept show at once what is stored now. What is stored does
  // not depend on it: who uses them finds it out. False with an error set.
  virtual bool show_anew() { return true; }
  // Whether it can have a cache of decoded objects.
  virtual bool can_share() const { return false; }
  // Precondition: within a read.
  virtual emd::MemberStats stats() = 0;

 protected:
  // Opens and closes the structure on the member's regions.
  virtual void open_structure(emd::Store& store, emd::Member& member) = 0;
  virtual void close_structure(bool leak) noexcept = 0;
  // Whether what open_structure() lays out is there; a rollback may have taken it back.
  virtual bool laid_out() const { return true; }
  // Whether the write-back cache has places for names: a compaction moves what is there.
  virtual bool named_by_place() const { return false; }
  // flush_entry(name, object) for all of the write-back cache, until one is false, with an error set.
  template <class FlushEntry>
  bool flush_kept(FlushEntry&& flush_entry);

 private:
  friend class StoreHandle;

#ifdef Py_GIL_DISABLED
  StoreHandle& enter(OwnedRef& handle_object);
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
  StoreHandle* share_handle(OwnedRef& handle_object);
  void detach(DeferredDecrefs& deferred);
  template <class Work>
  auto read_beside_writer(Work& work);
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

template <class FlushEntry>
bool Container::flush_kept(FlushEntry&& flush_entry) {
  if (!keeps_objects()) return true;
  OwnedRef entries;
  {
    const EntryGuard entered(*this);
    entries = cache().entries();
  }
  for (Py_ssize_t i = 0; entries && i < PyList_GET_SIZE(entries.get()); ++i) {
    PyObject* const entry = PyList_GET_ITEM(entries.get(), i);
    if (!flush_entry(PyTuple_GET_ITEM(entry, 0), PyTuple_GET_ITEM(entry, 1))) return false;
  }
  return static_cast<bool>(entries);
}

// A container of one structure, a class of structures/<kind>. `Base` is what kinds that are alike share.
template <class S, class Base = Container>
class StructureContainer : public Base {
 public:
  explicit StructureContainer(PyObject* self) noexcept : Base(self) {}
  ~StructureContainer() override { this->detach(); }

  emd::Kind kind() const override { return S::kKind; }
  emd::MemberStats stats() override {
    return emd::stats_of(*structure_, this->store().region_stats(this->member()));
  }

  // Precondition of all that follows: the caller has entered.

  S& structure() { return *structure_; }
  // For who lets Python code run, or others in, in between.
  const std::shared_ptr<S>& share() const { return structure_; }

 protected:
  void open_structure(emd::Store& store, emd::Member& member) override {
    structure_ = emd::open_as<S>(store, member, wanted_);
    opened();
  }
  void close_structure(bool leak) noexcept override {
    if (leak) {
      new std::shared_ptr<S>(std::move(structure_));  // never destroyed
    } else {
      structure_.reset();
    }
  }
  bool laid_out() const override {
    if constexpr (requires { structure_->laid_out(); }) return structure_->laid_out();
    return true;
  }
  // The structure is another one now.
  virtual void opened() {}

  typename S::OpenAs wanted_;

 private:
  std::shared_ptr<S> structure_;
};

// The container that the object is; null for other objects.
Container* container_at(PyObject* object);

using ContainerOf = Container* (*)(PyObject* object);
void note_container_type(PyTypeObject* type, ContainerOf container_of);

template <class C>
PyObject* new_container(PyTypeObject* type, PyObject*, PyObject*) {
  PyObject* const self = type->tp_alloc(type, 0);
  if (self) new (&unboxed<C>(self)) C(self);
  return self;
}
// Arguments are the business of the Python class.
inline int init_container(PyObject*, PyObject*, PyObject*) { return 0; }

// Makes the base type of a kind's Python class, with these methods and slots, and adds it to the module. False with an
// error set.
template <class C>
bool add_container_type(PyObject* module, PyMethodDef* methods, std::vector<PyType_Slot> slots) {
  slots.push_back({Py_tp_new, reinterpret_cast<void*>(&new_container<C>)});
  slots.push_back({Py_tp_init, reinterpret_cast<void*>(&init_container)});
  slots.push_back({Py_tp_methods, methods});
  if (!TypeOf<C>::add(module, std::move(slots))) return false;
  note_container_type(TypeOf<C>::get(), [](PyObject* object) -> Container* { return &unboxed<C>(object); });
  return true;
}

// A member that the writer has dropped is gone for good.
template <class Work>
__attribute__((noinline)) auto Container::read_beside_writer(Work& work) {
  handle().require_snapshot();
  try {
    return store().read_consistent(*member_, work);
  } catch (const emd::ClosedError&) {
    // What the cache of decoded objects holds is released with the container: here that would be while entered.
    DeferredDecrefs nothing;
    decoded_.set_aside();
    let_go(nothing);
    throw;
  }
}

}  // namespace pyr
