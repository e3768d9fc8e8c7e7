// Not std::random_device: its set-up asks the processor what it can do, which traps under a hypervisor: some
// 50 us for 64 bits, where getrandom takes 0.7.
// By itself in its file, so that the fuzzers can put a fixed sequence in its place.
#include <sys/random.h>

#include "platform/random.h"
#include "platform/system_error.h"

namespace emd::platform {

u64 random_bits() {
  u64 bits;
  ssize_t n;
  do {
    n = ::getrandom(&bits, sizeof bits, 0);  // so few bytes come whole, or not at all
  } while (n < 0 && errno == EINTR);
  if (n != static_cast<ssize_t>(sizeof bits)) throw_errno("getrandom", "");
  return bits;
}

}  // namespace emd::platform
