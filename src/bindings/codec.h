// Codec: Python objects to bytes and back. The only place that knows both.
//
// Two encodings (docs/keys.md, docs/format.md):
//  - values: tagged and versioned; natural types natively, all else by pickle protocol 5;
//  - keys: canonical, so that equal keys have equal bytes, in any process and under any PYTHONHASHSEED, plus an annex that
//    gives the very key back when the canonical bytes alone would not.
//
// Threads: call with the GIL held.
#pragma once

#include <Python.h>

#include <cstddef>
#include <vector>

#include "base/bytes.h"

namespace pyr {

using emd::Bytes;
using emd::u64;
using emd::u8;

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

 private:
  bool grow(std::size_t n);
  static constexpr std::size_t kInline = 256;
  u8 inline_[kInline];
  u8* data_ = inline_;
  std::size_t size_ = 0;
  std::size_t capacity_ = kInline;
};

// How one container encodes. Holds references to the user's pickler and unpickler.
class Codec {
 public:
  Codec() = default;
  Codec(const Codec&) = delete;
  Codec& operator=(const Codec&) = delete;
  ~Codec();

  // `pickler` has .pickle(obj) -> bytes, `unpickler` .unpickle(bytes) -> obj; null: the pickle module,
  // protocol 5. `key` is a function to the canonical form of keys, or null. Returns false with an error set.
  bool configure(PyObject* pickler, PyObject* unpickler, bool allow_pickle, PyObject* key);
  int traverse(visitproc visit, void* arg);
  void clear();

  // Appends the encoding of `value`. Returns false with an error set (the buffer's tail is then
  // unspecified). May run Python code (a __reduce__, a pickler).
  bool encode_value(PyObject* value, Buffer& out);
  // A new reference, or null with an error set: DamagedError for bytes that no encoder wrote,
  // pickle.UnpicklingError for a pickle where pickle=False. May run Python code only for pickles.
  PyObject* decode_value(Bytes bytes);

  // Appends the canonical bytes of `key` to `canonical`, and its annex (empty if the canonical bytes give the key
  // back) to `annex`. TypeError if it is unhashable. Whatever hash(key) raises is raised.
  bool encode_key(PyObject* key, Buffer& canonical, Buffer& annex);
  PyObject* decode_key(Bytes canonical, Bytes annex);

 private:
  PyObject* pickler_ = nullptr;
  PyObject* unpickler_ = nullptr;
  PyObject* key_ = nullptr;
  bool allow_pickle_ = true;
};

}  // namespace pyr
