// The figures of stores and containers, as the package's stats() give them: dicts by name.
#pragma once

#include <nanobind/nanobind.h>

#include "python/core/handle.h"

namespace pyr {

// Cost: a look at the store's files, and at which of its mapped pages are in memory.
nanobind::dict store_stats(StoreHandle& handle);
// Of the container alone, region by region. Errors: TypeError for what is none.
nanobind::dict container_stats(nanobind::handle object);

}  // namespace pyr
