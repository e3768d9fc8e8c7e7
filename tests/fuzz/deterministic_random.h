// See deterministic_random.cpp.
#pragma once

namespace emd::fuzz {

// The sequence begins anew: called where a run may use it.
void restart_random();

}  // namespace emd::fuzz
