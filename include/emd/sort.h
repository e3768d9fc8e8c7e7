// Public API: sorting lists under a memory budget.
#pragma once

#include "algorithms/sort/sort.h"
