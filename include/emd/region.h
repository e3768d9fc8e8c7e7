// Public API: a growable byte array in a file, for structures of your own.
#pragma once

#include "store/region.h"
