// How an iterator is pickled and copied: as the iterator of a list of what is left, as the builtin ones are.
#include "python/kit/cursor.h"

namespace pyr {

PyObject* reduced_iterator(const OwnedRef& rest) {
  const OwnedRef list(rest ? PySequence_List(rest.get()) : nullptr);
  const OwnedRef builtins(list ? PyImport_ImportModule("builtins") : nullptr);
  const OwnedRef iter(builtins ? PyObject_GetAttrString(builtins.get(), "iter") : nullptr);
  return iter ? Py_BuildValue("O(O)", iter.get(), list.get()) : nullptr;
}

}  // namespace pyr
