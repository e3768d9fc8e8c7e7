// Where tests with many syncs make their files: in memory, if there is room.
#pragma once

#include <cstdint>
#include <filesystem>
#include <system_error>

// A tmpfs that has room for what the largest test needs many times over, else the usual place. A full tmpfs would kill
// more than the allocation that failed: it gives a page to a hole that is merely read, or raises SIGBUS.
inline std::filesystem::path fast_directory() {
  constexpr std::uintmax_t kRoom = std::uintmax_t{1} << 30;
  const std::filesystem::path memory = "/dev/shm";
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(memory, error);
  return !error && space.available >= kRoom ? memory : std::filesystem::temp_directory_path();
}
