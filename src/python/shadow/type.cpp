// The EMShadowMemory base type: its life, its slots, and what its arguments mean.
#include <stdexcept>
#include <string>

#include "base/errors.h"
#include "python/array/object.h"
#include "python/shadow/object.h"

namespace pyr {

// (width, whether it was given)
void ShadowContainer::want(PyObject* wanted) {
  emd::Shadow::OpenAs result;
  int given = 0;
  require(PyArg_ParseTuple(wanted, "Ip", &result.width, &given));
  if (result.width == 0 || result.width > 8)
    throw std::invalid_argument("expected a width of 1 to 8 bytes, found " + std::to_string(result.width));
  result.given = given != 0;
  wanted_ = result;
}

// ---- Arguments

namespace {

// A new reference to an integer, or null with an error set.
OwnedRef integer(PyObject* object) {
  return OwnedRef(PyLong_Check(object) ? Py_NewRef(object) : PyNumber_Index(object));
}

bool overflowed() {
  if (!PyErr_ExceptionMatches(PyExc_OverflowError)) return false;
  PyErr_Clear();
  return true;
}

// Of a number of any size.
bool is_negative(PyObject* number) {
  const OwnedRef zero(PyLong_FromLong(0));
  return zero && PyObject_RichCompareBool(number, zero.get(), Py_LT) == 1;
}

// False with an error set; of a number that does not fit, OverflowError.
bool as_number(PyObject* object, u64& number) {
  number = PyLong_AsUnsignedLongLong(object);
  return number != ~u64{0} || !PyErr_Occurred();
}

}  // namespace

bool Address::take(PyObject* object) {
  const OwnedRef number = integer(object);
  if (!number) return false;
  if (as_number(number.get(), at)) return true;
  if (overflowed())
    PyErr_Format(PyExc_IndexError, "address %R is not backed: addresses are from 0 to 2**64 - 1",
                 number.get());
  return false;
}

bool Length::take(ShadowContainer&, PyObject* const* objects) {
  const OwnedRef number = integer(objects[0]);
  if (!number) return false;
  if (as_number(number.get(), addresses)) return true;
  if (!overflowed()) return false;
  addresses = ~u64{0};
  if (!is_negative(number.get())) return true;
  PyErr_Format(PyExc_ValueError, "expected a length of 0 or more, found %R", number.get());
  return false;
}

bool Flags::take(PyObject* object) {
  const OwnedRef number = integer(object);
  if (!number) return false;
  if (as_number(number.get(), bits)) return true;
  if (overflowed())
    PyErr_Format(PyExc_ValueError, "expected flags of at most 8 bytes, found %R", number.get());
  return false;
}

OwnedRef end_of(u64 last) {
  const OwnedRef number(PyLong_FromUnsignedLongLong(last)), one(PyLong_FromLong(1));
  return OwnedRef(number && one ? PyNumber_Add(number.get(), one.get()) : nullptr);
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
    container.change(last - from > kLongRun, [&] { done = shadow.change(from, last, change); });
    if (done == last) return;
    from = done + 1;
  }
}

// ---- Slots

namespace {

PyObject* subscript(ShadowContainer& container, PyObject* key) {
  if (PySlice_Check(key)) return call_method(container.self(), "_get_slice", key);
  Address address;
  if (!address.take(key)) return nullptr;
  return PyLong_FromUnsignedLongLong(container.read([&] { return container.shadow().get(address); }));
}

int assign(ShadowContainer& container, PyObject* key, PyObject* value) {
  if (!value) {
    PyErr_SetString(PyExc_TypeError, "flags cannot be deleted: set them to 0");
    return -1;
  }
  if (PySlice_Check(key)) return OwnedRef(call_method(container.self(), "_set_slice", key, value)) ? 0 : -1;
  Address address;
  Flags flags;
  if (!address.take(key) || !flags.take(value)) return -1;
  const Container::EntryGuard entered(container);
  change_run(container, address, 1, {0, flags});
  return 0;
}

int contains(ShadowContainer& container, PyObject* key) {
  if (!PyIndex_Check(key)) return 0;
  Address address;
  if (!address.take(key)) {
    if (!PyErr_ExceptionMatches(PyExc_IndexError)) return -1;
    PyErr_Clear();
    return 0;
  }
  return container.read([&] {
    const auto range = container.shadow().range_at_or_after(address);
    return range && range->first <= address ? 1 : 0;
  });
}

}  // namespace

bool add_shadow_type(PyObject* module) {
  return add_container_type<ShadowContainer>(
      module, shadow_methods,
      {{Py_tp_hash, reinterpret_cast<void*>(PyObject_HashNotImplemented)},
       slot<&subscript>(Py_mp_subscript),
       slot<&assign>(Py_mp_ass_subscript),
       slot<&contains>(Py_sq_contains)});
}

}  // namespace pyr
