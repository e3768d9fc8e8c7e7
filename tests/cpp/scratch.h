// A directory of its own for a test, removed afterwards.
#pragma once

#include <filesystem>
#include <string>

class Scratch {
 public:
  // `parent`: where to make it, if that exists (a tmpfs makes tests with many syncs fast).
  explicit Scratch(const std::string& parent = "") {
    const bool usable = !parent.empty() && std::filesystem::is_directory(parent);
    const std::filesystem::path root =
        usable ? std::filesystem::path(parent) : std::filesystem::temp_directory_path();
    std::string pattern = (root / "emd-test-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
  }
  ~Scratch() { std::filesystem::remove_all(root_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  std::string path(const std::string& name = "store") const { return root_ + "/" + name; }

 private:
  std::string root_;
};
