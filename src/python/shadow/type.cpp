// The EMShadowMemory base type: its life, its slots, and what its arguments mean.
#include <Python.h>
#include <structmember.h>

#include <new>
#include <stdexcept>
#include <string>

#include "base/errors.h"
#include "python/shadow/object.h"

namespace pyr {

void ShadowContainer::open_structure(emd::Store& store, emd::Member& member) {
  auto shadow = std::make_shared<emd::Shadow>(store, member);
  if (!shadow->laid_out()) {
    if (store.read_only())
      throw emd::FormatError("the shadow memory has no width yet: its writer was cut off while making it");
    const emd::Operation operation(store);
    shadow->lay_out(width_);
  }
  if (width_said_ && shadow->width() != width_) {
    throw emd::FormatError("the shadow memory has " + std::to_string(shadow->width()) +
                           " bytes of flags an address, not " + std::to_string(width_) +
                           ": leave width= out, or make a new one");
  }
  shadow_ = std::move(shadow);
}

void ShadowContainer::close_structure(bool leak) noexcept {
  if (leak) {
    new std::shared_ptr<emd::Shadow>(std::move(shadow_));  // never destroyed
  } else {
    shadow_.reset();
  }
}

// ---- Arguments

namespace {

// A new reference to an integer, or null with an error set.
Ref integer(PyObject* object) {
  return Ref(PyLong_Check(object) ? Py_NewRef(object) : PyNumber_Index(object));
}

bool overflowed() {
  if (!PyErr_ExceptionMatches(PyExc_OverflowError)) return false;
  PyErr_Clear();
  return true;
}

// Of a number of any size.
bool is_negative(PyObject* number) {
  const Ref zero(PyLong_FromLong(0));
  return zero && PyObject_RichCompareBool(number, zero.get(), Py_LT) == 1;
}

// False with an error set; of a number that does not fit, OverflowError.
bool as_number(PyObject* object, u64& number) {
  number = PyLong_AsUnsignedLongLong(object);
  return number != ~u64{0} || !PyErr_Occurred();
}

}  // namespace

bool as_address(PyObject* object, u64& address) {
  const Ref number = integer(object);
  if (!number) return false;
  if (as_number(number.get(), address)) return true;
  if (overflowed())
    PyErr_Format(PyExc_IndexError, "address %R is not backed: addresses are from 0 to 2**64 - 1",
                 number.get());
  return false;
}

bool as_length(PyObject* object, u64& length) {
  const Ref number = integer(object);
  if (!number) return false;
  if (as_number(number.get(), length)) return true;
  if (!overflowed()) return false;
  length = ~u64{0};
  if (!is_negative(number.get())) return true;
  PyErr_Format(PyExc_ValueError, "expected a length of 0 or more, found %R", number.get());
  return false;
}

bool as_flags(PyObject* object, u64& flags) {
  const Ref number = integer(object);
  if (!number) return false;
  if (as_number(number.get(), flags)) return true;
  if (overflowed())
    PyErr_Format(PyExc_ValueError, "expected flags of at most 8 bytes, found %R", number.get());
  return false;
}

Ref end_of(u64 last) {
  const Ref number(PyLong_FromUnsignedLongLong(last)), one(PyLong_FromLong(1));
  return Ref(number && one ? PyNumber_Add(number.get(), one.get()) : nullptr);
}

u64 last_of(u64 address, u64 length) {
  if (length - 1 <= ~address) return address + (length - 1);
  throw emd::UnbackedError("address 0x10000000000000000 is not backed: addresses are from 0 to 2**64 - 1");
}

void require_fit(const emd::Shadow& shadow, u64 flags) {
  if (__builtin_expect((flags & ~shadow.all_flags()) == 0, 1)) return;
  throw std::invalid_argument("flags " + std::to_string(flags) + " do not fit in the " +
                              std::to_string(shadow.width()) +
                              " bytes that an address has: width= of a new one says how many");
}

void require_some(const emd::Shadow& shadow, u64 flags) {
  require_fit(shadow, flags);
  if (flags == 0) throw std::invalid_argument("expected flags to look for, found 0");
}

void change_run(ShadowContainer& container, u64 address, u64 length, emd::FlagChange change) {
  emd::Shadow& shadow = container.shadow();
  require_fit(shadow, change.set);
  if (length == 0) return;
  for (u64 from = address, last = last_of(address, length);;) {
    u64 done = last;
    container.operate(last - from > kLongRun, [&] { done = shadow.change(from, last, change); });
    if (done == last) return;
    from = done + 1;
  }
}

// ---- Slots

namespace {

PyTypeObject* g_shadow_type = nullptr;

PyObject* call(PyObject* self, const char* name, PyObject* first, PyObject* second = nullptr) {
  const Ref text(PyUnicode_InternFromString(name));
  return text ? PyObject_CallMethodObjArgs(self, text.get(), first, second, nullptr) : nullptr;
}

PyObject* shadow_subscript(PyObject* self, PyObject* key) {
  return guarded_object([&]() -> PyObject* {
    if (PySlice_Check(key)) return call(self, "_get_slice", key);
    u64 address = 0;
    if (!as_address(key, address)) return nullptr;
    ShadowContainer& container = shadow_container(self);
    return PyLong_FromUnsignedLongLong(container.read([&] { return container.shadow().get(address); }));
  });
}

int shadow_assign(PyObject* self, PyObject* key, PyObject* value) {
  return guarded(-1, [&] {
    if (!value) {
      PyErr_SetString(PyExc_TypeError, "flags cannot be deleted: set them to 0");
      return -1;
    }
    if (PySlice_Check(key)) return Ref(call(self, "_set_slice", key, value)) ? 0 : -1;
    u64 address = 0, flags = 0;
    if (!as_address(key, address) || !as_flags(value, flags)) return -1;
    ShadowContainer& container = shadow_container(self);
    const Container::Entered entered(container);
    change_run(container, address, 1, {0, flags});
    return 0;
  });
}

int shadow_contains(PyObject* self, PyObject* key) {
  return guarded(-1, [&] {
    u64 address = 0;
    if (!PyIndex_Check(key)) return 0;
    if (!as_address(key, address)) {
      if (!PyErr_ExceptionMatches(PyExc_IndexError)) return -1;
      PyErr_Clear();
      return 0;
    }
    ShadowContainer& container = shadow_container(self);
    return container.read([&] {
      const auto range = container.shadow().range_at_or_after(address);
      return range && range->first <= address ? 1 : 0;
    });
  });
}

// ---- Life

PyObject* shadow_new(PyTypeObject* type, PyObject*, PyObject*) {
  PyObject* self = type->tp_alloc(type, 0);
  if (self) new (&shadow_container(self)) ShadowContainer(self);
  return self;
}

// Arguments are the business of the Python class.
int shadow_init(PyObject*, PyObject*, PyObject*) { return 0; }

int shadow_traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  return shadow_container(self).traverse(visit, arg);
}

int shadow_clear_references(PyObject* self) {
  shadow_container(self).clear();
  return 0;
}

void shadow_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  if (reinterpret_cast<ContainerHead*>(self)->weak_references) PyObject_ClearWeakRefs(self);
  shadow_container(self).~ShadowContainer();
  type->tp_free(self);
  Py_DECREF(type);
}

PyMemberDef shadow_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(ContainerHead, weak_references), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr}};

PyType_Slot shadow_slots[] = {{Py_tp_new, reinterpret_cast<void*>(shadow_new)},
                              {Py_tp_init, reinterpret_cast<void*>(shadow_init)},
                              {Py_tp_dealloc, reinterpret_cast<void*>(shadow_dealloc)},
                              {Py_tp_traverse, reinterpret_cast<void*>(shadow_traverse)},
                              {Py_tp_clear, reinterpret_cast<void*>(shadow_clear_references)},
                              {Py_tp_members, shadow_members},
                              {Py_tp_methods, shadow_methods},
                              {Py_tp_hash, reinterpret_cast<void*>(PyObject_HashNotImplemented)},
                              {Py_mp_subscript, reinterpret_cast<void*>(shadow_subscript)},
                              {Py_mp_ass_subscript, reinterpret_cast<void*>(shadow_assign)},
                              {Py_sq_contains, reinterpret_cast<void*>(shadow_contains)},
                              {0, nullptr}};

PyType_Spec shadow_spec = {"pyrsistence._core.ShadowBase", sizeof(ShadowObject), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, shadow_slots};

}  // namespace

bool is_shadow_object(PyObject* object) { return PyObject_TypeCheck(object, g_shadow_type); }

bool add_shadow_type(PyObject* module) {
  g_shadow_type = add_type(module, "ShadowBase", shadow_spec);
  return g_shadow_type != nullptr;
}

}  // namespace pyr
