// The view in a RegionView is given up while the handle is entered.
#include "python/array/region_view.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/errors.h"
#include "python/core/handle.h"

namespace pyr {
namespace {

struct ViewState {
  static constexpr const char* kTypeName = "pyrsistence._core.RegionView";
  static constexpr unsigned long kFlags = Py_TPFLAGS_DISALLOW_INSTANTIATION;

  explicit ViewState(OwnedRef shown) noexcept : owner(std::move(shown)) {}
  ~ViewState();
  int traverse(visitproc visit, void* arg) const {
    const int stopped = pyr::traverse(owner, visit, arg);
    return stopped != 0 ? stopped : pyr::traverse(handle_object, visit, arg);
  }

  const OwnedRef owner;
  OwnedRef handle_object;
  StoreHandle* handle = nullptr;
  std::optional<ViewedItems> items;
  bool writable = false;
  std::vector<Py_ssize_t> shape, strides;
};

ViewState::~ViewState() {
  if (!items) return;
  if (handle->lost()) {
    new emd::Region::View(std::move(items->view));  // the parent's: nothing of it is touched
  } else {
    const StoreHandle::LockGuard inside(*handle);
    items.reset();
  }
}

void describe(ViewState& state) {
  const ViewedItems& items = *state.items;
  emd::u64 item_bytes = items.element_bytes;
  for (const emd::u64 length : items.shape) item_bytes *= length;
  state.shape = {static_cast<Py_ssize_t>(items.view.size() / item_bytes)};
  for (const emd::u64 length : items.shape) state.shape.push_back(static_cast<Py_ssize_t>(length));
  state.strides.resize(state.shape.size());
  Py_ssize_t stride = static_cast<Py_ssize_t>(items.element_bytes);
  for (std::size_t i = state.shape.size(); i-- > 0; stride *= state.shape[i]) state.strides[i] = stride;
}

void require_steady(Container& container, bool writable) {
  emd::Store& store = container.store();
  if (writable && store.read_only()) {
    throw emd::ReadOnlyError(store.path() + ": opened with mode=\"r\", so it has no writable view");
  }
  if (!container.live()) return;
  container.handle().require_snapshot();
  if (store.in_snapshot()) return;
  throw emd::StateError(store.path() +
                        ": a view of it would change under your hands whenever its writer commits; take it, "
                        "and use it, inside `with x.snapshot():`, or take a copy");
}

int refuse_buffer(Py_buffer* buffer, const char* why) {
  PyErr_SetString(PyExc_BufferError, why);
  buffer->obj = nullptr;
  return -1;
}

// Whether the items lie in Fortran's order as well as in C's: there is no more than one dimension to speak of.
bool is_fortran_contiguous(const ViewState& state) {
  const auto long_ones =
      std::count_if(state.shape.begin(), state.shape.end(), [](Py_ssize_t length) { return length != 1; });
  return long_ones <= 1 || state.items->view.size() == 0;
}

// As NumPy's arrays of the same type do it: who does not ask for a shape gets none, and no dimensions.
int get_buffer(PyObject* self, Py_buffer* buffer, int flags) {
  ViewState& state = unboxed<ViewState>(self);
  if ((flags & PyBUF_WRITABLE) != 0 && !state.writable)
    return refuse_buffer(buffer, "this view is read-only");
  if ((flags & PyBUF_F_CONTIGUOUS) == PyBUF_F_CONTIGUOUS && !is_fortran_contiguous(state))
    return refuse_buffer(buffer, "the items lie in C's order, not in Fortran's");
  const bool with_shape = (flags & PyBUF_ND) != 0;
  buffer->obj = Py_NewRef(self);
  buffer->buf = state.items->view.data();
  buffer->len = static_cast<Py_ssize_t>(state.items->view.size());
  buffer->itemsize = static_cast<Py_ssize_t>(state.items->element_bytes);
  buffer->readonly = !state.writable;
  buffer->format = (flags & PyBUF_FORMAT) != 0 ? state.items->format.data() : nullptr;
  buffer->ndim = with_shape ? static_cast<int>(state.shape.size()) : 0;
  buffer->shape = with_shape ? state.shape.data() : nullptr;
  buffer->strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? state.strides.data() : nullptr;
  buffer->suboffsets = nullptr;
  buffer->internal = nullptr;
  return 0;
}

}  // namespace

PyObject* make_region_view(Container& container, bool writable, const std::function<ViewedItems()>& take) {
  OwnedRef result(TypeOf<ViewState>::make(TypeOf<ViewState>::get(), OwnedRef::borrowed(container.self())));
  if (!result) return nullptr;
  ViewState& state = unboxed<ViewState>(result.get());
  state.writable = writable;
  const Container::EntryGuard entered(container);
  require_steady(container, writable);
  state.handle = &container.handle();
  state.handle_object = container.handle_object();
  container.read_consistent([&] {
    state.items.reset();
    state.items.emplace(take());
  });
  describe(state);
  return result.release();
}

bool add_region_view_type(PyObject* module) {
  return TypeOf<ViewState>::add(module, {{Py_bf_getbuffer, reinterpret_cast<void*>(get_buffer)}});
}

}  // namespace pyr
