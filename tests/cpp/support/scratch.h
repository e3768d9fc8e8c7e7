// A directory of its own for a test, removed afterwards.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>

#include "support/fast_directory.h"

class Scratch {
 public:
  explicit Scratch(const std::filesystem::path& parent = std::filesystem::temp_directory_path()) {
    std::string pattern = (parent / "emd-test-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
  }
  // For a test with many syncs.
  static Scratch fast() { return Scratch(fast_directory()); }
  ~Scratch() { std::filesystem::remove_all(root_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  std::string path(const std::string& name = "store") const { return root_ + "/" + name; }

 private:
  std::string root_;
};
