// The pause between two attempts: the one that was given, or a sleep.
#include "base/patience.h"

#include <thread>

namespace emd {

void Patience::pause(std::chrono::microseconds time) const {
  if (pause_) {
    pause_(time);
  } else {
    std::this_thread::sleep_for(time);
  }
}

}  // namespace emd
