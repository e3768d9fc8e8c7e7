// For the dicts of attributes that a graph has handed out: which of those that it keeps are referred to by somebody
// else, or anything in them; and their content exchanged in one step.
//
// Threads: call with the GIL held, or attached where there is none.
#pragma once

#include <Python.h>

namespace pyr {

// Adds unheld() and replace() to the module. Returns -1 with an error set.
int add_live_functions(PyObject* module);

}  // namespace pyr
