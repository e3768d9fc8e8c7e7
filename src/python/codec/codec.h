// Codec: Python objects to bytes and back. The only place that knows both.
//
// Two encodings (docs/format.md, docs/keys.md):
//  - values: tagged; natural types natively, all else by pickle protocol 5;
//  - keys: canonical, so that equal keys have equal bytes, in any process and under any PYTHONHASHSEED, plus an annex
//    that gives the very key back when the canonical bytes alone would not.
//
// Threads: call with the GIL held, or attached where there is none. A Codec may be used by several at once.
#pragma once

#include <Python.h>

#include <cstddef>

#include "base/bytes.h"
#include "python/kit/threads.h"

namespace pyr {

using emd::Bytes;
using emd::i64;
using emd::u64;
using emd::u8;

// What decoding raises for bytes that no encoder wrote. The module sets it when it is initialized; null
// means ValueError.
extern PyObject* damaged_error_type;

// An output buffer with room for small things inline; reused between operations.
class Buffer {
 public:
  Buffer() = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer();
  void clear() { size_ = 0; }
  u8* data() { return data_; }
  std::size_t size() const { return size_; }
  Bytes bytes() const { return {data_, size_}; }
  // Room for n more bytes; returns where they start; null with MemoryError set. Follow with advance(n).
  u8* room(std::size_t n) {
    if (__builtin_expect(n > capacity_ - size_, 0) && !grow(n)) return nullptr;
    return data_ + size_;
  }
  void advance(std::size_t n) { size_ += n; }
  // Forgets all beyond the first `size` bytes.
  void truncate(std::size_t size) { size_ = size; }
  std::size_t capacity() const { return capacity_; }

 private:
  bool grow(std::size_t n);
  static constexpr std::size_t kInline = 256;
  u8 inline_[kInline];
  u8* data_ = inline_;
  std::size_t size_ = 0;
  std::size_t capacity_ = kInline;
};

// Whether this thread is pickling what a container will store. A container that is part of that is stored as a copy of
// what it holds, not as the place where it lies.
bool is_storing();

// How one container encodes. Holds references to the user's pickler and unpickler.
class Codec {
 public:
  Codec() = default;
  Codec(const Codec&) = delete;
  Codec& operator=(const Codec&) = delete;

  // `pickler` has .pickle(obj) -> bytes, `unpickler` .unpickle(bytes) -> obj; null or None: the pickle
  // module, protocol 5. `allow_pickle` speaks of that module alone: a user's own pickler is the user's word.
  // `key` is a function to an equivalent form of keys, by which they are found; or a pair of that and of a function
  // from the form to the key, or None if keys are to be given as their forms: then no originals are kept; or null or
  // None.
  // Errors: TypeError, with what was configured before left as it was.
  bool configure(PyObject* pickler, PyObject* unpickler, bool allow_pickle, PyObject* key);
  int traverse(visitproc visit, void* arg);
  void clear();

  // Appends the encoding of `value`. Returns false with an error set (the buffer's tail is then
  // unspecified). May run Python code (a __reduce__, a pickler), but none for natural types.
  bool encode_value(PyObject* value, Buffer& out);
  // A new reference, or null with an error set: DamagedError for bytes that no encoder wrote,
  // pickle.UnpicklingError for a pickle where pickle=False. Runs Python code only for pickles and NumPy.
  PyObject* decode_value(Bytes bytes);

  // Appends the canonical bytes of `key` to `canonical`, and to `annex`, unless that is null (as for a look-up), what
  // is needed to give the very key back: nothing where the canonical bytes do.
  // Errors: TypeError if it is unhashable or cannot be reduced; whatever hash(key) raises. May run Python code.
  bool encode_key(PyObject* key, Buffer& canonical, Buffer* annex);
  // A new reference, or null with an error set, as decode_value; where keys are rebuilt, runs Python code for any.
  PyObject* decode_key(Bytes canonical, Bytes annex);
  // The same for the keys of sorted containers, whose canonical bytes are in the objects' order (ordered.h). Errors: also
  // ValueError for NaN.
  bool encode_ordered_key(PyObject* key, Buffer& canonical, Buffer* annex);
  PyObject* decode_ordered_key(Bytes canonical, Bytes annex);
  // Whether key= was given: then encoding a key runs the caller's code.
  bool has_key_function() const { return !key_.empty(); }
  // Whether a key is what a function makes of what its bytes say.
  bool rebuilds_keys() const { return rebuilds_keys_.load(std::memory_order_relaxed); }
  // That of a key decoded from its bytes, taking the reference; null, also for null, with an error set.
  PyObject* rebuilt_key(PyObject* form);

 private:
  bool encode_pickled(PyObject* value, Buffer& out);
  PyObject* decode_pickled(Bytes bytes);
  bool encode_any_key(PyObject* key, Buffer& canonical, Buffer* annex, bool ordered);

  SharedRef pickle_;    // the bound method pickler.pickle
  SharedRef unpickle_;  // the bound method unpickler.unpickle
  SharedRef key_;       // as configured
  std::atomic<bool> rebuilds_keys_ = false;
  std::atomic<bool> allow_pickle_ = true;
};

}  // namespace pyr
