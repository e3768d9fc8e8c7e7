// Copies a graph into an empty member, without dead space: the vertices get new numbers, in the same order.
#pragma once

#include <functional>

#include "base/bytes.h"
#include "store/store.h"

namespace emd {

// Both members are mapped. `copied_vertices` is told of every few: how many more are done; what it throws ends the copy.
// Cost: an insertion a vertex, and the bytes of the edges; 4 bytes of memory a vertex ever added.
// Errors: DamagedError of the source; SystemError; those of Store::look. `to` then holds a part.
void copy_graph(Store& from_store, Member& from, Store& to_store, Member& to,
                const std::function<void(u64)>& copied_vertices);

}  // namespace emd
