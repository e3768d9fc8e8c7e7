// The codec's decoders over any bytes, pickle refused: an object, or the error for damaged bytes. An object must
// survive being encoded and decoded again.
//
// The interpreter is embedded, and its memory comes from malloc, so that the sanitizer sees every object.
#include <Python.h>

#include <array>
#include <cstdio>
#include <cstdlib>

#include "input.h"
#include "oracle.h"
#include "python/codec/codec.h"
#include "python/codec/support.h"

namespace pyr::fuzz {
namespace {

using emd::fuzz::fail;
using emd::fuzz::Input;
using emd::fuzz::require;

PyObject* unpickling_error = nullptr;

void initialize_python() {
  ::setenv("PYTHONMALLOC", "malloc", 1);
  ::setenv("PYTHONHASHSEED", "0", 1);
  ::setenv("PYTHONDONTWRITEBYTECODE", "1", 1);
  Py_InitializeEx(0);
  damaged_error_type = PyErr_NewException("fuzz.DamagedError", nullptr, nullptr);
  require(imported(unpickling_error, "pickle", "UnpicklingError"), "pickle can be imported");
  // Decoding imports these when it first meets one; NumPy is not part of Python, and is fuzzed where it is there.
  for (const char* module : {"datetime", "uuid", "numpy"}) {
    if (OwnedRef(PyImport_ImportModule(module))) continue;
    PyErr_Clear();
    std::fprintf(stderr, "codec: %s is not there, its tags are not fuzzed\n", module);
  }
}

// One that knows no pickle.
Codec& codec() {
  static Codec* const instance = [] {
    initialize_python();
    auto* const made = new Codec;
    require(made->configure(nullptr, nullptr, /*allow_pickle=*/false, nullptr), "a codec can be configured");
    return made;
  }();
  return *instance;
}

// Damage, a pickle that is refused, or an array whose shape needs more memory than there is: nothing else.
void require_refusal() {
  require(PyErr_Occurred(), "what is not decoded sets an error");
  if (!PyErr_ExceptionMatches(damaged_error_type) && !PyErr_ExceptionMatches(unpickling_error)) {
    PyErr_Print();
    fail("an error of another type");
  }
  PyErr_Clear();
}

// Whether a == b, as Python says; false where that raises (arrays of several elements have no truth).
bool equal(PyObject* a, PyObject* b) {
  const int result = PyObject_RichCompareBool(a, b, Py_EQ);
  if (result < 0) PyErr_Clear();
  return result == 1;
}

std::string text_of(PyObject* object) {
  const OwnedRef text(PyObject_Repr(object));
  if (!text) PyErr_Clear();
  return text ? PyUnicode_AsUTF8(text.get()) : "?";
}

// How often each byte value comes: a set that holds a NaN is encoded in another order, and does not equal its copy.
std::array<std::size_t, 256> counts_of(Bytes bytes) {
  std::array<std::size_t, 256> counts{};
  for (const u8 byte : bytes) ++counts[byte];
  return counts;
}

// Bytes tell more than ==, which says nothing of NaN; == more than bytes, where the order of a set is not kept.
void require_same(PyObject* first, const Buffer& first_bytes, PyObject* second, const Buffer& second_bytes) {
  const Bytes a = first_bytes.bytes(), b = second_bytes.bytes();
  if (std::equal(a.begin(), a.end(), b.begin(), b.end()) || equal(first, second)) return;
  if (counts_of(a) == counts_of(b)) return;
  fail("encoded and decoded, " + text_of(first).substr(0, 500) + " is " + text_of(second).substr(0, 500));
}

void check_value(Bytes bytes) {
  const OwnedRef first(codec().decode_value(bytes));
  if (!first) return require_refusal();
  Buffer first_bytes, second_bytes;
  if (!codec().encode_value(first.get(), first_bytes)) {
    PyErr_Print();
    fail("a value that was decoded can be encoded");
  }
  const OwnedRef second(codec().decode_value(first_bytes.bytes()));
  require(static_cast<bool>(second), "a value that was encoded can be decoded");
  require(codec().encode_value(second.get(), second_bytes), "and encoded again");
  require_same(first.get(), first_bytes, second.get(), second_bytes);
}

void check_key(Bytes canonical, Bytes annex) {
  const OwnedRef first(codec().decode_key(canonical, annex));
  if (!first) return require_refusal();
  Buffer first_bytes, first_annex, second_bytes;
  if (!codec().encode_key(first.get(), first_bytes, &first_annex)) {
    // A tuple may hold what is no key.
    require(PyErr_ExceptionMatches(PyExc_TypeError), "an object that is no key gives TypeError");
    return PyErr_Clear();
  }
  const OwnedRef second(codec().decode_key(first_bytes.bytes(), first_annex.bytes()));
  require(static_cast<bool>(second), "a key that was encoded can be decoded");
  require(codec().encode_key(second.get(), second_bytes, nullptr), "and encoded again");
  const Bytes a = first_bytes.bytes(), b = second_bytes.bytes();
  require(std::equal(a.begin(), a.end(), b.begin(), b.end()), "a key keeps its canonical bytes");
}

void run(Input input) {
  const u8 mode = input.byte();
  if (mode % 4 < 2) return check_value(input.rest());
  const Bytes annex = input.bytes(mode % 4 == 2 ? 0 : input.byte());
  check_key(input.rest(), annex);
}

}  // namespace
}  // namespace pyr::fuzz

// The interpreter starts, and NumPy with it, before runs are timed.
extern "C" int LLVMFuzzerInitialize(int*, char***) {
  pyr::fuzz::codec();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const emd::u8* data, std::size_t size) {
  // A copy of just these bytes, so that reading behind them is noticed.
  const std::vector<emd::u8> bytes(data, data + size);
  pyr::fuzz::run(emd::fuzz::Input(bytes));
  return 0;
}
