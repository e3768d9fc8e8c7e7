// Public API: a consistent copy of a store, made while a writer in this or another process works.
#pragma once

#include "store/backup.h"
