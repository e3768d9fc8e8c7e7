// Turns errno into SystemError: what was tried, on what, and what to do where that is known.
#pragma once

#include <cerrno>
#include <cstring>
#include <string>

#include "base/errors.h"

namespace emd::platform {

[[noreturn]] inline void throw_errno(const char* call, const std::string& path, int error = errno) {
  std::string text = std::string(call) + " failed: " + std::strerror(error);
  if (error == ENOSPC) text += "; free some disk space and try again";
  if (error == EMFILE) text += "; raise the limit of open files (ulimit -n) or close containers";
  throw SystemError(error, text, path);
}

}  // namespace emd::platform
