// Directories of a store, held in memory: made sound once, damaged as an input says, and written out for a run. Nothing
// here knows what files a store has, but the superblock, the journal, and that a region table names the others.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "input.h"

namespace emd::fuzz {

using Files = std::map<std::string, std::vector<u8>>;  // by name

Files read_directory(const std::string& path);
// Makes the directory hold just these.
void write_directory(const std::string& path, const Files& files);

// How far the damage goes, which decides what may be expected.
enum class Damage {
  none,
  bytes,   // any bytes of any files, sizes and names: what a bad disk may do
  forged,  // with checksums put right: what only malice does
};
// Makes the changes that the input describes.
Damage damage(Input& input, Files& files);

}  // namespace emd::fuzz
