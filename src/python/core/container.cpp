// Container: entering, attaching to a member and detaching, and the object that a decoded value is shared as.
#include "python/core/container.h"

#include <optional>

#include "python/core/extracted.h"

namespace pyr {
namespace {

struct ContainerType {
  PyTypeObject* type;
  ContainerOf container_of;
};
std::vector<ContainerType> g_types;

}  // namespace

void note_container_type(PyTypeObject* type, ContainerOf container_of) {
  g_types.push_back({type, container_of});
}

Container* container_at(PyObject* object) {
  for (const ContainerType& known : g_types) {
    if (PyObject_TypeCheck(object, known.type)) return known.container_of(object);
  }
  return nullptr;
}

Container::~Container() {
  // The derived class detached already: the structure is its own.
  Py_CLEAR(handle_object_);
}

StoreHandle* Container::share_handle(OwnedRef& handle_object) {
  OwnedRef held;
  StoreHandle* handle = nullptr;
  {
    const MutexGuard hold(binding_);
    held = OwnedRef(Py_XNewRef(handle_object_));
    handle = handle_;
  }
  handle_object = std::move(held);
  return handle;
}

PyObject* Container::shared_object(const NamedValue& read) {
  if (decodes_in_place(read.value) || !attached()) return codec_.decode_value(read.value);
  DeferredDecrefs deferred;
  DecodedCache::Print print;
  {
    const EntryGuard entered(*this);
    print = decoded_.print(read.value);
    if (PyObject* const known = decoded_.find(read.name, print, read.changes)) return Py_NewRef(known);
  }
  OwnedRef object(codec_.decode_value(read.value));
  if (!object || !attached()) return object.release();  // decoding has closed it
  const EntryGuard entered(*this);
  decoded_.keep(read.name, print, read.changes, object.get(), read.admission, deferred);
  return object.release();
}

// ---- Entering

#ifdef Py_GIL_DISABLED

StoreHandle& Container::enter(OwnedRef& handle_object) {
  while (true) {
    StoreHandle* const handle = share_handle(handle_object);
    if (!handle) refuse();
    handle->enter();
    if (handle == handle_ && attached()) {
      try {
        store().require_readable();
      } catch (...) {
        handle->leave();
        throw;
      }
      return *handle;
    }
    handle->leave();
    if (handle == handle_) refuse();
  }
}

#else

void Container::settle() {
  OwnedRef handle_object;
  share_handle(handle_object)
      ->enter();  // where it waits, others may close the container and open it elsewhere
  if (!attached()) refuse();
}

#endif

void Container::refuse() {
  const char* const type = Py_TYPE(self_)->tp_name;
  OwnedRef handle_object;
  StoreHandle* const handle = share_handle(handle_object);
  if (!handle) {
    // What was unpickled, but could not be opened, says why.
    const OwnedRef opened(PyObject_CallMethod(self_, "_open_handle", nullptr));
    if (!opened) throw PythonError();
    throw emd::ClosedError(std::string(type) + " is not open");
  }
  if (handle->lost()) handle->enter();  // which says so
  if (handle->closed()) throw emd::ClosedError(std::string(type) + " '" + handle->path() + "' is closed");
  throw emd::ClosedError(std::string(type) + " in '" + handle->path() +
                         "' is closed, was dropped, or its creation was rolled back");
}

Container::SnapshotGuard::SnapshotGuard(Container& container) {
  if (StoreHandle* const handle = container.share_handle(handle_object_)) held_.emplace(*handle);
}

// ---- Attaching

bool Container::attach(PyObject* handle_object, StoreHandle& handle, std::string_view name,
                       const Keeping& keeping) {
  OwnedRef weak_reference(PyWeakref_NewRef(self_, nullptr));
  if (!weak_reference) return false;
  DeferredDecrefs deferred;
  const MutexGuard hold(opening_);
  detach(deferred);
  const StoreHandle::EntryGuard entered(handle);
  // A member that is made is laid out in the same operation: no commit falls between.
  emd::Store& store = handle.use();
  std::optional<emd::Operation> making;
  if (!store.read_only() && !store.find(name)) making.emplace(store);
  std::shared_ptr<emd::Member> member = handle.member(name, kind());
  if (Container* other = handle.container_of(*member)) other->let_go(deferred);
  // What a reader would keep could be old, and what it changed could not be written back.
  if (keeping.writeback && !store.read_only() && !cache_.start()) return false;
  decoded_.start(keeping.decoded, deferred);
  keeps_nothing_ = !cache_.on() && !decoded_.on();
  gives_plainly_ = keeps_nothing_ && !codec_.rebuilds_keys();
  store.acquire(*member);
  try {
    store.read_consistent(*member, [&] { open_structure(store, *member); });
  } catch (...) {
    store.release(*member);
    throw;
  }
  making.reset();
  {
    const MutexGuard both(binding_);
    deferred.emplace_back(std::exchange(handle_object_, Py_NewRef(handle_object)));
    handle_ = &handle;
  }
  member_ = std::move(member);
  handle.attach(*this, std::move(weak_reference));
  store_.store(&store, std::memory_order_relaxed);
  return true;
}

void Container::detach() noexcept {
  DeferredDecrefs deferred;
  detach(deferred);
}

void Container::detach(DeferredDecrefs& deferred) {
  OwnedRef handle_object;
  StoreHandle* const handle = share_handle(handle_object);
  if (!handle) return;
  if (handle->lost()) return let_go(deferred);
  const StoreHandle::LockGuard inside(*handle);
  if (handle == handle_) let_go(deferred);
}

void Container::let_go(DeferredDecrefs& deferred) noexcept {
  if (!attached()) return;
  emd::Store& released = store();
  store_.store(nullptr, std::memory_order_relaxed);
  const bool parents = handle().lost();  // then nothing of it is touched
  close_structure(parents);
  if (!parents) {
    try {
      released.release(*member_);
    } catch (const emd::Error&) {
      // The container is let go nevertheless; what is wrong with the store shows at its next use.
    }
  }
  handle().forget(*this, deferred);
  member_.reset();
  cache_.stop(deferred);
  decoded_.stop(deferred);
  keeps_nothing_ = true;
}

int Container::traverse(visitproc visit, void* arg) {
  Py_VISIT(handle_object_);
  int stopped = cache_.traverse(visit, arg);
  if (stopped == 0) stopped = decoded_.traverse(visit, arg);
  return stopped != 0 ? stopped : codec_.traverse(visit, arg);
}

void Container::clear() {
  cache_.clear();
  decoded_.clear();
  codec_.clear();
}

}  // namespace pyr
