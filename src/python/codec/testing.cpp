// See testing.h. Each call has a codec of its own, set up by the keywords pickler, unpickler, pickle and key.
#include "python/codec/testing.h"

#include "python/codec/codec.h"
#include "python/codec/ordered.h"

namespace pyr {

namespace {

PyObject* as_object(Bytes bytes) {
  return PyBytes_FromStringAndSize(reinterpret_cast<const char*>(bytes.data()),
                                   static_cast<Py_ssize_t>(bytes.size()));
}

Bytes as_bytes(const Py_buffer& view) {
  return {static_cast<const u8*>(view.buf), static_cast<std::size_t>(view.len)};
}

bool configure(Codec& codec, PyObject* keywords) {
  static const char* names[] = {"pickler", "unpickler", "pickle", "key", nullptr};
  PyObject *pickler = nullptr, *unpickler = nullptr, *key = nullptr;
  int allow_pickle = 1;
  PyObject* none = PyTuple_New(0);
  const bool ok = none && PyArg_ParseTupleAndKeywords(none, keywords, "|$OOpO", const_cast<char**>(names),
                                                      &pickler, &unpickler, &allow_pickle, &key);
  Py_XDECREF(none);
  return ok && codec.configure(pickler, unpickler, allow_pickle != 0, key);
}

PyObject* encode_value(PyObject*, PyObject* arguments, PyObject* keywords) {
  PyObject* value;
  Codec codec;
  Buffer out;
  if (!PyArg_ParseTuple(arguments, "O", &value) || !configure(codec, keywords)) return nullptr;
  return codec.encode_value(value, out) ? as_object(out.bytes()) : nullptr;
}

PyObject* decode_value(PyObject*, PyObject* arguments, PyObject* keywords) {
  Py_buffer bytes;
  Codec codec;
  if (!configure(codec, keywords) || !PyArg_ParseTuple(arguments, "y*", &bytes)) return nullptr;
  PyObject* value = codec.decode_value(as_bytes(bytes));
  PyBuffer_Release(&bytes);
  return value;
}

PyObject* encode_key(PyObject*, PyObject* arguments, PyObject* keywords) {
  PyObject* key;
  Codec codec;
  Buffer canonical, annex;
  if (!PyArg_ParseTuple(arguments, "O", &key) || !configure(codec, keywords)) return nullptr;
  if (!codec.encode_key(key, canonical, &annex)) return nullptr;
  return Py_BuildValue("NN", as_object(canonical.bytes()), as_object(annex.bytes()));
}

PyObject* encode_lookup(PyObject*, PyObject* arguments, PyObject* keywords) {
  PyObject* key;
  Codec codec;
  Buffer canonical;
  if (!PyArg_ParseTuple(arguments, "O", &key) || !configure(codec, keywords)) return nullptr;
  return codec.encode_key(key, canonical, nullptr) ? as_object(canonical.bytes()) : nullptr;
}

PyObject* decode_key(PyObject*, PyObject* arguments, PyObject* keywords) {
  Py_buffer canonical, annex;
  Codec codec;
  if (!configure(codec, keywords) || !PyArg_ParseTuple(arguments, "y*y*", &canonical, &annex)) return nullptr;
  PyObject* key = codec.decode_key(as_bytes(canonical), as_bytes(annex));
  PyBuffer_Release(&canonical);
  PyBuffer_Release(&annex);
  return key;
}

PyObject* encode_ordered_key(PyObject*, PyObject* arguments, PyObject* keywords) {
  PyObject* key;
  Codec codec;
  Buffer canonical, annex;
  if (!PyArg_ParseTuple(arguments, "O", &key) || !configure(codec, keywords)) return nullptr;
  if (!codec.encode_ordered_key(key, canonical, &annex)) return nullptr;
  return Py_BuildValue("NN", as_object(canonical.bytes()), as_object(annex.bytes()));
}

PyObject* decode_ordered_key(PyObject*, PyObject* arguments, PyObject* keywords) {
  Py_buffer canonical, annex;
  Codec codec;
  if (!configure(codec, keywords) || !PyArg_ParseTuple(arguments, "y*y*", &canonical, &annex)) return nullptr;
  PyObject* key = codec.decode_ordered_key(as_bytes(canonical), as_bytes(annex));
  PyBuffer_Release(&canonical);
  PyBuffer_Release(&annex);
  return key;
}

PyObject* comparable(PyObject*, PyObject* arguments, PyObject*) {
  Py_buffer a, b;
  if (!PyArg_ParseTuple(arguments, "y*y*", &a, &b)) return nullptr;
  const bool result = are_comparable(as_bytes(a), as_bytes(b));
  PyBuffer_Release(&a);
  PyBuffer_Release(&b);
  return PyBool_FromLong(result);
}

template <PyObject* (*kFunction)(PyObject*, PyObject*, PyObject*)>
PyMethodDef method(const char* name, const char* doc) {
  return {name, reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(kFunction)),
          METH_VARARGS | METH_KEYWORDS, doc};
}

}  // namespace

int add_codec_functions(PyObject* module) {
  static PyMethodDef functions[] = {
      method<encode_value>("_encode_value", "The bytes of a value."),
      method<decode_value>("_decode_value", "The value of bytes."),
      method<encode_key>("_encode_key", "The canonical bytes and the annex of a key."),
      method<encode_lookup>("_encode_lookup", "The canonical bytes of a key that is only looked up."),
      method<decode_key>("_decode_key", "The key of its canonical bytes and annex."),
      method<encode_ordered_key>("_encode_ordered_key",
                                 "The bytes in order and the annex of a key of a sorted container."),
      method<decode_ordered_key>("_decode_ordered_key", "That key."),
      method<comparable>("_comparable", "Whether Python compares the keys of these bytes."),
      {nullptr, nullptr, 0, nullptr},
  };
  return PyModule_AddFunctions(module, functions);
}

}  // namespace pyr
