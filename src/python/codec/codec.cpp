// Codec and Buffer: what is native goes to value_codec and key_codec, all else to pickle. See codec.h.
#include "python/codec/codec.h"

#include <cstdlib>
#include <cstring>
#include <new>

#include "python/codec/atoms.h"
#include "python/codec/key_codec.h"
#include "python/codec/ordered.h"
#include "python/codec/support.h"
#include "python/codec/value_codec.h"

namespace pyr {

namespace {

thread_local unsigned t_storing = 0;

class Storing {
 public:
  Storing() { ++t_storing; }
  ~Storing() { --t_storing; }
};

constexpr const char* kPickleRefused =
    "only pickle can store an object of this type, and this container was opened with pickle=False; store "
    "its parts (None, bool, int, float, complex, str, bytes and tuples, lists, dicts and sets of them), or "
    "give pickler= and unpickler=";

constexpr const char* kUnpicklableKey =
    "cannot be a key, since pickle cannot store it so that it is found again; give key= (a function to an "
    "equivalent key, or a pair of that and of the function back, which stores no original)";

PyObject* unpickling_error(const char* what) {
  static PyObject* type = nullptr;
  if (imported(type, "pickle", "UnpicklingError")) PyErr_SetString(type, what);
  return nullptr;
}

// pickle.dumps(value, 5), whose result is bytes.
PyObject* pickle_dumps(PyObject* value) {
  static PyObject* dumps = nullptr;
  static PyObject* protocol = PyLong_FromLong(5);
  if (!protocol || !imported(dumps, "pickle", "dumps")) return nullptr;
  return PyObject_CallFunctionObjArgs(dumps, value, protocol, nullptr);
}

// The method `name` of a user's object; null with TypeError set.
OwnedRef bound_method(PyObject* object, const char* parameter, const char* name) {
  OwnedRef method(PyObject_GetAttrString(object, name));
  if (method && PyCallable_Check(method.get())) return method;
  if (method || PyErr_ExceptionMatches(PyExc_AttributeError)) {
    PyErr_Clear();
    PyErr_Format(PyExc_TypeError, "%s= must have a method .%s(), but %R has none", parameter, name,
                 Py_TYPE(object));
  }
  return OwnedRef();
}

bool given(PyObject* object) { return object && object != Py_None; }

// What key= may be: a function, or a pair of one and of the way back.
bool is_pair(PyObject* key) { return PyTuple_Check(key) && PyTuple_GET_SIZE(key) == 2; }
PyObject* to_form(PyObject* key) { return is_pair(key) ? PyTuple_GET_ITEM(key, 0) : key; }
PyObject* from_form(PyObject* key) { return is_pair(key) ? PyTuple_GET_ITEM(key, 1) : Py_None; }

bool check_key(PyObject* key) {
  if (PyCallable_Check(to_form(key)) && (from_form(key) == Py_None || PyCallable_Check(from_form(key))))
    return true;
  PyErr_Format(PyExc_TypeError,
               "key= must be a function, or a pair of one and of the function back (or None), not %R",
               is_pair(key) ? key : reinterpret_cast<PyObject*>(Py_TYPE(key)));
  return false;
}

// An annex holds the key, or its form, as a value: what pickle cannot take apart or find again is no key.
bool is_unpicklable() {
  static PyObject* pickling_error = nullptr;
  const PendingErrorGuard error;
  if (if_imported(pickling_error, "pickle", "PicklingError") && error.matches(pickling_error)) return true;
  if (!error.matches(PyExc_AttributeError)) return false;
  const OwnedRef text(
      PyObject_Str(error.exception()));  // "Can't pickle local object ...", before Python 3.13
  const char* const message = text ? PyUnicode_AsUTF8(text.get()) : nullptr;
  if (!message) PyErr_Clear();
  return message && std::strncmp(message, "Can't ", 6) == 0;
}

}  // namespace

bool is_storing() { return t_storing != 0; }

Buffer::~Buffer() {
  if (data_ != inline_) std::free(data_);
}

bool Buffer::grow(std::size_t n) {
  const std::size_t needed = size_ + n;
  const std::size_t capacity = needed > 2 * capacity_ ? needed : 2 * capacity_;
  void* moved = needed < n ? nullptr : std::realloc(data_ == inline_ ? nullptr : data_, capacity);
  if (!moved) {
    PyErr_NoMemory();
    return false;
  }
  if (data_ == inline_) std::memcpy(moved, inline_, size_);
  data_ = static_cast<u8*>(moved);
  capacity_ = capacity;
  return true;
}

bool Codec::configure(PyObject* pickler, PyObject* unpickler, bool allow_pickle, PyObject* key) {
  OwnedRef pickle, unpickle;
  if (given(pickler) && !(pickle = bound_method(pickler, "pickler", "pickle"))) return false;
  if (given(unpickler) && !(unpickle = bound_method(unpickler, "unpickler", "unpickle"))) return false;
  if (given(key) && !check_key(key)) return false;
  pickle_.exchange(std::move(pickle));
  unpickle_.exchange(std::move(unpickle));
  key_.exchange(given(key) ? OwnedRef::borrowed(key) : OwnedRef());
  rebuilds_keys_ = given(key) && from_form(key) != Py_None;
  allow_pickle_ = allow_pickle;
  return true;
}

int Codec::traverse(visitproc visit, void* arg) {
  for (const SharedRef* part : {&pickle_, &unpickle_, &key_}) {
    if (const int stopped = part->traverse(visit, arg)) return stopped;
  }
  return 0;
}

void Codec::clear() {
  for (SharedRef* part : {&pickle_, &unpickle_, &key_}) part->exchange(OwnedRef());
}

bool Codec::encode_value(PyObject* value, Buffer& out) {
  PyTypeObject* type = Py_TYPE(value);
  if (type == &PyLong_Type) return put_int(out, value);
  if (type == &PyUnicode_Type) return put_str<Framing::whole>(out, value);
  if (type == &PyFloat_Type) return put_double(out, PyFloat_AS_DOUBLE(value));
  if (type == &PyBytes_Type) return put_bytes_object<Framing::whole>(out, value);
  if (value == Py_None) return put_tag(out, kNone);
  const std::size_t start = out.size();
  try {
    const Nesting nesting = allow_pickle_ || !pickle_.empty() ? Nesting::flat : Nesting::trees;
    const Encoded result = encode_native(value, nesting, out);
    if (result != Encoded::foreign) return result == Encoded::yes;
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
    return false;
  }
  out.truncate(start);
  return encode_pickled(value, out);
}

bool Codec::encode_pickled(PyObject* value, Buffer& out) {
  const OwnedRef pickle = pickle_.get();
  if (!pickle && !allow_pickle_) {
    PyErr_Format(PyExc_TypeError, "%R: %s", Py_TYPE(value), kPickleRefused);
    return false;
  }
  const Storing storing;
  const OwnedRef pickled(pickle ? PyObject_CallOneArg(pickle.get(), value) : pickle_dumps(value));
  if (!pickled) return false;
  if (!PyBytes_Check(pickled.get())) {
    PyErr_Format(PyExc_TypeError, "pickler.pickle() must return bytes, not %R", Py_TYPE(pickled.get()));
    return false;
  }
  return put_bytes<Framing::whole>(out, pickle ? kUserPickle : kPickle, PyBytes_AS_STRING(pickled.get()),
                                   static_cast<std::size_t>(PyBytes_GET_SIZE(pickled.get())));
}

PyObject* Codec::decode_value(Bytes bytes) {
  if (!bytes.empty() && (bytes[0] == kPickle || bytes[0] == kUserPickle)) return decode_pickled(bytes);
  return decode_native(bytes, Grammar::value);
}

// Copies the bytes: unpickling runs Python code, which may write to the store that they lie in.
PyObject* Codec::decode_pickled(Bytes bytes) {
  static PyObject* loads = nullptr;
  const bool users = bytes[0] == kUserPickle;
  const OwnedRef unpickle = users || !allow_pickle_ ? unpickle_.get() : OwnedRef();
  if (users && !unpickle)
    return unpickling_error(
        "this was written through a pickler=: open the container with the unpickler= that belongs to it");
  // With pickle=False the user's own unpickler, if there is one, may still read it: that is how it is restricted.
  const bool own = users || unpickle;
  if (!own && !allow_pickle_)
    return unpickling_error("this is a pickle, and the container was opened with pickle=False");
  PyObject* const function = own ? unpickle.get() : imported(loads, "pickle", "loads");
  if (!function) return nullptr;
  const OwnedRef copy(PyBytes_FromStringAndSize(reinterpret_cast<const char*>(bytes.data()) + 1,
                                                static_cast<Py_ssize_t>(bytes.size()) - 1));
  return copy ? PyObject_CallOneArg(function, copy.get()) : nullptr;
}

bool Codec::encode_key(PyObject* key, Buffer& canonical, Buffer* annex) {
  if (__builtin_expect(key_.empty(), 1)) {
    PyTypeObject* type = Py_TYPE(key);
    if (type == &PyLong_Type) return put_int(canonical, key);
    if (type == &PyUnicode_Type) return put_str<Framing::whole>(canonical, key);
    if (type == &PyBytes_Type) return put_bytes_object<Framing::whole>(canonical, key);
  }
  try {
    return encode_any_key(key, canonical, annex, false);
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
    return false;
  }
}

bool Codec::encode_any_key(PyObject* key, Buffer& canonical, Buffer* annex, bool ordered) {
  const OwnedRef how = key_.get();
  OwnedRef form = how ? OwnedRef(PyObject_CallOneArg(to_form(how.get()), key)) : OwnedRef::borrowed(key);
  if (!form) return false;
  bool natural = true;
  const bool encoded = ordered ? encode_ordered(form.get(), canonical, natural)
                               : encode_canonical(form.get(), canonical, natural);
  if (!encoded) return false;
  PyObject* const kept = how && is_pair(how.get()) ? form.get() : key;
  if (!annex || (natural && kept == form.get()) || encode_value(kept, *annex)) return true;
  if (is_unpicklable()) raise_from(PyExc_TypeError, kUnpicklableKey, kept);
  return false;
}

bool Codec::encode_ordered_key(PyObject* key, Buffer& canonical, Buffer* annex) {
  if (__builtin_expect(key_.empty(), 1) && PyLong_CheckExact(key)) {
    bool natural = true;
    return encode_ordered(key, canonical, natural);
  }
  try {
    return encode_any_key(key, canonical, annex, true);
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
    return false;
  }
}

PyObject* Codec::decode_ordered_key(Bytes canonical, Bytes annex) {
  try {
    PyObject* const key = annex.empty() ? decode_ordered(canonical) : decode_value(annex);
    return __builtin_expect(rebuilds_keys(), 0) ? rebuilt_key(key) : key;
  } catch (const std::bad_alloc&) {
    return PyErr_NoMemory();
  }
}

PyObject* Codec::rebuilt_key(PyObject* form) {
  const OwnedRef held(form);
  const OwnedRef how = form ? key_.get() : OwnedRef();
  if (!how || from_form(how.get()) == Py_None) return Py_XNewRef(form);
  return PyObject_CallOneArg(from_form(how.get()), form);
}

PyObject* Codec::decode_key(Bytes canonical, Bytes annex) {
  PyObject* const key = annex.empty() ? decode_native(canonical, Grammar::key) : decode_value(annex);
  return __builtin_expect(rebuilds_keys(), 0) ? rebuilt_key(key) : key;
}

}  // namespace pyr
