// Public API: a dict whose keys and values have one size each, in rows.
#pragma once

#include "structures/typed_dict/typed_dict.h"
