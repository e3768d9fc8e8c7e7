// ShadowObject: the C part of EMShadowMemory: what is called for each instruction of a program, and all that runs over
// many addresses. What is convenient is the Python class's business. See python/dict/object.h for the order of work in
// a slot.
//
// Threads: any; see container.h.
#pragma once

#include <Python.h>

#include "python/core/container.h"
#include "python/kit/buffer_argument.h"
#include "structures/shadow/shadow.h"

namespace pyr {

using emd::Bytes;
using emd::u64;
using emd::u8;

class ShadowContainer final : public StructureContainer<emd::Shadow> {
 public:
  static constexpr const char* kTypeName = "pyrsistence._core.ShadowBase";
  using StructureContainer::StructureContainer;

  // Precondition: entered.
  emd::Shadow& shadow() { return structure(); }

  void want(PyObject* wanted) override;
};

// Work on more addresses than this releases the GIL.
inline constexpr u64 kLongRun = u64{64} << 10;

// ---- Arguments of methods; see method.h

// IndexError if it is none: negative, or of more than 64 bits.
struct Address {
  bool take(ShadowContainer&, PyObject* const* objects) { return take(objects[0]); }
  bool take(PyObject* object);
  operator u64() const { return at; }
  u64 at = 0;
};
// A length, which may be far too much. ValueError if it is negative.
struct Length {
  bool take(ShadowContainer&, PyObject* const* objects);
  operator u64() const { return addresses; }
  u64 addresses = 0;
};
// Flags of at most 64 bits. ValueError.
struct Flags {
  bool take(ShadowContainer&, PyObject* const* objects) { return take(objects[0]); }
  bool take(PyObject* object);
  operator u64() const { return bits; }
  u64 bits = 0;
};

// The address behind this one, which may be 2^64: a new reference, or null with an error set.
OwnedRef end_of(u64 last);
// The last of `length` addresses. Precondition: length != 0. Errors by exception: UnbackedError if they go beyond 2^64.
u64 last_of(u64 address, u64 length);
// Errors by exception: std::invalid_argument if there are none, where some are asked for, or more than the width takes.
void require_fit(const emd::Shadow& shadow, u64 flags);
void require_some(const emd::Shadow& shadow, u64 flags);
// Sets the flags of a run of addresses, in as many operations as it takes. Precondition: entered.
void change_run(ShadowContainer& container, u64 address, u64 length, emd::FlagChange change);

extern PyMethodDef shadow_methods[];
// Of bulk.cpp.
void shadow_remove_range(ShadowContainer& container, Address first, Address last);
PyObject* shadow_flag_runs(ShadowContainer& container, Address first, Address last, Length most);
void shadow_gather(ShadowContainer& container, const ReadBuffer& where, const WriteBuffer& to);
void shadow_scatter(ShadowContainer& container, const ReadBuffer& where, Flags keep, const ReadBuffer& sets);
void shadow_count_up(ShadowContainer& container, Address address, Length length, emd::u32 shift,
                     emd::u32 bits, Length by);
void shadow_count_up_at(ShadowContainer& container, const ReadBuffer& where, emd::u32 shift, emd::u32 bits,
                        Length by);

// Creates the type and adds it to the module; false with an error set.
bool add_shadow_type(PyObject* module);

}  // namespace pyr
