// Makes the random bits of this program a fixed sequence: the same input must do the same in every process, and a
// store's hash seed decides where every key lies. (The symbol takes the place of the library's.)
#include <random>

#include "deterministic_random.h"
#include "platform/random.h"

namespace {
std::minstd_rand g_sequence;
}

namespace emd::fuzz {
void restart_random() { g_sequence.seed(1); }
}  // namespace emd::fuzz

emd::u64 emd::platform::random_bits() {
  const u64 high = g_sequence();
  return (high << 32 | g_sequence()) * 0x9e3779b97f4a7c15u;
}
