// Public API: fixed-width integers and borrowed runs of bytes.
#pragma once

#include "base/bytes.h"
