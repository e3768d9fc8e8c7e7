// Opens a file of a store: a regular one. Whoever may write in the directory may put something else there: to open a
// FIFO would wait for ever, a device would answer for ever.
#pragma once

#include <string>

namespace emd::platform {

// As openat() with a mode for a file that is made, in the directory itself (no symlink is followed), and without
// waiting. -1 with errno set if that fails.
// Errors: DamagedError if it is no regular file.
int open_regular(int directory, const char* name, int flags, const std::string& path, unsigned mode = 0);

}  // namespace emd::platform
