// 64-bit samples in an array, the sorted ones in a list, and a reader in another process that sees whole commits.
//
//   samples STORE
#include <emd/emd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <iostream>
#include <numeric>
#include <vector>

namespace {

using Sample = std::int64_t;

// A hundred thousand samples of a small generator of random numbers.
std::vector<Sample> measure() {
  std::vector<Sample> samples(100'000);
  std::uint64_t state = 1;
  for (Sample& sample : samples) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    sample = static_cast<Sample>(state >> 44);
  }
  return samples;
}

// In a process of its own: follows what the writer commits, and keeps nobody waiting.
int read_beside_the_writer(const char* path) {
  auto store = emd::Store::open(path, {.mode = emd::Mode::read});
  const emd::Array<Sample> samples = store.array<Sample>("samples");
  // While the snapshot is held, all calls see one state, and a view of the items may be taken: no copy is made.
  const emd::Snapshot snapshot = store.snapshot();
  const emd::ArrayView<const Sample> items = samples.view();
  std::cout << items.size() << " samples, sum " << std::accumulate(items.begin(), items.end(), Sample{0})
            << '\n';
  const emd::List sorted = store.list("sorted");
  const auto median = std::get<Sample>(sorted.get(sorted.size() / 2));
  std::cout << "median " << median << std::endl;
  return 0;
}

int run(const char* path) {
  auto store = emd::Store::open(path);
  auto samples = store.array<Sample>("samples");
  auto sorted = store.list("sorted");
  const std::vector<Sample> measured = measure();
  samples.extend(measured);
  sorted.extend(measured);
  sorted.sort();  // of any size: what does not fit the memory budget goes through files
  store.commit();
  samples.push_back(0);  // not committed yet: no reader sees it

  const pid_t child = ::fork();
  // What the parent has open is the parent's: the child opens the store itself.
  if (child == 0) ::_exit(read_beside_the_writer(path));
  int status = 0;
  ::waitpid(child, &status, 0);
  store.close();
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: samples STORE\n";
    return 2;
  }
  try {
    return run(argv[1]);
  } catch (const emd::Error& error) {
    std::cerr << "samples: " << error.what() << '\n';
    return 1;
  }
}
