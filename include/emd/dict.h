// Public API: byte strings to byte strings, in insertion order.
#pragma once

#include "structures/dict/dict.h"
