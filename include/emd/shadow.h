// Public API: flags for each address of some ranges, of which only what differs takes space.
#pragma once

#include "structures/shadow/shadow.h"
