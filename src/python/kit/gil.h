// The GIL: given up and taken back in these scopes only.
//
// A thread that wants it when the interpreter is ending does not get it any more. Before Python 3.14 CPython ends such
// a thread by unwinding its stack: through destructors that would touch objects without the GIL, and through handlers
// and noexcept functions that nothing may be unwound through. Here the thread stops where it is until the process has
// ended, as it does from 3.14 on.
#pragma once

#include <Python.h>

#include <cxxabi.h>

#include <atomic>
#include <chrono>
#include <utility>

namespace pyr {

// Whether the interpreter is about to end: set by the last call that it makes to us. From then on a thread may be
// without the GIL where it had it.
extern std::atomic<bool> interpreter_ends;

// Stops this thread until the process has ended.
[[noreturn]] void park() noexcept;

// Stops this thread if it has not the GIL.
inline void park_without_gil() {
  if (!PyGILState_Check()) park();
}

// Whether the interpreter has begun to end, so that no thread but this one gets the GIL again.
bool interpreter_is_finalizing();

// For what runs Python code, or waits for the GIL, where it may not be unwound.
template <class Body>
decltype(auto) stay(Body&& body) {
  try {
    return std::forward<Body>(body)();
  } catch (const abi::__forced_unwind&) {
    park();
  }
}

// The scope of work without the GIL.
class GilReleaseGuard {
 public:
  GilReleaseGuard() : state_(PyEval_SaveThread()) {}
  ~GilReleaseGuard() {
    stay([this] { PyEval_RestoreThread(state_); });
  }
  GilReleaseGuard(const GilReleaseGuard&) = delete;
  GilReleaseGuard& operator=(const GilReleaseGuard&) = delete;

 private:
  PyThreadState* state_;
};

// The scope of Python code within one without the GIL.
class GilAcquireGuard {
 public:
  GilAcquireGuard() : state_(stay([] { return PyGILState_Ensure(); })) {}
  ~GilAcquireGuard() { PyGILState_Release(state_); }
  GilAcquireGuard(const GilAcquireGuard&) = delete;
  GilAcquireGuard& operator=(const GilAcquireGuard&) = delete;

 private:
  PyGILState_STATE state_;
};

// Lets a thread that works or waits without the GIL be interrupted: it checks whether a signal has come, at most so
// often that this costs nothing. Errors: PythonError, with what the signal's handler has raised set.
class SignalWatch {
 public:
  // Whether the time has come to check again.
  bool due();
  void check() const;
  // Sleeps, and checks.
  void pause(std::chrono::microseconds time);

 private:
  static constexpr std::chrono::milliseconds kInterval{50};
  std::chrono::steady_clock::time_point last_{};
};

}  // namespace pyr
