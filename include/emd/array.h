// Public API: a growable sequence of items of one size, in memory as they are.
#pragma once

#include "structures/array/array.h"
