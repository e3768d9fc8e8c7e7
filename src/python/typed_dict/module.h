// The functions of pyrsistence._core that work on typed dicts, bound by nanobind: configuration and batches.
#pragma once

#include <nanobind/nanobind.h>

namespace pyr {

void bind_typed(nanobind::module_& module);

}  // namespace pyr
