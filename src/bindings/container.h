// Container: what EMDict and EMList share: a member of an open store, its codec, its write-back cache.
//
// It lives inside the Python object. It is attached (usable) or detached (closed, dropped, rolled back, or
// never opened); a detached one keeps its handle, to name the path in errors.
//
// Threads: guarded by the GIL; see StoreHandle.
#pragma once

#include <Python.h>

#include <memory>
#include <string>

#include "bindings/codec.h"
#include "bindings/codec_support.h"
#include "bindings/codec_tags.h"
#include "bindings/errors.h"
#include "bindings/handle.h"
#include "store/store.h"

namespace pyr {

// Whether these bytes stand for a scalar, whose decoding cannot run Python code (not even by way of the
// collector, since no scalar is tracked by it).
inline bool decodes_in_place(Bytes bytes) {
  return !bytes.empty() && bytes[0] <= kBigInt && bytes[0] != kRange;
}

// The commonest value, decoded without a call of the codec: an integer of one to seven bytes that is followed by
// nothing. (Zero and eight bytes go by the codec.)
inline bool is_small_int(Bytes bytes) {
  return bytes.size() >= 2 && bytes.size() <= 8 && bytes[0] == kInt + bytes.size() - 1;
}
inline PyObject* small_int(Bytes bytes) {
  u64 value = 0;
  const unsigned count = static_cast<unsigned>(bytes.size()) - 1;
  for (unsigned i = 0; i < count; ++i) value |= static_cast<u64>(bytes[1 + i]) << (8 * i);
  const unsigned unused = 64 - 8 * count;
  return PyLong_FromLongLong(static_cast<i64>(value << unused) >> unused);
}

// Appends to a buffer; false with MemoryError set.
inline bool append_bytes(Buffer& out, Bytes bytes) {
  u8* to = out.room(bytes.size());
  if (!to) return false;
  if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
  out.advance(bytes.size());
  return true;
}

// How the objects of containers begin.
struct ContainerHead {
  PyObject_HEAD PyObject* weak_references;
};

class Container {
 public:
  explicit Container(PyObject* self) : self_(self) {}
  virtual ~Container();
  Container(const Container&) = delete;
  Container& operator=(const Container&) = delete;

  // Before every use, outside of operations. Errors: ClosedError, StateError.
  void enter() {
    if (__builtin_expect(store_ == nullptr, 0)) refuse();
    if (__builtin_expect(handle_->needs_attention(), 0)) settle();
    store_->require_readable();
  }

  // Attaches to the member of the handle's store; detaches first. `handle_object` owns `handle`.
  void attach(PyObject* handle_object, StoreHandle& handle, std::string_view name, emd::Kind kind);
  void detach() noexcept;
  bool attached() const { return store_ != nullptr; }

  emd::Store& store() const { return *store_; }
  StoreHandle& handle() const { return *handle_; }
  emd::u64 epoch() const { return handle_->epoch(); }
  Codec& codec() { return codec_; }
  PyObject* self() const { return self_; }
  PyObject* handle_object() const { return handle_object_; }
  const emd::Member& member() const { return *member_; }
  const std::shared_ptr<emd::Member>& share_member() const { return member_; }

  // Decodes bytes that lie in the store. Decoding anything but a scalar may run Python code (an unpickler, a
  // finalizer that the collector calls), which may change or close the store: such bytes are copied first.
  PyObject* decode_value(Bytes bytes) {
    if (is_small_int(bytes)) return small_int(bytes);
    return decodes_in_place(bytes) ? codec_.decode_value(bytes) : decode_value_copy(bytes);
  }
  PyObject* decode_key(Bytes canonical, Bytes annex) {
    return annex.empty() && decodes_in_place(canonical) ? codec_.decode_key(canonical, annex)
                                                        : decode_key_copy(canonical, annex);
  }

  // The write-back cache (a dict), or null.
  PyObject* cache() const { return cache_; }
  void set_cache(PyObject* cache) { Py_XSETREF(cache_, Py_XNewRef(cache)); }

  int traverse(visitproc visit, void* arg);
  void clear();

 protected:
  // Opens and closes the structure on the member's regions.
  virtual void open_structure(emd::Store& store, emd::Member& member) = 0;
  virtual void close_structure(bool leak) noexcept = 0;

 private:
  [[noreturn]] void refuse() const;
  void settle();
  PyObject* decode_value_copy(Bytes bytes);
  PyObject* decode_key_copy(Bytes canonical, Bytes annex);

  emd::Store* store_ = nullptr;
  StoreHandle* handle_ = nullptr;
  Codec codec_;
  PyObject* cache_ = nullptr;
  PyObject* self_;
  PyObject* handle_object_ = nullptr;
  std::shared_ptr<emd::Member> member_;
};

// Whether a value can be changed in place, so that the write-back cache has to keep it.
bool is_mutable_value(PyObject* value);

}  // namespace pyr
