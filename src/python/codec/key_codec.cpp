// The dispatch over types of keys. See key_codec.h.
#include "python/codec/key_codec.h"

namespace pyr {

namespace {

template <class Put>
bool at(Framing framing, Put put) {
  return framing == Framing::whole ? put.template operator()<Framing::whole>()
                                   : put.template operator()<Framing::nested>();
}

}  // namespace

bool encode_canonical(PyObject* key, Buffer& out, bool& natural) {
  KeyEncoder encoder(out);
  if (!encoder.put(key, Framing::whole)) return false;
  natural = encoder.natural();
  return true;
}

bool KeyEncoder::put(PyObject* object, Framing framing) {
  PyTypeObject* type = Py_TYPE(object);
  if (type == &PyLong_Type) return put_int(out_, object);
  if (type == &PyUnicode_Type) return at(framing, [&]<Framing F>() { return put_str<F>(out_, object); });
  if (type == &PyTuple_Type) return put_tuple(object);
  if (type == &PyFloat_Type) return put_real(PyFloat_AS_DOUBLE(object));
  if (type == &PyBytes_Type)
    return at(framing, [&]<Framing F>() { return put_bytes_object<F>(out_, object); });
  if (object == Py_None) return put_tag(out_, kNone);
  if (type == &PyBool_Type) {
    natural_ = false;
    return put_int64(out_, object == Py_True);
  }
  if (object == Py_Ellipsis) return put_tag(out_, kEllipsis);
  return put_other(object, framing);
}

bool KeyEncoder::check_hashable(PyObject* object) {
  return in_state_ || PyObject_Hash(object) != -1 || !PyErr_Occurred();
}

bool KeyEncoder::put_other(PyObject* object, Framing framing) {
  if (in_state_) {
    bool done = false;
    if (!put_state_container(object, done)) return false;
    if (done) return true;
  }
  PyTypeObject* type = Py_TYPE(object);
  const OwnedRef held =
      OwnedRef::borrowed(reinterpret_cast<PyObject*>(type));  // the object may be given another class
  TypeInfo* info = type_info(type);
  if (!info) return false;
  const KeyRule rule = info->rule;
  const bool given_back = type == &PyComplex_Type || type == &PyFrozenSet_Type || type == &PyRange_Type ||
                          rule == KeyRule::date || rule == KeyRule::datetime || rule == KeyRule::time ||
                          rule == KeyRule::timedelta || rule == KeyRule::uuid;  // these look for themselves
  if (!given_back) natural_ = false;
  return put_of_kind(object, *info, framing);
}

bool KeyEncoder::put_of_kind(PyObject* object, TypeInfo& info, Framing framing) {
  switch (info.rule) {
    case KeyRule::str:
      return at(framing, [&]<Framing F>() { return put_str<F>(out_, object); });
    case KeyRule::bytes:
      return at(framing, [&]<Framing F>() { return put_bytes_object<F>(out_, object); });
    case KeyRule::integer:
      return put_int(out_, object);
    case KeyRule::real:
      return put_real(PyFloat_AS_DOUBLE(object));
    case KeyRule::complex:
      return put_complex_number(reinterpret_cast<PyComplexObject*>(object)->cval);
    case KeyRule::tuple:
      return put_tuple(object);
    case KeyRule::frozen_set: {
      const OwnedRef items(PySequence_List(object));
      return items && put_unordered(kFrozenSet, items.get());
    }
    case KeyRule::range:
      return put_range(object);
    case KeyRule::decimal:
      return put_decimal(object);
    case KeyRule::fraction:
      return put_fraction(object);
    case KeyRule::numpy:
      return put_numpy(object, framing);
    case KeyRule::datetime:
      return put_datetime(object);
    case KeyRule::date:
      return put_date(object);
    case KeyRule::time:
      return put_time(object);
    case KeyRule::timedelta:
      return put_timedelta(object);
    case KeyRule::like_time:
      return put_like_plain_time(object, framing);
    case KeyRule::uuid:
      return put_uuid(object);
    case KeyRule::path:
      return put_path(object);
    case KeyRule::global:
      return check_hashable(object) && put_tag(out_, kGlobal) && put_qualified_name(object, out_);
    case KeyRule::enumeration:
    case KeyRule::flag:
      return check_hashable(object) && put_enum(object, info);
    case KeyRule::dataclass:
      return check_hashable(object) && put_dataclass(object, info);
    case KeyRule::reduced:
      break;
  }
  return check_hashable(object) && put_reduced(object);
}

}  // namespace pyr
