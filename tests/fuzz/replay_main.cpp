// A fuzz target without libFuzzer, for `make test`: replays inputs, then runs some thousands of small mutations of
// them. It knows no coverage, so it finds little that is new; it shows that what was found stays found, and that the
// targets still build and run, with the compiler that builds everything else.
//
//   NAME_fuzzer [-runs=N] [-seed=N] FILE-OR-DIRECTORY...
//
// When a run ends the process, the input is in the file NAME_fuzzer.input of the working directory.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "base/bytes.h"

extern "C" int LLVMFuzzerTestOneInput(const emd::u8* data, std::size_t size);
// Not all targets have one.
extern "C" __attribute__((weak)) int LLVMFuzzerInitialize(int* count, char*** arguments);

namespace {

namespace fs = std::filesystem;
using emd::u64;
using emd::u8;
using Bytes = std::vector<u8>;

constexpr std::size_t kMaxInput = 4096;
// A run takes milliseconds. One of this length hangs.
constexpr unsigned kHangSeconds = 60;

// Keeps the present input in a mapped file: it is there whatever ends the process, and costs no call a run.
class LastInput {
 public:
  explicit LastInput(std::string path) : path_(std::move(path)) {
    const int file = ::open(path_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file < 0 || ::ftruncate(file, kBytes) != 0) fail();
    void* const mapped = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (mapped == MAP_FAILED) fail();
    ::close(file);
    at_ = static_cast<u8*>(mapped);
  }
  // The length goes in front: `tail -c +9 FILE | head -c LENGTH`.
  void set(const Bytes& input) {
    const u64 size = std::min<u64>(input.size(), kBytes - sizeof size);
    emd::store(at_, size);
    if (size != 0) std::memcpy(at_ + sizeof size, input.data(), size);
  }
  void forget() { fs::remove(path_); }

 private:
  static constexpr u64 kBytes = u64{1} << 20;
  [[noreturn]] void fail() {
    std::perror(path_.c_str());
    std::exit(2);
  }
  const std::string path_;
  u8* at_ = nullptr;
};

std::vector<Bytes> read_inputs(const std::vector<std::string>& paths) {
  std::vector<fs::path> files;
  for (const std::string& path : paths) {
    if (!fs::is_directory(path)) {
      files.push_back(path);
      continue;
    }
    for (const fs::directory_entry& entry : fs::directory_iterator(path)) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());  // the same order everywhere, so that a seed means the same
  std::vector<Bytes> inputs;
  for (const fs::path& path : files) {
    std::ifstream in(path, std::ios::binary);
    if (!in) {
      std::fprintf(stderr, "%s: cannot be read\n", path.c_str());
      std::exit(2);
    }
    inputs.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return inputs;
}

// A few changes: bytes set, bits flipped, pieces cut, doubled, or taken from another input.
Bytes mutate(const std::vector<Bytes>& inputs, std::mt19937_64& random) {
  const auto below = [&](std::size_t n) {
    return static_cast<std::size_t>(random() % std::max<std::size_t>(n, 1));
  };
  Bytes input = inputs.empty() ? Bytes() : inputs[below(inputs.size())];
  for (std::size_t changes = 1 + below(6); changes != 0; --changes) {
    const std::size_t at = below(input.size());
    const auto place = input.begin() + static_cast<std::ptrdiff_t>(at);
    switch (input.empty() ? 3 : random() % 6) {
      case 0:
        *place = static_cast<u8>(random());
        break;
      case 1:
        *place = static_cast<u8>(*place ^ 1u << random() % 8);
        break;
      case 2:
        input.erase(place, place + static_cast<std::ptrdiff_t>(
                                       below(std::min<std::size_t>(input.size() - at, 16)) + 1));
        break;
      case 3:
        for (std::size_t n = below(16) + 1; n != 0; --n) input.push_back(static_cast<u8>(random()));
        break;
      case 4: {
        const Bytes& other = inputs[below(inputs.size())];
        const std::size_t from = below(other.size());
        const Bytes piece(other.begin() + static_cast<std::ptrdiff_t>(from), other.end());
        input.insert(place, piece.begin(),
                     piece.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(piece.size(), 64)));
        break;
      }
      default:
        *place = random() % 2 ? 0xff : 0;
    }
  }
  if (input.size() > kMaxInput) input.resize(kMaxInput);
  return input;
}

}  // namespace

int main(int count, char** arguments) {
  u64 runs = 0, seed = std::random_device()();
  std::vector<std::string> paths;
  for (int i = 1; i < count; ++i) {
    const std::string argument = arguments[i];
    if (argument.starts_with("-runs=")) {
      runs = std::stoull(argument.substr(6));
    } else if (argument.starts_with("-seed=")) {
      seed = std::stoull(argument.substr(6));
    } else {
      paths.push_back(argument);
    }
  }
  const std::string name = fs::path(arguments[0]).filename().string();
  const std::vector<Bytes> inputs = read_inputs(paths);
  std::printf("%s: %zu inputs, %llu mutations, -seed=%llu\n", name.c_str(), inputs.size(),
              static_cast<unsigned long long>(runs), static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  if (LLVMFuzzerInitialize != nullptr) LLVMFuzzerInitialize(&count, &arguments);
  LastInput last(name + ".input");
  const auto run = [&](const Bytes& input) {
    last.set(input);
    ::alarm(kHangSeconds);  // its signal ends the process
    LLVMFuzzerTestOneInput(input.data(), input.size());
  };
  for (const Bytes& input : inputs) run(input);
  std::mt19937_64 random(seed);
  for (u64 i = 0; i < runs; ++i) run(mutate(inputs, random));
  last.forget();
  return 0;
}
