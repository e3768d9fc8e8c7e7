// Whether bytes are UTF-8, as Python reads it: no surrogates, nothing longer than it has to be.
#pragma once

#include "base/bytes.h"

namespace emd {

bool is_utf8(Bytes bytes);

}  // namespace emd
