// Threads that stop when the interpreter ends, and the checking for signals.
#include "python/kit/gil.h"

#include <unistd.h>

#include <thread>

#include "python/kit/errors.h"

namespace pyr {

std::atomic<bool> interpreter_ends = false;

void park() noexcept {
  for (;;) ::pause();
}

bool interpreter_is_finalizing() {
#if PY_VERSION_HEX >= 0x030d0000
  return Py_IsFinalizing();
#else
  return _Py_IsFinalizing();
#endif
}

bool SignalWatch::due() {
  const auto now = std::chrono::steady_clock::now();
  if (now - last_ < kInterval) return false;
  last_ = now;
  return true;
}

void SignalWatch::check() const {
  const GilAcquireGuard taken;
  const bool good = stay([] { return PyErr_CheckSignals() == 0; });
  if (!good) throw PythonError();
}

void SignalWatch::pause(std::chrono::microseconds time) {
  std::this_thread::sleep_for(time);
  if (due()) check();
}

}  // namespace pyr
