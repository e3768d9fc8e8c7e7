// Patience: how long a thread waits for another process, and how.
//
// Waiting is asking again after short pauses. A pause may throw: then the wait is over, and all is as before it. So a
// caller can look at signals meanwhile, and let go of what others need.
#pragma once

#include <chrono>
#include <functional>

namespace emd {

// Sleeps for so long; may throw to end the wait.
using Pause = std::function<void(std::chrono::microseconds)>;

class Patience {
 public:
  // `pause`: null to sleep only; else it outlives this.
  Patience(double seconds, const Pause& pause)
      : deadline_(Clock::now() + std::chrono::duration<double>(seconds)), pause_(pause) {}

  bool over() const { return Clock::now() >= deadline_; }
  void pause(std::chrono::microseconds time) const;

 private:
  using Clock = std::chrono::steady_clock;
  // In floating point, which has room for any number of seconds.
  std::chrono::time_point<Clock, std::chrono::duration<double>> deadline_;
  const Pause& pause_;
};

}  // namespace emd
