// RegionView: what exports bytes of a container's region as a buffer. They stay where they are as long as it lives,
// also when the container has been closed; it keeps the container's object, so that it is not closed because nobody
// else does.
//
// Threads: any.
#pragma once

#include <Python.h>

#include <functional>
#include <string>
#include <vector>

#include "python/core/container.h"
#include "store/region.h"

namespace pyr {

// Bytes of a region as items of a shape, C-contiguous: elements of `element_bytes` in blocks of `shape`.
struct ViewedItems {
  emd::Region::View view;
  std::string format = "B";
  emd::u64 element_bytes = 1;
  std::vector<emd::u64> shape = {};  // of an item
};

// An object that exports what `take` gives, which is called inside a read of the container, perhaps several times. A
// new reference, or null with an error set. Errors by exception: StateError beside a writer without a snapshot,
// ReadOnlyError, those of take().
PyObject* make_region_view(Container& container, bool writable, const std::function<ViewedItems()>& take);

// Creates the type and adds it to the module; false with an error set.
bool add_region_view_type(PyObject* module);

}  // namespace pyr
