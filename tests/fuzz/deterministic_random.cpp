// Makes std::random_device of this program a fixed sequence: the same input must do the same in every process, and a
// store's hash seed decides where every key lies. (The symbol takes the place of libstdc++'s.)
#include <random>

#include "deterministic_random.h"

namespace {
std::minstd_rand g_sequence;
}

namespace emd::fuzz {
void restart_random() { g_sequence.seed(1); }
}  // namespace emd::fuzz

std::random_device::result_type std::random_device::_M_getval() {
  return static_cast<result_type>(g_sequence()) * 0x9e3779b9u;
}
