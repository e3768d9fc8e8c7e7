// Public API: blocks of bytes in a region.
#pragma once

#include "alloc/heap.h"
