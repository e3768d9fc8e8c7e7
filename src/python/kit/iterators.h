// What the iterators of all containers share.
//
// An iterator belongs to one opening of its container (StoreHandle::opening(), or an epoch or version that differs
// between them): what was opened in its place is another container. It advances only while the container is entered, so that
// threads that share it are each given other elements; what it has taken is made an object outside.
#pragma once

#include <Python.h>

#include "python/kit/ref.h"

namespace pyr {

// What __reduce__ gives, so that iterators can be copied and pickled: what is left, as a list's iterator. `twin` is another
// iterator that stands where the first one does, or null with an error set.
inline PyObject* reduced_iterator(const Ref& twin) {
  const Ref rest(twin ? PySequence_List(twin.get()) : nullptr);
  const Ref builtins(rest ? PyImport_ImportModule("builtins") : nullptr);
  const Ref iter(builtins ? PyObject_GetAttrString(builtins.get(), "iter") : nullptr);
  return iter ? Py_BuildValue("O(O)", iter.get(), rest.get()) : nullptr;
}

}  // namespace pyr
