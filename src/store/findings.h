// How long a list of findings grows: bytes that contradict all others can break an invariant each, and a finding takes
// many times as much memory as they do. So a check() that goes through entries ends when the list is full, and says so.
#pragma once

#include <utility>

#include "store/store.h"

namespace emd {

// A list of more is of no use to anyone.
inline constexpr std::size_t kMostFindings = 10'000;

inline bool is_full(const Findings& findings) { return findings.size() >= kMostFindings; }

// What a check() adds when it has ended so.
inline Finding list_ends(const char* where) { return {where, "there is more: the list ends here"}; }

// Adds one while there is room; the last one says that there is more.
inline void add_while_room(Findings& findings, Finding finding) {
  if (is_full(findings)) return;
  const bool last = findings.size() + 1 == kMostFindings;
  findings.push_back(last ? list_ends(finding.where.c_str()) : std::move(finding));
}

}  // namespace emd
