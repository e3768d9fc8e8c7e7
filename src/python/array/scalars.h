// Elements of arrays that are one plain Python number: what their type is called, and both directions.
//
// Threads: pack and unpack with the GIL held, outside of an EntryGuard: packing may run code.
#pragma once

#include <Python.h>

#include "structures/array/array.h"

namespace pyr {

enum class Scalar : unsigned char { none, b1, i1, u1, i2, u2, i4, u4, i8, u8, f4, f8 };

// That of a type's items; none for all else: blocks of elements, other byte orders, texts, structures.
Scalar scalar_of(const emd::Array::Type& type);
// The same of the elements, whatever the shape of the items is.
Scalar element_of(const emd::Array::Type& type);
// One character, of the struct module and of Arrow's schema.
const char* struct_format(Scalar scalar);
const char* arrow_format(Scalar scalar);  // null: Arrow has it in another form

// A new reference, or null with an error set.
PyObject* unpack(Scalar scalar, const emd::u8* from);
// False with an error set: TypeError, OverflowError.
bool pack(Scalar scalar, PyObject* value, emd::u8* to);

}  // namespace pyr
