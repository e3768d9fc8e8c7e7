// Fork guards on Linux: one registry for the process, which pthread_atfork() handlers hold over every fork.
#include "platform/fork_guard.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace emd::platform {
namespace {

struct Registry {
  std::mutex mutex;
  std::unordered_map<std::atomic<u32>*, u32> flags;  // bits by them
  std::vector<int> descriptors;
  std::vector<std::mutex*> held;
};

void before_fork();
void in_parent();
void in_child();

// Never destroyed: handles may outlive static destruction at the interpreter's end.
Registry& registry() {
  static Registry* const instance = [] {
    pthread_atfork(before_fork, in_parent, in_child);
    return new Registry;
  }();
  return *instance;
}

void before_fork() {
  registry().mutex.lock();
  for (std::mutex* mutex : registry().held) mutex->lock();
}
void in_parent() {
  for (std::mutex* mutex : registry().held) mutex->unlock();
  registry().mutex.unlock();
}

void in_child() {
  Registry& all = registry();
  for (const auto& [flags, bits] : all.flags) flags->fetch_or(bits, std::memory_order_relaxed);
  for (const int descriptor : all.descriptors) ::close(descriptor);
  all.descriptors.clear();
  for (std::mutex* mutex : all.held) mutex->unlock();
  all.mutex.unlock();
}

}  // namespace

ForkGuard::ForkGuard(std::atomic<u32>& flags, u32 bits) : flags_(flags) {
  const std::lock_guard hold(registry().mutex);
  registry().flags.emplace(&flags, bits);
}

ForkGuard::~ForkGuard() {
  const std::lock_guard hold(registry().mutex);
  registry().flags.erase(&flags_);
}

void hold_over_fork(std::mutex& mutex) {
  const std::lock_guard hold(registry().mutex);
  registry().held.push_back(&mutex);
}

ChildCloses::ChildCloses(int descriptor) : descriptor_(descriptor), process_(::getpid()) {
  const std::lock_guard hold(registry().mutex);
  registry().descriptors.push_back(descriptor);
}

// Closed and forgotten at once: the number may be another's as soon as it is free.
ChildCloses::~ChildCloses() {
  if (!owned()) return;
  const std::lock_guard hold(registry().mutex);
  std::erase(registry().descriptors, descriptor_);
  ::close(descriptor_);
}

bool ChildCloses::owned() const { return process_ == ::getpid(); }

}  // namespace emd::platform
