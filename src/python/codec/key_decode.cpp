// Decoding of the objects that only keys have, where their canonical bytes alone give them back. See value_codec.h.
#include "python/codec/key_time.h"
#include "python/codec/support.h"

namespace pyr {

namespace {

PyObject* read_uuid(Reader& reader) {
  static PyObject* type = nullptr;
  const u8* from = reader.take(16);
  if (!from) return damaged("damaged UUID: its bytes end early");
  if (!imported(type, "uuid", "UUID")) return nullptr;
  const OwnedRef none(PyTuple_New(0));
  const OwnedRef bytes(PyBytes_FromStringAndSize(reinterpret_cast<const char*>(from), 16));
  const OwnedRef keywords(bytes ? Py_BuildValue("{s:O}", "bytes", bytes.get()) : nullptr);
  return none && keywords ? PyObject_Call(type, none.get(), keywords.get()) : nullptr;
}

}  // namespace

PyObject* read_key_object(Reader& reader, u8 tag) {
  switch (tag) {
    case kDate:
    case kDateTime:
    case kTime:
    case kTimeDelta:
      return read_plain_time(reader, tag);
    case kUuid:
      return read_uuid(reader);
    default:
      return damaged("damaged key: the tag 0x%x needs an annex", tag);
  }
}

}  // namespace pyr
