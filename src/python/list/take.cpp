// EMList.take: elements at many indices, in groups whose memory is fetched side by side.
#include "python/core/batch.h"
#include "python/list/index_source.h"
#include "python/list/object.h"

namespace pyr {
namespace {

// Takes elements in groups.
class Taking {
 public:
  Taking(ListContainer& container, PyObject* result) : container_(container), result_(result) {}
  // Appends the elements of a group that begins at `place` of all. False with an error set.
  bool take(const Indices& group, Py_ssize_t place);

 private:
  void read(const Indices& group, std::size_t from);
  bool take_one_by_one(const Indices& group, Py_ssize_t place);

  ListContainer& container_;
  PyObject* result_;
  u64 size_ = 0;  // of the list, when it was read
  std::vector<u64> places_;
};

bool Taking::take(const Indices& group, Py_ssize_t place) {
  if (container_.keeps_objects()) return take_one_by_one(group, place);
  for (std::size_t from = 0; from < group.size();) {
    ExtractedRange range(container_, DecodedCache::Admission::evicting);
    do {
      container_.read([&] {
        size_ = container_.list().size();
        resolve(group, from, size_, places_);
        fetch_group(container_, container_.list(), places_);
        range.begin(places_.size());
        for (std::size_t i = 0;
             i < places_.size() && range.copied_bytes() < kGroupBytes && !range.must_grow(); ++i)
          range.take(places_[i]);
      });
    } while (range.grow());
    for (std::size_t i = 0; i < range.count(); ++i) {
      if (!append_object(result_, range.next())) return false;
    }
    from += range.count();
    if (range.count() != 0) continue;
    refuse_index(place + static_cast<Py_ssize_t>(from), group[from], size_);
    return false;
  }
  return true;
}

// With a write-back cache.
bool Taking::take_one_by_one(const Indices& group, Py_ssize_t place) {
  for (const Py_ssize_t index : group) {
    ExtractedElement element(container_);
    const bool found = element.read([&](u64 size) {
      size_ = size;
      const u64 at = resolved_index(index, size);
      return at < size ? std::optional<u64>(at) : std::nullopt;
    });
    if (!found) {
      refuse_index(place, index, size_);
      return false;
    }
    if (!append_object(result_, element.object())) return false;
    ++place;
  }
  return true;
}

}  // namespace

namespace {

// A range within the list is a slice. Null without an error if it is none.
PyObject* take_range(ListContainer& container, PyObject* range) {
  const Py_ssize_t count = PyObject_Size(range);
  const OwnedRef first(count > 0 ? PySequence_GetItem(range, 0) : nullptr);
  const OwnedRef last(first ? PySequence_GetItem(range, count - 1) : nullptr);
  const Py_ssize_t begin = last ? PyLong_AsSsize_t(first.get()) : -1;
  const Py_ssize_t end = last ? PyLong_AsSsize_t(last.get()) : -1;
  if (PyErr_Occurred()) PyErr_Clear();  // longer than any list
  if (begin < 0 || end < begin || end == PY_SSIZE_T_MAX || end - begin != count - 1) return nullptr;
  const OwnedRef slice(PySlice_New(OwnedRef(PyLong_FromSsize_t(begin)).get(),
                                   OwnedRef(PyLong_FromSsize_t(end + 1)).get(), nullptr));
  OwnedRef result(slice ? list_slice(container, slice.get()) : nullptr);
  // Shorter where the list ends before the range: then one of the indices is to be named.
  return result && PyList_GET_SIZE(result.get()) == count ? result.release() : nullptr;
}

}  // namespace

PyObject* list_take(ListContainer& container, PyObject* indices) {
  { const Container::EntryGuard entered(container); }  // a closed one is refused, whatever the indices are
  if (PyRange_Check(indices)) {
    PyObject* const slice = take_range(container, indices);
    if (slice || PyErr_Occurred()) return slice;
  }
  IndexSource source(indices);
  const OwnedRef result(PyList_New(0));
  if (!result || !source.open(indices)) return nullptr;
  Taking taking(container, result.get());
  Indices group;
  do {
    const Py_ssize_t place = source.given();
    if (!source.fill(group) || !taking.take(group, place)) return nullptr;
  } while (!group.empty());
  return Py_NewRef(result.get());
}

}  // namespace pyr
