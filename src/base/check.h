// Checks of preconditions: a failure is a programmer's error, not the disk's or the user's.
#pragma once

#include <emd/errors.h>

namespace emd {

[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace emd

// Always on: for what is cheap beside what it guards.
#define EMD_CHECK(condition) \
  (__builtin_expect(!(condition), 0) ? ::emd::check_failed(#condition, __FILE__, __LINE__) : (void)0)

// On in debug builds only: for hot paths.
#ifdef NDEBUG
#define EMD_DCHECK(condition) ((void)0)
#else
#define EMD_DCHECK(condition) EMD_CHECK(condition)
#endif
