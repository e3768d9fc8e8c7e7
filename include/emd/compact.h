// Public API: a member, or a whole store, written anew without dead space.
#pragma once

#include "algorithms/compact/compact.h"
