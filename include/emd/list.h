// Public API: a sequence of 64-bit words and byte strings.
#pragma once

#include "structures/list/list.h"
