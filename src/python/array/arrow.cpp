// The Arrow C data interface: an array's items as an Arrow array, in place.
// https://arrow.apache.org/docs/format/CDataInterface.html and CDataInterface/PyCapsuleInterface.html
//
// Items with a shape are fixed-size lists of fixed-size lists ... of numbers. What is exported holds a view of the
// array, so it stays where it is until it is released.
//
// Threads: release callbacks may be called from any thread, without the GIL.
#include <cstdint>
#include <memory>

#include "python/array/object.h"

// The names and layouts are those of the specification.
extern "C" {

struct ArrowSchema {
  const char* format;
  const char* name;
  const char* metadata;
  std::int64_t flags;
  std::int64_t n_children;
  struct ArrowSchema** children;
  struct ArrowSchema* dictionary;
  void (*release)(struct ArrowSchema*);
  void* private_data;
};

struct ArrowArray {
  std::int64_t length;
  std::int64_t null_count;
  std::int64_t offset;
  std::int64_t n_buffers;
  std::int64_t n_children;
  const void** buffers;
  struct ArrowArray** children;
  struct ArrowArray* dictionary;
  void (*release)(struct ArrowArray*);
  void* private_data;
};

}  // extern "C"

namespace pyr {
namespace {

constexpr const char* kSchemaName = "arrow_schema";
constexpr const char* kArrayName = "arrow_array";

// What one node of a schema owns. Released by its parent, or by the consumer if it has moved the child out.
struct SchemaParts {
  std::string format;
  ArrowSchema child{};
  ArrowSchema* children[1] = {&child};
};

struct ArrayParts {
  const void* buffers[2] = {nullptr, nullptr};
  ArrowArray child{};
  ArrowArray* children[1] = {&child};
  PyObject* view = nullptr;  // of the outermost node
};

void release_schema(ArrowSchema* schema) {
  auto* const parts = static_cast<SchemaParts*>(schema->private_data);
  if (parts->child.release) parts->child.release(&parts->child);
  delete parts;
  schema->release = nullptr;
}

void release_array(ArrowArray* array) {
  auto* const parts = static_cast<ArrayParts*>(array->private_data);
  if (parts->child.release) parts->child.release(&parts->child);
  if (parts->view && Py_IsInitialized()) {  // else the process is about to end
    const GilAcquireGuard taken;
    Py_DECREF(parts->view);
  }
  delete parts;
  array->release = nullptr;
}

void fill_schema(ArrowSchema& schema, const char* format, std::span<const u64> shape) {
  auto parts = std::make_unique<SchemaParts>();
  parts->format = shape.empty() ? format : "+w:" + std::to_string(shape[0]);
  if (!shape.empty()) fill_schema(parts->child, format, shape.subspan(1));
  schema = {};
  schema.format = parts->format.c_str();
  schema.name = "";
  schema.n_children = shape.empty() ? 0 : 1;
  schema.children = parts->children;
  schema.release = release_schema;
  schema.private_data = parts.release();
}

void fill_array(ArrowArray& array, const void* data, u64 length, std::span<const u64> shape) {
  auto parts = std::make_unique<ArrayParts>();
  parts->buffers[1] = data;  // there are no nulls, so the first buffer is none
  if (!shape.empty()) fill_array(parts->child, data, length * shape[0], shape.subspan(1));
  array = {};
  array.length = static_cast<std::int64_t>(length);
  array.n_buffers = shape.empty() ? 2 : 1;
  array.n_children = shape.empty() ? 0 : 1;
  array.buffers = parts->buffers;
  array.children = parts->children;
  array.release = release_array;
  array.private_data = parts.release();
}

// A consumer that takes what is in a capsule marks it as released.
template <class Node>
void destroy_capsule(PyObject* capsule, const char* name) {
  auto* const node = static_cast<Node*>(PyCapsule_GetPointer(capsule, name));
  if (!node) return PyErr_Clear();
  if (node->release) node->release(node);
  delete node;
}

OwnedRef schema_capsule(const char* format, std::span<const u64> shape) {
  auto schema = std::make_unique<ArrowSchema>();
  fill_schema(*schema, format, shape);
  OwnedRef capsule(PyCapsule_New(schema.get(), kSchemaName, [](PyObject* object) {
    destroy_capsule<ArrowSchema>(object, kSchemaName);
  }));
  if (capsule) {
    schema.release();
  } else {
    schema->release(schema.get());
  }
  return capsule;
}

OwnedRef array_capsule(OwnedRef view, std::span<const u64> shape) {
  Py_buffer buffer{};
  if (PyObject_GetBuffer(view.get(), &buffer, PyBUF_FULL_RO) < 0) return {};
  const u64 length = static_cast<u64>(buffer.shape[0]);
  const void* const data = buffer.buf;
  PyBuffer_Release(&buffer);
  auto array = std::make_unique<ArrowArray>();
  fill_array(*array, data, length, shape);
  static_cast<ArrayParts*>(array->private_data)->view = view.release();
  OwnedRef capsule(PyCapsule_New(array.get(), kArrayName,
                                 [](PyObject* object) { destroy_capsule<ArrowArray>(object, kArrayName); }));
  if (capsule) {
    array.release();
  } else {
    array->release(array.get());
  }
  return capsule;
}

// The format of the elements; null with an error set.
const char* exported_format(const emd::Array::Type& type) {
  const bool is_half = type.dtype == "<f2" && type.element_bytes == 2;
  const char* const format = is_half ? "e" : arrow_format(element_of(type));
  if (!format) {
    PyErr_Format(PyExc_TypeError,
                 "items of dtype %s cannot be handed to Arrow without a copy; use pyarrow.array(a[:])",
                 type.dtype.c_str());
  }
  return format;
}

emd::Array::Type type_of(ArrayContainer& container) {
  return container.read([&] { return container.array().type(); });
}

}  // namespace

PyObject* array_arrow_schema(ArrayContainer& container) {
  const emd::Array::Type type = type_of(container);
  const char* const format = exported_format(type);
  return format ? schema_capsule(format, type.shape).release() : nullptr;
}

// A requested schema is a wish: consumers cast what they get.
PyObject* array_arrow_array(ArrayContainer& container, PyObject* args, PyObject* kwargs) {
  static char requested_schema[] = "requested_schema";
  static char* names[] = {requested_schema, nullptr};
  PyObject* wish = nullptr;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O", names, &wish)) return nullptr;
  const emd::Array::Type type = type_of(container);
  const char* const format = exported_format(type);
  if (!format) return nullptr;
  const OwnedRef schema = schema_capsule(format, type.shape);
  if (!schema) return nullptr;
  OwnedRef view(make_array_view(container, false, format));
  if (!view) return nullptr;
  const OwnedRef array = array_capsule(std::move(view), type.shape);
  return array ? PyTuple_Pack(2, schema.get(), array.get()) : nullptr;
}

}  // namespace pyr
