// Random bits from the system: for salts and for the seeds of hashes, which nobody should be able to guess.
//
// Threads: any. Other systems: getentropy on macOS and the BSDs, BCryptGenRandom on Windows.
#pragma once

#include "base/bytes.h"

namespace emd::platform {

// Cost: a system call, some 0.7 us under a hypervisor. Errors: SystemError.
u64 random_bits();

}  // namespace emd::platform
