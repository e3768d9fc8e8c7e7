#include "python/kit/cursor.h"

namespace pyr {

PyObject* reduced_iterator(const Ref& rest) {
  const Ref list(rest ? PySequence_List(rest.get()) : nullptr);
  const Ref builtins(list ? PyImport_ImportModule("builtins") : nullptr);
  const Ref iter(builtins ? PyObject_GetAttrString(builtins.get(), "iter") : nullptr);
  return iter ? Py_BuildValue("O(O)", iter.get(), list.get()) : nullptr;
}

}  // namespace pyr
