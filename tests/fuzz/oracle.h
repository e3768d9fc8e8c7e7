// What a fuzz target holds the code against. A broken promise ends the process, as a crash does, so that the fuzzer
// keeps the input.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/errors.h"
#include "store/store.h"

namespace emd::fuzz {

[[noreturn]] inline void fail(const std::string& promise) {
  std::fprintf(stderr, "broken promise: %s\n", promise.c_str());
  std::abort();
}

inline void require(bool holds, const char* promise) {
  if (!holds) fail(promise);
}

inline void require_sound(const Findings& findings, const char* when) {
  if (findings.empty()) return;
  fail(std::string("sound ") + when + ", but " + findings.front().where + ": " + findings.front().what);
}

// Runs a call on bytes that may be damaged: it answers, or refuses with an error of the library. Anything else that
// is thrown (a failed check, bad_alloc) is a finding. Of a structure that check() has called sound, refusing is a
// finding as well. Returns whether it answered.
template <class Call>
bool answers(bool sound, Call&& call) {
  try {
    call();
    return true;
  } catch (const Error& error) {
    if (sound) fail(std::string("check() found nothing, yet: ") + error.what());
    return false;
  }
}

}  // namespace emd::fuzz
