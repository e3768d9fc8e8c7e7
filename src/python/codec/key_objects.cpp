// Containers and objects as keys: by their parts. See key_codec.h and docs/keys.md.
//
// Parts are Python code's own business (a __reduce_ex__, a property): whatever can change meanwhile is first copied
// into a tuple or list that nobody else has.
#include <algorithm>
#include <cstring>
#include <string>

#include "python/codec/key_codec.h"

namespace pyr {

namespace {

constexpr const char* kIrreducible =
    "cannot be a key: it has no canonical form, since pickle cannot take it apart; give key= (a function to "
    "an equivalent key)";

// copyreg's function for the type, where pickle would ask it first (re.Pattern, unions). Borrowed, or null.
PyObject* registered_reducer(PyTypeObject* type) {
  static PyObject* table = nullptr;
  if (!imported(table, "copyreg", "dispatch_table") || !PyDict_Check(table)) return nullptr;
  return PyDict_GetItemWithError(table, reinterpret_cast<PyObject*>(type));
}

// Whether the error that is set is how pickle says that it cannot take an object apart.
bool is_irreducible() {
  static PyObject* pickling_error = nullptr;
  const PendingErrorGuard error;
  return error.matches(PyExc_TypeError) ||
         (if_imported(pickling_error, "pickle", "PicklingError") && error.matches(pickling_error));
}

OwnedRef reduce(PyObject* object) {
  OwnedRef reducer = OwnedRef::borrowed(registered_reducer(Py_TYPE(object)));
  if (!reducer && PyErr_Occurred()) return OwnedRef();
  OwnedRef reduced(reducer ? PyObject_CallOneArg(reducer.get(), object)
                           : PyObject_CallMethod(object, "__reduce_ex__", "i", 4));
  if (!reduced && is_irreducible()) raise_from(PyExc_TypeError, kIrreducible, object);
  return reduced;
}

// The module in which pickle would look for a global of this name: the object's own word, else where it is found.
OwnedRef module_of(PyObject* object, PyObject* name) {
  static PyObject* which = nullptr;
  if (!imported(which, "pickle", "whichmodule")) return OwnedRef();
  return OwnedRef(PyObject_CallFunctionObjArgs(which, object, name, nullptr));
}

// Item `i` of a tuple, or null where it is missing or None.
PyObject* present(PyObject* tuple, Py_ssize_t i) {
  PyObject* item = i < PyTuple_GET_SIZE(tuple) ? PyTuple_GET_ITEM(tuple, i) : nullptr;
  return item == Py_None ? nullptr : item;
}

}  // namespace

// Bounds the nesting and finds cycles. A cycle passes through something other than a tuple, so tuples, the commonest
// composites, need not be remembered.
class KeyEncoder::Composite {
 public:
  Composite(KeyEncoder& encoder, PyObject* object)
      : encoder_(encoder), remembered_(!PyTuple_CheckExact(object)) {
    auto& open = encoder.open_;
    if (remembered_ && std::find(open.begin(), open.end(), object) != open.end())
      PyErr_Format(
          PyExc_TypeError,
          "%R contains itself and so cannot be part of a key; give key= (a function to an equivalent key)",
          Py_TYPE(object));
    else if (encoder.depth_ >= kMaxDepth)
      PyErr_Format(PyExc_TypeError,
                   "a key is nested more than %u deep; give key= (a function to an equivalent key)",
                   kMaxDepth);
    else
      ok_ = true;
    ++encoder_.depth_;
    if (remembered_) open.push_back(object);
  }
  ~Composite() {
    --encoder_.depth_;
    if (remembered_) encoder_.open_.pop_back();
  }
  Composite(const Composite&) = delete;
  Composite& operator=(const Composite&) = delete;
  explicit operator bool() const { return ok_; }

 private:
  KeyEncoder& encoder_;
  bool remembered_;
  bool ok_ = false;
};

bool KeyEncoder::append(const void* from, std::size_t size) {
  u8* to = out_.room(size);
  if (!to) return false;
  if (size) std::memcpy(to, from, size);
  out_.advance(size);
  return true;
}

bool KeyEncoder::put_tuple(PyObject* tuple) {
  const Composite composite(*this, tuple);
  return composite && put_sequence(kTuple, tuple);
}

bool KeyEncoder::put_sequence(Tag tag, PyObject* items) {
  const Py_ssize_t count = PySequence_Fast_GET_SIZE(items);
  if (!put_tag_and_count(out_, tag, static_cast<u64>(count))) return false;
  for (Py_ssize_t i = 0; i < count; ++i)
    if (!nested(PySequence_Fast_GET_ITEM(items, i))) return false;
  return true;
}

bool KeyEncoder::put_unordered(Tag tag, PyObject* items) {
  const Composite composite(*this, items);
  if (!composite) return false;
  const std::size_t start = out_.size();
  std::vector<std::string> parts;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items); ++i) {
    PyObject* item = PyList_GET_ITEM(items, i);
    // A pair is a dict's: its key and value follow one another, so that the order is that of the keys.
    const bool ok =
        tag != kDict ? nested(item) : nested(PyTuple_GET_ITEM(item, 0)) && nested(PyTuple_GET_ITEM(item, 1));
    if (!ok) return false;
    parts.emplace_back(reinterpret_cast<const char*>(out_.data()) + start, out_.size() - start);
    out_.truncate(start);
  }
  std::sort(parts.begin(), parts.end());
  if (!put_tag_and_count(out_, tag, parts.size())) return false;
  for (const std::string& part : parts)
    if (!append(part.data(), part.size())) return false;
  return true;
}

bool KeyEncoder::put_pairs(PyObject* items) {
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items); ++i) {
    PyObject* pair = PyList_GET_ITEM(items, i);
    if (PyTuple_Check(pair) && PyTuple_GET_SIZE(pair) == 2) continue;
    PyErr_SetString(PyExc_TypeError, "the dict items of a reduced object must be pairs");
    return false;
  }
  return put_unordered(kDict, items);
}

// Within an object its lists, dicts, sets and bytearrays are parts of its state.
bool KeyEncoder::put_state_container(PyObject* object, bool& done) {
  PyTypeObject* type = Py_TYPE(object);
  done = true;
  if (type == &PyByteArray_Type)
    return put_bytes<Framing::nested>(out_, kByteArray, PyByteArray_AS_STRING(object),
                                      static_cast<std::size_t>(PyByteArray_GET_SIZE(object)));
  done = type == &PyList_Type || type == &PyDict_Type || type == &PySet_Type;
  if (!done) return true;
  const Composite composite(*this, object);
  if (!composite) return false;
  const OwnedRef items(type == &PyDict_Type ? PyDict_Items(object) : PySequence_List(object));
  if (!items) return false;
  if (type == &PyList_Type) return put_sequence(kList, items.get());
  return put_unordered(type == &PyDict_Type ? kDict : kSet, items.get());
}

// Ranges are equal if their sequences are: by first item, last item and step, as far as there are such.
bool KeyEncoder::put_range(PyObject* range) {
  natural_ = false;  // of equal ranges each prints as it was made
  const int filled = PyObject_IsTrue(range);
  if (filled < 0) return false;
  if (!filled) return put_tag_and_count(out_, kSequenceRange, 0);
  const OwnedRef first(PyObject_GetAttrString(range, "start"));
  const OwnedRef step(first ? PyObject_GetAttrString(range, "step") : nullptr);
  const OwnedRef minus_one(step ? PyLong_FromLong(-1) : nullptr);
  const OwnedRef last(minus_one ? PyObject_GetItem(range, minus_one.get()) : nullptr);
  const int single = last ? PyObject_RichCompareBool(first.get(), last.get(), Py_EQ) : -1;
  if (single < 0) return false;
  if (single) return put_tag_and_count(out_, kSequenceRange, 1) && put_int(out_, first.get());
  return put_tag_and_count(out_, kSequenceRange, 2) && put_int(out_, first.get()) &&
         put_int(out_, last.get()) && put_int(out_, step.get());
}

bool KeyEncoder::put_enum(PyObject* member, TypeInfo& info) {
  const std::string* name = class_name(Py_TYPE(member), info);
  if (!name || !put_tag(out_, kEnum) || !append(name->data(), name->size())) return false;
  const OwnedRef which(PyObject_GetAttrString(member, info.rule == KeyRule::flag ? "_value_" : "_name_"));
  const Composite composite(*this, member);
  return which && composite && nested(which.get());
}

bool KeyEncoder::put_dataclass(PyObject* object, TypeInfo& info) {
  const Composite composite(*this, object);
  const std::string* name = composite ? class_name(Py_TYPE(object), info) : nullptr;
  if (!name || !put_tag(out_, kDataclass) || !append(name->data(), name->size())) return false;
  PyObject* fields = info.fields.get();
  const Py_ssize_t count = PyTuple_GET_SIZE(fields);
  u8* to = out_.room(emd::kVarintMax);
  if (!to) return false;
  out_.advance(static_cast<std::size_t>(emd::put_varint(to, static_cast<u64>(count)) - to));
  const bool outer = std::exchange(in_state_, true);
  for (Py_ssize_t i = 0; i < count; ++i) {
    const OwnedRef field(PyObject_GetAttr(object, PyTuple_GET_ITEM(fields, i)));
    if (!field || !nested(field.get())) return false;
  }
  in_state_ = outer;
  return true;
}

// Its text alone: what __reduce__ gives differs between Python versions, and equal paths may be of different types.
bool KeyEncoder::put_path(PyObject* path) {
  static PyObject* windows = nullptr;
  if (!imported(windows, "pathlib", "PureWindowsPath")) return false;
  const int is_windows = PyObject_IsInstance(path, windows);
  OwnedRef text(is_windows < 0 ? nullptr : PyObject_Str(path));
  if (text && is_windows) text = OwnedRef(PyObject_CallMethod(text.get(), "lower", nullptr));
  const u8 flavour = is_windows ? 1 : 0;
  if (text && !PyUnicode_Check(text.get())) {
    PyErr_Format(PyExc_TypeError, "%R: the text of a path must be a str, not %R", Py_TYPE(path),
                 Py_TYPE(text.get()));
    return false;
  }
  return text && put_tag(out_, kPath) && append(&flavour, 1) && put_str<Framing::nested>(out_, text.get());
}

// Not its `is_safe`: UUIDs are equal without it.
bool KeyEncoder::put_uuid(PyObject* uuid) {
  static PyObject *type = nullptr, *unknown = nullptr;
  const OwnedRef bytes(PyObject_GetAttrString(uuid, "bytes"));
  const OwnedRef safe(bytes ? PyObject_GetAttrString(uuid, "is_safe") : nullptr);
  if (!safe || !imported(type, "uuid", "UUID") || !imported(unknown, "uuid", "SafeUUID")) return false;
  const OwnedRef usual(PyObject_GetAttrString(unknown, "unknown"));
  if (!usual) return false;
  if (!PyBytes_Check(bytes.get()) || PyBytes_GET_SIZE(bytes.get()) != 16) {
    PyErr_SetString(PyExc_TypeError, "a UUID must have 16 bytes");
    return false;
  }
  if (reinterpret_cast<PyObject*>(Py_TYPE(uuid)) != type || safe.get() != usual.get()) natural_ = false;
  return put_tag(out_, kUuid) && append(PyBytes_AS_STRING(bytes.get()), 16);
}

bool KeyEncoder::put_reduced(PyObject* object) {
  const Composite composite(*this, object);
  if (!composite || Py_EnterRecursiveCall(" while encoding a key")) return false;
  const bool outer = std::exchange(in_state_, true);
  const OwnedRef reduced = reduce(object);
  const bool ok = reduced && put_reduced_parts(object, reduced.get());
  in_state_ = outer;
  Py_LeaveRecursiveCall();
  return ok;
}

// What __reduce_ex__ gave: the name of a global, or a tuple of what to call, its arguments, and up to four ways to fill
// the result.
bool KeyEncoder::put_reduced_parts(PyObject* object, PyObject* reduced) {
  if (PyUnicode_Check(reduced)) {
    const OwnedRef module = module_of(object, reduced);
    if (module && !PyUnicode_Check(module.get()))
      PyErr_Format(PyExc_TypeError, "%R: its __module__ must be a str", Py_TYPE(object));
    return module && PyUnicode_Check(module.get()) && put_tag(out_, kGlobal) &&
           put_str<Framing::nested>(out_, module.get()) && put_str<Framing::nested>(out_, reduced);
  }
  const Py_ssize_t size = PyTuple_Check(reduced) ? PyTuple_GET_SIZE(reduced) : 0;
  if (size < 2 || size > 6 || !PyTuple_Check(PyTuple_GET_ITEM(reduced, 1))) {
    PyErr_Format(PyExc_TypeError, "%R: __reduce_ex__ must return a str or a tuple of two to six items",
                 Py_TYPE(object));
    return false;
  }
  PyObject* state = present(reduced, 2);
  PyObject* items = present(reduced, 3);
  PyObject* pairs = present(reduced, 4);
  PyObject* setter = present(reduced, 5);
  const u8 parts = static_cast<u8>((state ? 1 : 0) | (items ? 2 : 0) | (pairs ? 4 : 0) | (setter ? 8 : 0));
  if (!put_tag(out_, kObject) || !append(&parts, 1) || !nested(PyTuple_GET_ITEM(reduced, 0))) return false;
  if (!put_reduced_arguments(object, PyTuple_GET_ITEM(reduced, 1))) return false;
  if (state && !nested(state)) return false;
  if (items) {
    const OwnedRef list(PySequence_List(items));
    if (!list || !put_sequence(kList, list.get())) return false;
  }
  if (pairs) {
    const OwnedRef list(PySequence_List(pairs));
    if (!list || !put_pairs(list.get())) return false;
  }
  return !setter || nested(setter);
}

// A set gives its elements as a list, in the order of their hashes: they are put as the set they are.
bool KeyEncoder::put_reduced_arguments(PyObject* object, PyObject* arguments) {
  const bool elements = PyAnySet_Check(object) && PyTuple_GET_SIZE(arguments) == 1 &&
                        PyList_CheckExact(PyTuple_GET_ITEM(arguments, 0));
  return elements ? put_unordered(kSet, PyTuple_GET_ITEM(arguments, 0)) : nested(arguments);
}

}  // namespace pyr
