// ArrayView: what exports an array's items as a buffer. The items stay where they are as long as it lives, also when
// the array has been closed; it keeps the array's object, so that the array is not closed because nobody else does.
//
// Threads: any. The view in it is given up while the handle is entered.
#include <optional>
#include <utility>

#include "base/errors.h"
#include "bindings/array_object.h"

namespace pyr {
namespace {

PyTypeObject* g_view_type = nullptr;

struct ViewState {
  Ref array;
  Ref handle_object;
  StoreHandle* handle = nullptr;
  std::optional<emd::Region::View> view;
  bool writable = false;
  std::string format;
  Py_ssize_t element_bytes = 1;
  std::vector<Py_ssize_t> shape, strides;
};

struct ViewObject {
  PyObject_HEAD ViewState state;
};

ViewState& state_of(PyObject* self) { return reinterpret_cast<ViewObject*>(self)->state; }

// Bytes are exported as such; else the items in their shape.
void describe(ViewState& state, const emd::Array& array) {
  const u64 items = state.view->size() / array.item_bytes();
  if (state.format == "B" && element_of(array.type()) != Scalar::u1) {
    state.shape = {static_cast<Py_ssize_t>(state.view->size())};
    state.strides = {1};
    return;
  }
  state.element_bytes = static_cast<Py_ssize_t>(array.type().element_bytes);
  state.shape = {static_cast<Py_ssize_t>(items)};
  for (const u64 length : array.type().shape) state.shape.push_back(static_cast<Py_ssize_t>(length));
  state.strides.resize(state.shape.size());
  Py_ssize_t stride = state.element_bytes;
  for (std::size_t i = state.shape.size(); i-- > 0; stride *= state.shape[i]) state.strides[i] = stride;
}

void require_steady(ArrayContainer& container, bool writable) {
  emd::Store& store = container.store();
  if (writable && store.read_only()) {
    throw emd::ReadOnlyError(store.path() + ": opened with mode=\"r\", so it has no writable view");
  }
  if (!container.live()) return;
  container.handle().require_snapshot();
  if (store.in_snapshot()) return;
  throw emd::StateError(store.path() +
                        ": a view of it would change under your hands whenever its writer commits; take "
                        "it, and use it, inside `with a.snapshot():`, or take a copy, a[:]");
}

int view_get_buffer(PyObject* self, Py_buffer* buffer, int flags) {
  ViewState& state = state_of(self);
  if ((flags & PyBUF_WRITABLE) != 0 && !state.writable) {
    PyErr_SetString(PyExc_BufferError, "this view is read-only");
    buffer->obj = nullptr;
    return -1;
  }
  buffer->obj = Py_NewRef(self);
  buffer->buf = state.view->data();
  buffer->len = static_cast<Py_ssize_t>(state.view->size());
  buffer->itemsize = state.element_bytes;
  buffer->readonly = !state.writable;
  buffer->format = (flags & PyBUF_FORMAT) != 0 ? state.format.data() : nullptr;
  buffer->ndim = static_cast<int>(state.shape.size());
  buffer->shape = (flags & PyBUF_ND) != 0 ? state.shape.data() : nullptr;
  buffer->strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? state.strides.data() : nullptr;
  buffer->suboffsets = nullptr;
  buffer->internal = nullptr;
  return 0;
}

void view_dealloc(PyObject* self) {
  PyTypeObject* const type = Py_TYPE(self);
  ViewState& state = state_of(self);
  if (state.view) {
    if (state.handle->forked()) {
      new emd::Region::View(std::move(*state.view));  // the parent's: nothing of it is touched
    } else {
      const StoreHandle::Inside inside(*state.handle);
      state.view.reset();
    }
  }
  state.~ViewState();
  type->tp_free(self);
  Py_DECREF(type);
}

PyType_Slot view_slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(view_dealloc)},
                            {Py_bf_getbuffer, reinterpret_cast<void*>(view_get_buffer)},
                            {0, nullptr}};

PyType_Spec view_spec = {"pyrsistence._core.ArrayView", sizeof(ViewObject), 0,
                         Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, view_slots};

}  // namespace

PyObject* make_array_view(PyObject* array, bool writable, const char* format) {
  PyObject* const self = g_view_type->tp_alloc(g_view_type, 0);
  if (!self) return nullptr;
  ViewState& state = *new (&state_of(self)) ViewState;
  const Ref result(self);
  state.array = Ref::borrowed(array);
  state.format = format;
  state.writable = writable;
  ArrayContainer& container = array_container(array);
  const Container::Entered entered(container);
  require_steady(container, writable);
  state.handle = &container.handle();
  state.handle_object = container.handle_object();
  container.look([&] {
    state.view.reset();
    state.view.emplace(container.array().view(writable));
  });
  describe(state, container.array());
  return Py_NewRef(self);
}

bool add_array_view_type(PyObject* module) {
  g_view_type = add_type(module, "ArrayView", view_spec);
  return g_view_type != nullptr;
}

}  // namespace pyr
