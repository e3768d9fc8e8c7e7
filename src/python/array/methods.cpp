// The EMArray base type: its methods, which move bytes; those with an underscore are for pyrsistence/_containers/array.py.
#include <algorithm>
#include <functional>
#include <vector>

#include "base/errors.h"
#include "python/array/object.h"
#include "python/array/region_view.h"

namespace pyr {
namespace {

// So much is changed in place by one operation: between two of them the store may commit, and let pages go.
constexpr u64 kBytesAtOnce = u64{64} << 20;

bool whole_items(u64 bytes, u64 item_bytes) {
  if (bytes % item_bytes == 0) return true;
  PyErr_Format(PyExc_ValueError, "expected whole items of %llu bytes, found %llu bytes",
               static_cast<unsigned long long>(item_bytes), static_cast<unsigned long long>(bytes));
  return false;
}

PyObject* out_of_range() {
  PyErr_SetString(PyExc_IndexError, "array index out of range");
  return nullptr;
}

// Whether some bytes are of both: what is written to one is then read from the other.
bool overlap(Bytes a, Bytes b) {
  const std::less<const u8*> before;
  return !a.empty() && !b.empty() && before(a.data(), b.data() + b.size()) &&
         before(b.data(), a.data() + a.size());
}

// Bytes that are read while `written` is written: a copy of them, if they are in there (of a view, say).
class Apart {
 public:
  Apart(Bytes bytes, Bytes written) : bytes_(bytes) {
    if (!overlap(bytes, written)) return;
    copy_.assign(bytes.begin(), bytes.end());
    bytes_ = copy_;
  }
  Bytes bytes() const { return bytes_; }

 private:
  std::vector<u8> copy_;
  Bytes bytes_;
};

PyObject* method_append(PyObject* self, PyObject* value) {
  return guarded_object([&]() -> PyObject* {
    ArrayContainer& container = array_container(self);
    const Scalar scalar = container.scalar();
    if (scalar == Scalar::none) return call_method(self, "_append", value);
    u8 bytes[8];
    if (!pack(scalar, value, bytes)) return nullptr;
    const Container::Entered entered(container);
    emd::Array& array = container.array();
    if (container.scalar() != scalar) return out_of_range();  // closed and opened elsewhere meanwhile
    container.change(false, [&] { array.extend({bytes, array.item_bytes()}); });
    Py_RETURN_NONE;
  });
}

PyObject* method_extend(PyObject* self, PyObject* source) {
  return guarded_object([&]() -> PyObject* {
    BytesArgument items;
    if (!items.take(source)) return nullptr;
    ArrayContainer& container = array_container(self);
    const Container::Entered entered(container);
    emd::Array& array = container.array();
    if (!whole_items(items.size(), array.item_bytes())) return nullptr;
    const u64 at_once = std::max<u64>(1, kBytesAtOnce / array.item_bytes()) * array.item_bytes();
    const Apart apart(items.bytes(), array.reachable(array.size()));
    Bytes rest = apart.bytes();
    while (rest.size() > at_once && array.used_room() != 0) {
      container.change(true, [&] { array.extend(rest.first(at_once)); });
      rest = rest.subspan(at_once);
    }
    container.change(rest.size() > kLongBytes, [&] { array.extend(rest); });
    Py_RETURN_NONE;
  });
}

PyObject* method_resize(PyObject* self, PyObject* argument) {
  return guarded_object([&]() -> PyObject* {
    const Py_ssize_t wanted = PyNumber_AsSsize_t(argument, PyExc_OverflowError);
    if (wanted == -1 && PyErr_Occurred()) return nullptr;
    if (wanted < 0) {
      PyErr_Format(PyExc_ValueError, "expected a length of 0 or more, found %zd", wanted);
      return nullptr;
    }
    const u64 count = static_cast<u64>(wanted);
    ArrayContainer& container = array_container(self);
    const Container::Entered entered(container);
    emd::Array& array = container.array();
    const u64 at_once = std::max<u64>(1, kBytesAtOnce / array.item_bytes());
    while (count > array.size() + at_once && array.used_room() != 0) {
      container.change(true, [&] { array.resize(array.size() + at_once); });
    }
    container.change(true, [&] { array.resize(count); });
    Py_RETURN_NONE;
  });
}

// _copy_out(buffer, start, step): fills the buffer with items.
PyObject* method_copy_out(PyObject* self, PyObject* args) {
  return guarded_object([&]() -> PyObject* {
    PyObject* target = nullptr;
    long long start = 0, step = 0;
    if (!PyArg_ParseTuple(args, "OLL", &target, &start, &step)) return nullptr;
    BytesArgument to;
    if (!to.take(target, true)) return nullptr;
    ArrayContainer& container = array_container(self);
    bool in_range = false;
    {
      const Container::Entered entered(container);
      const emd::Array& array = container.array();
      const u64 item = array.item_bytes();
      if (!whole_items(to.size(), item)) return nullptr;
      const u64 count = to.size() / item;
      const auto copy = [&] {
        const u64 size = array.size();
        const auto last = start + static_cast<long long>(count - 1) * step;
        in_range = count == 0 || (start >= 0 && static_cast<u64>(start) < size && last >= 0 &&
                                  static_cast<u64>(last) < size);
        if (!in_range || count == 0) return;
        if (step == 1) {
          const Bytes from = array.items(static_cast<u64>(start), static_cast<u64>(last) + 1);
          std::memcpy(to.data(), from.data(), from.size());
          return;
        }
        for (u64 i = 0; i < count; ++i) {
          const u64 at = static_cast<u64>(start + static_cast<long long>(i) * step);
          std::memcpy(to.data() + i * item, array.items(at, at + 1).data(), item);
        }
      };
      if (to.size() > kLongBytes) {
        container.look_long(copy);
      } else {
        container.look(copy);
      }
    }
    if (!in_range) return out_of_range();
    Py_RETURN_NONE;
  });
}

// Indices as 64-bit integers, all below `size`.
bool valid_indices(std::span<const u64> indices, u64 size) {
  return std::all_of(indices.begin(), indices.end(), [size](u64 index) { return index < size; });
}

std::span<const u64> as_indices(Bytes bytes) {
  return {reinterpret_cast<const u64*>(bytes.data()), bytes.size() / sizeof(u64)};
}

// _gather(buffer, indices): item indices[i] to place i of the buffer.
PyObject* method_gather(PyObject* self, PyObject* args) {
  return guarded_object([&]() -> PyObject* {
    PyObject *target = nullptr, *where = nullptr;
    if (!PyArg_ParseTuple(args, "OO", &target, &where)) return nullptr;
    BytesArgument to, index_bytes;
    if (!to.take(target, true) || !index_bytes.take(where)) return nullptr;
    const std::span<const u64> indices = as_indices(index_bytes.bytes());
    ArrayContainer& container = array_container(self);
    bool in_range = false;
    {
      const Container::Entered entered(container);
      const emd::Array& array = container.array();
      const u64 item = array.item_bytes();
      if (!whole_items(to.size(), item)) return nullptr;
      const auto copy = [&] {
        in_range = to.size() / item == indices.size() && valid_indices(indices, array.size());
        for (u64 i = 0; in_range && i < indices.size(); ++i) {
          std::memcpy(to.data() + i * item, array.items(indices[i], indices[i] + 1).data(), item);
        }
      };
      if (to.size() > kLongBytes) {
        container.look_long(copy);
      } else {
        container.look(copy);
      }
    }
    if (!in_range) return out_of_range();
    Py_RETURN_NONE;
  });
}

// _scatter(indices, items): the reverse.
PyObject* method_scatter(PyObject* self, PyObject* args) {
  return guarded_object([&]() -> PyObject* {
    PyObject *where = nullptr, *source = nullptr;
    if (!PyArg_ParseTuple(args, "OO", &where, &source)) return nullptr;
    BytesArgument items, index_bytes;
    if (!index_bytes.take(where) || !items.take(source)) return nullptr;
    ArrayContainer& container = array_container(self);
    const Container::Entered entered(container);
    emd::Array& array = container.array();
    const u64 item = array.item_bytes();
    const Bytes written = array.reachable(0);
    const Apart source_items(items.bytes(), written), source_indices(index_bytes.bytes(), written);
    const std::span<const u64> indices = as_indices(source_indices.bytes());
    if (items.size() != indices.size() * item || !valid_indices(indices, array.size())) return out_of_range();
    // Each may touch a page of its own.
    const u64 at_once = kBytesAtOnce / std::max(item, emd::kPageSize) + 1;
    for (u64 done = 0; done < indices.size(); done += at_once) {
      const auto some = indices.subspan(done, std::min<u64>(at_once, indices.size() - done));
      container.change(some.size() > 1024, [&] {
        array.scatter(some, source_items.bytes().subspan(done * item, some.size() * item));
      });
    }
    Py_RETURN_NONE;
  });
}

// _reaches(first, last): whether any byte of the addresses lies in the array.
PyObject* method_reaches(PyObject* self, PyObject* args) {
  return guarded_object([&]() -> PyObject* {
    unsigned long long first = 0, last = 0;
    if (!PyArg_ParseTuple(args, "KK", &first, &last)) return nullptr;
    ArrayContainer& container = array_container(self);
    const Container::Entered entered(container);
    const Bytes bytes{reinterpret_cast<const u8*>(first), static_cast<std::size_t>(last - first)};
    return PyBool_FromLong(first < last && overlap(container.array().reachable(0), bytes));
  });
}

// _write(start, items): replaces the items from `start` on.
PyObject* method_write(PyObject* self, PyObject* args) {
  return guarded_object([&]() -> PyObject* {
    PyObject* source = nullptr;
    long long start = 0;
    if (!PyArg_ParseTuple(args, "LO", &start, &source)) return nullptr;
    BytesArgument items;
    if (!items.take(source)) return nullptr;
    ArrayContainer& container = array_container(self);
    const Container::Entered entered(container);
    emd::Array& array = container.array();
    const u64 item = array.item_bytes();
    if (!whole_items(items.size(), item)) return nullptr;
    const u64 from = static_cast<u64>(start), size = array.size();
    if (start < 0 || from > size || items.size() / item > size - from) return out_of_range();
    const u64 at_once = std::max<u64>(1, kBytesAtOnce / item) * item;
    const u64 pieces = (items.size() + at_once - 1) / at_once;
    // Items of the array itself move as by memmove(): upwards from their end, so that none is overwritten before its turn.
    const u8* const to = array.items(from, from).data();
    const bool upwards =
        pieces > 1 && overlap(items.bytes(), {to, items.size()}) && std::less<const u8*>()(items.data(), to);
    for (u64 i = 0; i < pieces; ++i) {
      const u64 begin = (upwards ? pieces - 1 - i : i) * at_once;
      const Bytes some = items.bytes().subspan(begin, std::min<u64>(at_once, items.size() - begin));
      container.change(some.size() > kLongBytes, [&] { array.set(from + begin / item, some); });
    }
    Py_RETURN_NONE;
  });
}

// _type(): (dtype's text, bytes of an element, shape of an item).
PyObject* method_type(PyObject* self, PyObject*) {
  return guarded_object([&]() -> PyObject* {
    ArrayContainer& container = array_container(self);
    const emd::Array::Type type = container.read([&] { return container.array().type(); });
    const Ref shape(PyTuple_New(static_cast<Py_ssize_t>(type.shape.size())));
    if (!shape) return nullptr;
    for (std::size_t i = 0; i < type.shape.size(); ++i) {
      PyObject* const length = PyLong_FromUnsignedLongLong(type.shape[i]);
      if (!length) return nullptr;
      PyTuple_SET_ITEM(shape.get(), static_cast<Py_ssize_t>(i), length);
    }
    // Bytes that are no text are nobody's dtype, which the Python class finds out.
    const Ref text(PyUnicode_DecodeUTF8(type.dtype.data(), static_cast<Py_ssize_t>(type.dtype.size()),
                                        "backslashreplace"));
    if (!text) return nullptr;
    return Py_BuildValue("OKO", text.get(), static_cast<unsigned long long>(type.element_bytes), shape.get());
  });
}

}  // namespace

PyObject* make_array_view(PyObject* array, bool writable, const char* format) {
  ArrayContainer& container = array_container(array);
  return make_region_view(array, container, writable, [&] {
    const emd::Array::Type& type = container.array().type();
    ViewedItems items{container.array().view(writable)};
    items.format = format;
    if (items.format == "B" && element_of(type) != Scalar::u1) return items;
    items.element_bytes = type.element_bytes;
    items.shape.assign(type.shape.begin(), type.shape.end());
    return items;
  });
}

namespace {

// _view(writable): an object with the items as its buffer, as bytes.
PyObject* method_view(PyObject* self, PyObject* writable) {
  const int truth = PyObject_IsTrue(writable);
  if (truth < 0) return nullptr;
  return guarded_object([&] { return make_array_view(self, truth == 1, "B"); });
}

template <class Function>
PyCFunction c_function(Function function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

}  // namespace

PyMethodDef array_methods[] = {
    {"append", method_append, METH_O,
     "append($self, value, /)\n--\n\nAdd value at the end.\n\n**Cost**: O(1), two pages."},
    {"resize", method_resize, METH_O,
     "resize($self, length, /)\n--\n\nCut the array to length, or lengthen it by zeros.\n\n"
     "**Cost**: O(1) where it grows; where it shrinks to less than half, what is left is written anew. "
     "Errors: "
     "BufferError if it shrinks to less than views have reached."},
    {"_extend", method_extend, METH_O, "Add the items whose bytes the buffer holds."},
    {"_copy_out", method_copy_out, METH_VARARGS, "Fill the buffer with items from start on, by step."},
    {"_gather", method_gather, METH_VARARGS, "Fill the buffer with the items at the indices."},
    {"_scatter", method_scatter, METH_VARARGS, "Replace the items at the indices."},
    {"_write", method_write, METH_VARARGS, "Replace the items from start on."},
    {"_reaches", method_reaches, METH_VARARGS, "Whether any of the addresses is the array's."},
    {"_type", method_type, METH_NOARGS, "Return the dtype's text, its bytes, and the shape of an item."},
    {"_view", method_view, METH_O, "Return an object whose buffer is the items."},
    {"__arrow_c_array__", c_function(array_arrow_array), METH_VARARGS | METH_KEYWORDS,
     "__arrow_c_array__($self, /, requested_schema=None)\n--\n\n"
     "Export the items to Arrow without a copy, as two PyCapsules.\n\n**Cost**: O(1). Errors: TypeError for "
     "a "
     "dtype that is no number of Arrow's."},
    {"__arrow_c_schema__", array_arrow_schema, METH_NOARGS,
     "__arrow_c_schema__($self, /)\n--\n\nTell Arrow the type of the items, as a PyCapsule.\n\n**Cost**: "
     "O(1)."},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace pyr
