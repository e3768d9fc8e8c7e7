// The EMArray base type: its methods, which move bytes; those with an underscore are for
// pyrsistence/_containers/array.py.
#include <algorithm>
#include <functional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "python/array/object.h"
#include "python/array/region_view.h"
#include "python/kit/method.h"

namespace pyr {
namespace {

// So much is changed in place by one operation: between two of them the store may commit, and let pages go.
constexpr u64 kBytesAtOnce = u64{64} << 20;

void require_whole_items(u64 bytes, u64 item_bytes) {
  if (bytes % item_bytes == 0) return;
  throw std::invalid_argument("expected whole items of " + std::to_string(item_bytes) + " bytes, found " +
                              std::to_string(bytes) + " bytes");
}

void require_in_range(bool in_range) {
  if (!in_range) PyErr_SetString(PyExc_IndexError, "array index out of range");
  require(in_range);
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

PyObject* append(ArrayContainer& container, PyObject* value) {
  const Scalar scalar = container.scalar();
  if (scalar == Scalar::none) return call_method(container.self(), "_append", value);
  u8 bytes[8];
  if (!pack(scalar, value, bytes)) return nullptr;
  const Container::EntryGuard entered(container);
  emd::Array& array = container.array();
  require_in_range(container.scalar() == scalar);  // else closed and opened elsewhere meanwhile
  container.change([&] { array.extend({bytes, array.item_bytes()}); });
  Py_RETURN_NONE;
}

void extend(ArrayContainer& container, const ReadBuffer& items) {
  const Container::EntryGuard entered(container);
  emd::Array& array = container.array();
  require_whole_items(items.size(), array.item_bytes());
  const u64 at_once = std::max<u64>(1, kBytesAtOnce / array.item_bytes()) * array.item_bytes();
  const Apart apart(items.bytes(), array.reachable(array.size()));
  Bytes rest = apart.bytes();
  while (rest.size() > at_once && array.used_room() != 0) {
    container.change(true, [&] { array.extend(rest.first(at_once)); });
    rest = rest.subspan(at_once);
  }
  container.change(rest.size() > kLongBytes, [&] { array.extend(rest); });
}

void resize(ArrayContainer& container, Py_ssize_t wanted) {
  if (wanted < 0)
    throw std::invalid_argument("expected a length of 0 or more, found " + std::to_string(wanted));
  const u64 count = static_cast<u64>(wanted);
  const Container::EntryGuard entered(container);
  emd::Array& array = container.array();
  const u64 at_once = std::max<u64>(1, kBytesAtOnce / array.item_bytes());
  while (count > array.size() + at_once && array.used_room() != 0) {
    container.change(true, [&] { array.resize(array.size() + at_once); });
  }
  container.change(true, [&] { array.resize(count); });
}

// A place that may be no item's.
struct Position {
  bool take(ArrayContainer&, PyObject* const* objects) {
    at = PyLong_AsLongLong(objects[0]);
    return at != -1 || !PyErr_Occurred();
  }
  long long at = 0;
};

// _copy_out(buffer, start, step): fills the buffer with items.
void copy_out(ArrayContainer& container, const WriteBuffer& to, Position start, Position step) {
  const Container::EntryGuard entered(container);
  const emd::Array& array = container.array();
  const u64 item = array.item_bytes();
  require_whole_items(to.size(), item);
  const u64 count = to.size() / item;
  const bool in_range = container.read_long_if(to.size() > kLongBytes, [&] {
    const u64 size = array.size();
    const auto last = start.at + static_cast<long long>(count - 1) * step.at;
    if (count == 0) return true;
    if (start.at < 0 || static_cast<u64>(start.at) >= size || last < 0 || static_cast<u64>(last) >= size)
      return false;
    if (step.at == 1) {
      const Bytes from = array.items(static_cast<u64>(start.at), static_cast<u64>(last) + 1);
      std::memcpy(to.data(), from.data(), from.size());
      return true;
    }
    for (u64 i = 0; i < count; ++i) {
      const u64 at = static_cast<u64>(start.at + static_cast<long long>(i) * step.at);
      std::memcpy(to.data() + i * item, array.items(at, at + 1).data(), item);
    }
    return true;
  });
  require_in_range(in_range);
}

// Indices as 64-bit integers, all below `size`.
bool are_indices(std::span<const u64> indices, u64 size) {
  return std::all_of(indices.begin(), indices.end(), [size](u64 index) { return index < size; });
}

// _gather(buffer, indices): item indices[i] to place i of the buffer.
void gather(ArrayContainer& container, const WriteBuffer& to, const ReadBuffer& where) {
  const std::span<const u64> indices = where.as<u64>();
  const Container::EntryGuard entered(container);
  const emd::Array& array = container.array();
  const u64 item = array.item_bytes();
  require_whole_items(to.size(), item);
  const bool in_range = container.read_long_if(to.size() > kLongBytes, [&] {
    if (to.size() / item != indices.size() || !are_indices(indices, array.size())) return false;
    for (u64 i = 0; i < indices.size(); ++i)
      std::memcpy(to.data() + i * item, array.items(indices[i], indices[i] + 1).data(), item);
    return true;
  });
  require_in_range(in_range);
}

// _scatter(indices, items): the reverse.
void scatter(ArrayContainer& container, const ReadBuffer& where, const ReadBuffer& items) {
  const Container::EntryGuard entered(container);
  emd::Array& array = container.array();
  const u64 item = array.item_bytes();
  const Bytes written = array.reachable(0);
  const Apart source_items(items.bytes(), written), source_indices(where.bytes(), written);
  const std::span<const u64> indices = numbers<u64>(source_indices.bytes());
  require_in_range(items.size() == indices.size() * item && are_indices(indices, array.size()));
  // Each may touch a page of its own.
  const u64 at_once = kBytesAtOnce / std::max(item, emd::kPageSize) + 1;
  for (u64 done = 0; done < indices.size(); done += at_once) {
    const auto some = indices.subspan(done, std::min<u64>(at_once, indices.size() - done));
    container.change(some.size() > 1024, [&] {
      array.scatter(some, source_items.bytes().subspan(done * item, some.size() * item));
    });
  }
}

// _reaches(first, last): whether any byte of the addresses lies in the array.
bool reaches(ArrayContainer& container, u64 first, u64 last) {
  const Container::EntryGuard entered(container);
  const Bytes bytes{reinterpret_cast<const u8*>(first), static_cast<std::size_t>(last - first)};
  return first < last && overlap(container.array().reachable(0), bytes);
}

// _write(start, items): replaces the items from `start` on.
void write(ArrayContainer& container, Position start, const ReadBuffer& items) {
  const Container::EntryGuard entered(container);
  emd::Array& array = container.array();
  const u64 item = array.item_bytes();
  require_whole_items(items.size(), item);
  const u64 from = static_cast<u64>(start.at), size = array.size();
  require_in_range(start.at >= 0 && from <= size && items.size() / item <= size - from);
  const u64 at_once = std::max<u64>(1, kBytesAtOnce / item) * item;
  const u64 pieces = (items.size() + at_once - 1) / at_once;
  // Items of the array itself move as by memmove(): upwards from their end, so that none is overwritten before its
  // turn.
  const u8* const to = array.items(from, from).data();
  const bool upwards =
      pieces > 1 && overlap(items.bytes(), {to, items.size()}) && std::less<const u8*>()(items.data(), to);
  for (u64 i = 0; i < pieces; ++i) {
    const u64 begin = (upwards ? pieces - 1 - i : i) * at_once;
    const Bytes some = items.bytes().subspan(begin, std::min<u64>(at_once, items.size() - begin));
    container.change(some.size() > kLongBytes, [&] { array.set(from + begin / item, some); });
  }
}

// _type(): (dtype's text, bytes of an element, shape of an item).
PyObject* type(ArrayContainer& container) {
  const emd::Array::Type type = container.read([&] { return container.array().type(); });
  const OwnedRef shape(PyTuple_New(static_cast<Py_ssize_t>(type.shape.size())));
  if (!shape) return nullptr;
  for (std::size_t i = 0; i < type.shape.size(); ++i) {
    PyObject* const length = PyLong_FromUnsignedLongLong(type.shape[i]);
    if (!length) return nullptr;
    PyTuple_SET_ITEM(shape.get(), static_cast<Py_ssize_t>(i), length);
  }
  // Bytes that are no text are nobody's dtype, which the Python class finds out.
  const OwnedRef text(PyUnicode_DecodeUTF8(type.dtype.data(), static_cast<Py_ssize_t>(type.dtype.size()),
                                           "backslashreplace"));
  if (!text) return nullptr;
  return Py_BuildValue("OKO", text.get(), static_cast<unsigned long long>(type.element_bytes), shape.get());
}

// _view(writable): an object with the items as its buffer, as bytes.
PyObject* view(ArrayContainer& container, bool writable) { return make_array_view(container, writable, "B"); }

}  // namespace

PyObject* make_array_view(ArrayContainer& container, bool writable, const char* format) {
  return make_region_view(container, writable, [&] {
    const emd::Array::Type& type = container.array().type();
    ViewedItems items{container.array().view(writable)};
    items.format = format;
    if (items.format == "B" && element_of(type) != Scalar::u1) return items;
    items.element_bytes = type.element_bytes;
    items.shape.assign(type.shape.begin(), type.shape.end());
    return items;
  });
}

PyMethodDef array_methods[] = {
    method<"append", &append>(
        "append($self, value, /)\n--\n\nAdd value at the end.\n\n**Cost**: O(1), two pages."),
    method<"resize", &resize>(
        "resize($self, length, /)\n--\n\nCut the array to length, or lengthen it by zeros.\n\n**Cost**: O(1) "
        "where it grows; where it shrinks to less than half, what is left is written anew. Errors: "
        "BufferError if it shrinks to less than views have reached."),
    method<"_extend", &extend>("Add the items whose bytes the buffer holds."),
    method<"_copy_out", &copy_out>("Fill the buffer with items from start on, by step."),
    method<"_gather", &gather>("Fill the buffer with the items at the indices."),
    method<"_scatter", &scatter>("Replace the items at the indices."),
    method<"_write", &write>("Replace the items from start on."),
    method<"_reaches", &reaches>("Whether any of the addresses is the array's."),
    method<"_type", &type>("Return the dtype's text, its bytes, and the shape of an item."),
    method<"_view", &view>("Return an object whose buffer is the items."),
    method_with_keywords<"__arrow_c_array__", &array_arrow_array>(
        "__arrow_c_array__($self, /, requested_schema=None)\n--\n\nExport the items to Arrow without a copy, "
        "as two PyCapsules.\n\n**Cost**: O(1). Errors: TypeError for a dtype that is no number of Arrow's."),
    method<"__arrow_c_schema__", &array_arrow_schema>(
        "__arrow_c_schema__($self, /)\n--\n\nTell Arrow the type of the items, as a PyCapsule.\n\n**Cost**: "
        "O(1)."),
    kEndOfMethods};

}  // namespace pyr
