// What is wrong with a store and its members, as the package's verify() tells it.
#pragma once

#include <string>
#include <vector>

#include "python/core/handle.h"

namespace pyr {

// "where: what" for each finding; none for a sound store. Beside a writer: of one state, which he is kept from leaving.
// Cost: reads all of it, without the GIL. Errors: as StoreHandle::use(); SnapshotError; what a signal raises.
std::vector<std::string> verify(StoreHandle& handle);

}  // namespace pyr
