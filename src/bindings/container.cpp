#include "bindings/container.h"

namespace pyr {

Container::~Container() {
  // The derived class detached already: the structure is its own.
  clear();
  Py_CLEAR(handle_object_);
}

void Container::attach(PyObject* handle_object, StoreHandle& handle, std::string_view name, emd::Kind kind) {
  detach();
  std::shared_ptr<emd::Member> member = handle.member(name, kind);
  if (Container* other = handle.container_of(*member)) other->detach();
  emd::Store& store = handle.use();
  store.acquire(*member);
  try {
    open_structure(store, *member);
  } catch (...) {
    store.release(*member);
    throw;
  }
  Py_XSETREF(handle_object_, Py_NewRef(handle_object));
  handle_ = &handle;
  member_ = std::move(member);
  store_ = &store;
  handle.attach(*this);
}

void Container::detach() noexcept {
  if (!store_) return;
  emd::Store& store = *store_;
  if (handle_->forked()) {
    // The parent's store: nothing of it is touched.
    store_ = nullptr;
    close_structure(true);
  } else {
    handle_->wait_while_busy();
    if (!store_) return;
    store_ = nullptr;
    close_structure(false);
    try {
      store.release(*member_);
    } catch (const emd::Error&) {
      // The container is let go nevertheless; what is wrong with the store shows at its next use.
    }
  }
  handle_->forget(*this);
  member_.reset();
  Py_CLEAR(cache_);
}

void Container::settle() {
  handle_->enter();
  if (!store_) refuse();
}

void Container::refuse() const {
  const char* type = Py_TYPE(self_)->tp_name;
  if (!handle_) throw emd::ClosedError(std::string(type) + " is not open");
  if (handle_->forked()) {
    throw emd::StateError("the store '" + handle_->path() + "' was opened before a fork: open it again");
  }
  if (handle_->closed()) throw emd::ClosedError(std::string(type) + " '" + handle_->path() + "' is closed");
  throw emd::ClosedError(std::string(type) + " in '" + handle_->path() +
                         "' is closed, was dropped, or its creation was rolled back");
}

PyObject* Container::decode_value_copy(Bytes bytes) {
  Buffer copy;
  return append_bytes(copy, bytes) ? codec_.decode_value(copy.bytes()) : nullptr;
}

PyObject* Container::decode_key_copy(Bytes canonical, Bytes annex) {
  Buffer copy;
  if (!append_bytes(copy, canonical) || !append_bytes(copy, annex)) return nullptr;
  const Bytes both = copy.bytes();
  return codec_.decode_key(both.first(canonical.size()), both.subspan(canonical.size()));
}

int Container::traverse(visitproc visit, void* arg) {
  Py_VISIT(cache_);
  Py_VISIT(handle_object_);
  return codec_.traverse(visit, arg);
}

void Container::clear() {
  Py_CLEAR(cache_);
  codec_.clear();
}

bool is_mutable_value(PyObject* value) {
  return !(value == Py_None || PyBool_Check(value) || PyLong_CheckExact(value) || PyFloat_CheckExact(value) ||
           PyUnicode_CheckExact(value) || PyBytes_CheckExact(value) || PyComplex_CheckExact(value));
}

}  // namespace pyr
