// EMList.set_many: elements assigned at many indices, in groups whose memory is fetched side by side.
#include "python/core/batch.h"
#include "python/list/index_source.h"
#include "python/list/object.h"

namespace pyr {
namespace {

// The assignments of a group.
struct Assignments {
  Indices indices;
  std::vector<OwnedRef> values;
  WordBatch batch;  // of the values
  std::vector<u64> places;
};

enum class Filled { full, end, failed };

// Draws the next assignments and encodes their values. Failed with an error set; those before it are in the group.
Filled fill(ListContainer& container, IndexSource& indices, ObjectSource& values, Assignments& group) {
  group.indices.clear();
  group.values.clear();
  group.batch.clear();
  while (group.values.size() < emd::List::kMaxGroup && group.batch.block_bytes() < kGroupBytes) {
    Py_ssize_t index = 0;
    const bool found = indices.next(index);
    if (!found && PyErr_Occurred()) return Filled::failed;
    OwnedRef value = values.next();
    if (!value && PyErr_Occurred()) return Filled::failed;
    if (!found && !value) return Filled::end;
    if (!found || !value) {
      refuse_end("indices", found, found ? values.given() : indices.given());
      return Filled::failed;
    }
    if (!group.batch.add(container.codec(), value.get())) {
      name_place("value", values.given() - 1);
      return Filled::failed;
    }
    group.indices.push_back(index);
    group.values.push_back(std::move(value));
  }
  return let_others_in() ? Filled::full : Filled::failed;
}

// Precondition: entered. Assigns all; false if an index is out of range: then nothing has changed. Errors: those of the
// list.
bool assign_all(ListContainer& container, Assignments& group) {
  emd::List& list = container.list();
  resolve(group.indices, 0, list.size(), group.places);
  if (group.places.size() != group.indices.size()) return false;
  fetch_group(container, list, group.places);
  container.change(false, [&] {
    // A damaged old block is found before anything changes.
    for (const u64 place : group.places) {
      const Word old = list.get(place);
      if (old.is_reference()) (void)list.block(old);
    }
    group.batch.apply(list, [&](std::span<const Word> words) {
      for (std::size_t i = 0; i < words.size(); ++i) list.set(group.places[i], words[i]);
    });
  });
  return true;
}

// One by one: with a cache of objects, and up to the index that is refused.
bool assign_one_by_one(ListContainer& container, const Assignments& group, Py_ssize_t place) {
  for (std::size_t i = 0; i < group.values.size(); ++i) {
    if (list_set(container, group.indices[i], group.values[i].get())) continue;
    name_place("index", place + static_cast<Py_ssize_t>(i));
    return false;
  }
  return true;
}

// `place` is that of the group's first index among all. False with an error set.
bool assign(ListContainer& container, Assignments& group, Py_ssize_t place) {
  if (container.keeps_nothing()) {
    const Container::EntryGuard entered(container);
    if (assign_all(container, group)) return true;
  }
  return assign_one_by_one(container, group, place);
}

// What was drawn before an error is assigned, then the error is told; unless that has one of its own.
bool assign_before_error(ListContainer& container, Assignments& group, Py_ssize_t place) {
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  OwnedRef held[] = {OwnedRef(type), OwnedRef(value), OwnedRef(traceback)};
  if (assign(container, group, place)) PyErr_Restore(held[0].release(), held[1].release(), held[2].release());
  return false;
}

// What the list itself gives is taken before any of it changes.
OwnedRef apart(ListContainer& container, PyObject* source) {
  const bool own = source == container.self() || iterates_over(source, container.self());
  return own ? OwnedRef(PySequence_List(source)) : OwnedRef::borrowed(source);
}

}  // namespace

bool list_set_many(ListContainer& container, PyObject* given_indices, PyObject* given_values) {
  { const Container::EntryGuard entered(container); }  // a closed one is refused, whatever the arguments are
  const OwnedRef indices = apart(container, given_indices), values = apart(container, given_values);
  if (!indices || !values) return false;
  IndexSource index_source(indices.get());
  ObjectSource value_source;
  if (!may_pair(indices.get(), values.get(), "indices") || !index_source.open(indices.get()) ||
      !value_source.open(values.get()))
    return false;
  Assignments group;
  while (true) {
    const Py_ssize_t place = index_source.given();
    const Filled filled = fill(container, index_source, value_source, group);
    if (filled == Filled::failed) return assign_before_error(container, group, place);
    if (!assign(container, group, place)) return false;
    if (filled == Filled::end) return true;
  }
}

}  // namespace pyr
