// What batches of dicts and lists share.
//
// A batch goes in groups. The objects of a group are drawn from the caller and encoded, which may run Python code, so
// outside of the store; then all of the group is fetched, read or changed within one EntryGuard; and what was copied
// out is decoded at the end. So memory is bounded by that of a group, besides arguments and result.
//
// Threads: call with the GIL held, or attached where there is none.
#pragma once

#include <Python.h>

#include <cstddef>

#include "python/core/container.h"

namespace pyr {

// Encoded bytes of a group, or copies of what it has read, end at about this size.
inline constexpr std::size_t kGroupBytes = std::size_t{1} << 20;
// The first group of a batch is small: whether pages are missing is known only after some were.
inline constexpr std::size_t kFirstGroup = 64;
// In smaller groups the question whether pages are missing would cost more than 5 % of the answers.
inline constexpr std::size_t kLeastAsked = 32;

// Between two groups: other threads get the GIL if they wait for it. False with an error set: a signal's handler has
// raised.
bool let_others_in();

// Within an EntryGuard: has a group fetched, by fetch(group), from the disk first if its pages are not in memory. That
// waits, and so does without the GIL.
template <class Structure, class Group>
void fetch_group(Container& container, Structure& structure, const Group& group) {
  if (group.size() >= kLeastAsked && structure.begin_batch())
    container.handle().run_long([&] { structure.read_ahead(group); });
  structure.fetch(group);
}

// Has the TypeError or IndexError that is set say which of `what` it is about; leaves other errors as they are.
void name_place(const char* what, Py_ssize_t place);

// Appends to a list and gives up the reference. False with an error set, also if there is no object.
bool append_object(PyObject* list, PyObject* object);

// Whether the iterables may have the same length: false, with ValueError set, if both state it and differ; or with what
// a __len__ has raised. `what` names the first.
bool may_pair(PyObject* first, PyObject* values, const char* what);

// Sets ValueError: one of them ended first.
void refuse_end(const char* what, bool values_ended, Py_ssize_t count);

}  // namespace pyr
