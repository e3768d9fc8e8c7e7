// Which objects cannot be changed in place: nothing has to remember them to notice a change.
//
// Threads: call with the GIL held, or attached where there is none.
#pragma once

#include <Python.h>

namespace pyr {

// Whether neither the object nor anything that is stored with it can be changed in place. Exact types that are known:
// numbers, text, bytes, times, paths, members of enumerations, NumPy's scalars, what is stored by its name (classes,
// functions), and tuples and frozensets of these; subclasses of the builtin ones if their objects have no attributes.
// False for what is not known. Runs no Python code. Cost: a few comparisons; of a tuple its items.
bool is_immutable(PyObject* value);

// Adds is_fixed() to the module. Returns -1 with an error set.
int add_immutable_functions(PyObject* module);

}  // namespace pyr
