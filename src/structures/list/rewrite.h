// Writing a list anew beside the old one: for list.cpp, and for the deque.
#pragma once

#include <utility>

#include "structures/list/header.h"
#include "structures/list/list.h"

namespace emd {

inline Bytes bytes_of(std::span<const Word> words) {
  return {reinterpret_cast<const u8*>(words.data()), words.size_bytes()};
}

// Writes a new content with build(rewrite), which fills the words of this extent; then leave() frees the blocks that go;
// then the content is switched. Returns false if there was no space for it and the list does not grow: the change can then
// be made in place, as deleting must work on a full disk.
template <class Build, class Leave>
bool List::rewrite(const Extent& extent, const Blocks& blocks, const Build& build, const Leave& leave) {
  try {
    Region::Rewrite fresh = words_.rewrite(packed_offset(extent.first + extent.length));
    build(fresh);
    ListHeader& header = *reinterpret_cast<ListHeader*>(fresh.data());
    write_header(header, extent.length, blocks);
    header.first = extent.first;
    leave();
    words_.finish(std::move(fresh));
    return true;
  } catch (const SystemError&) {
    if (extent.length > size()) throw;
    return false;
  }
}

}  // namespace emd
