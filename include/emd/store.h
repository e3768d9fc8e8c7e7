// Public API: a directory whose members change together or not at all; transactions; the memory budget.
#pragma once

#include "store/store.h"
