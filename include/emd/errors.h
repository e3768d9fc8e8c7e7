// Public API: the exceptions, and what each means.
#pragma once

#include "base/errors.h"
