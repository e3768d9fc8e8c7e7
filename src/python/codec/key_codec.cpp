// The dispatch over types of keys. See key_codec.h.
#include "python/codec/key_codec.h"

namespace pyr {

namespace {

template <class Put>
bool at(Place place, Put put) {
  return place == Place::kWhole ? put.template operator()<Place::kWhole>()
                                : put.template operator()<Place::kNested>();
}

}  // namespace

bool encode_canonical(PyObject* key, Buffer& out, bool& natural) {
  KeyEncoder encoder(out);
  if (!encoder.put(key, Place::kWhole)) return false;
  natural = encoder.natural();
  return true;
}

bool KeyEncoder::put(PyObject* object, Place place) {
  PyTypeObject* type = Py_TYPE(object);
  if (type == &PyLong_Type) return put_int(out_, object);
  if (type == &PyUnicode_Type) return at(place, [&]<Place P>() { return put_str<P>(out_, object); });
  if (type == &PyTuple_Type) return put_tuple(object);
  if (type == &PyFloat_Type) return put_real(PyFloat_AS_DOUBLE(object));
  if (type == &PyBytes_Type) return at(place, [&]<Place P>() { return put_bytes_object<P>(out_, object); });
  if (object == Py_None) return put_tag(out_, kNone);
  if (type == &PyBool_Type) {
    natural_ = false;
    return put_int64(out_, object == Py_True);
  }
  if (object == Py_Ellipsis) return put_tag(out_, kEllipsis);
  return put_other(object, place);
}

bool KeyEncoder::check_hashable(PyObject* object) {
  return in_state_ || PyObject_Hash(object) != -1 || !PyErr_Occurred();
}

bool KeyEncoder::put_other(PyObject* object, Place place) {
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
  const KeyKind kind = info->kind;
  const bool given_back = type == &PyComplex_Type || type == &PyFrozenSet_Type || type == &PyRange_Type ||
                          kind == KeyKind::kDate || kind == KeyKind::kDateTime || kind == KeyKind::kTime ||
                          kind == KeyKind::kTimeDelta || kind == KeyKind::kUuid;  // these look for themselves
  if (!given_back) natural_ = false;
  return put_of_kind(object, *info, place);
}

bool KeyEncoder::put_of_kind(PyObject* object, TypeInfo& info, Place place) {
  switch (info.kind) {
    case KeyKind::kStr:
      return at(place, [&]<Place P>() { return put_str<P>(out_, object); });
    case KeyKind::kBytes:
      return at(place, [&]<Place P>() { return put_bytes_object<P>(out_, object); });
    case KeyKind::kInt:
      return put_int(out_, object);
    case KeyKind::kFloat:
      return put_real(PyFloat_AS_DOUBLE(object));
    case KeyKind::kComplex:
      return put_complex_number(reinterpret_cast<PyComplexObject*>(object)->cval);
    case KeyKind::kTuple:
      return put_tuple(object);
    case KeyKind::kFrozenSet: {
      const OwnedRef items(PySequence_List(object));
      return items && put_unordered(kFrozenSet, items.get());
    }
    case KeyKind::kRange:
      return put_range(object);
    case KeyKind::kDecimal:
      return put_decimal(object);
    case KeyKind::kFraction:
      return put_fraction(object);
    case KeyKind::kNumpy:
      return put_numpy(object, place);
    case KeyKind::kDateTime:
      return put_datetime(object);
    case KeyKind::kDate:
      return put_date(object);
    case KeyKind::kTime:
      return put_time(object);
    case KeyKind::kTimeDelta:
      return put_timedelta(object);
    case KeyKind::kLikeTime:
      return put_like_plain_time(object, place);
    case KeyKind::kUuid:
      return put_uuid(object);
    case KeyKind::kPath:
      return put_path(object);
    case KeyKind::kGlobal:
      return check_hashable(object) && put_tag(out_, kGlobal) && put_qualified_name(object, out_);
    case KeyKind::kEnum:
    case KeyKind::kFlag:
      return check_hashable(object) && put_enum(object, info);
    case KeyKind::kDataclass:
      return check_hashable(object) && put_dataclass(object, info);
    case KeyKind::kReduced:
      break;
  }
  return check_hashable(object) && put_reduced(object);
}

}  // namespace pyr
