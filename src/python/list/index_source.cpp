// IndexSource: indices of arrays and of other iterables, and what is said of one out of range.
#include "python/list/index_source.h"

#include <type_traits>

#include "python/core/batch.h"
#include "python/list/object.h"

namespace pyr {

bool IndexSource::open(PyObject* indices) {
  if (array_.kind() == '?') {
    PyErr_SetString(PyExc_TypeError, "an array of booleans holds no indices; give numpy.flatnonzero() of it");
    return false;
  }
  return is_array() || objects_.open(indices);
}

namespace {

template <class T>
Py_ssize_t index_at(const u8* at) {
  const T number = emd::load<T>(at);
  if constexpr (std::is_same_v<T, u64>) {
    return number > u64{PY_SSIZE_T_MAX} ? PY_SSIZE_T_MAX : static_cast<Py_ssize_t>(number);
  } else {
    return number;
  }
}

Py_ssize_t number_at(const NumberArray& array, u64 i) {
  const u8* const at = array.at(i);
  const bool is_signed = array.kind() == 'i';
  switch (array.item_size()) {
    case 1:
      return is_signed ? index_at<std::int8_t>(at) : index_at<u8>(at);
    case 2:
      return is_signed ? index_at<std::int16_t>(at) : index_at<emd::u16>(at);
    case 4:
      return is_signed ? index_at<std::int32_t>(at) : index_at<emd::u32>(at);
    default:
      return is_signed ? index_at<std::int64_t>(at) : index_at<u64>(at);
  }
}

}  // namespace

bool IndexSource::next_of_array(Py_ssize_t& index) {
  const u64 at = static_cast<u64>(given_);
  if (at >= array_.count()) return false;
  index = number_at(array_, at);
  return true;
}

bool IndexSource::next_of_objects(Py_ssize_t& index) {
  const OwnedRef object = objects_.next();
  if (!object) return false;
  index = PyNumber_AsSsize_t(object.get(), PyExc_IndexError);
  if (index != -1 || !PyErr_Occurred()) return true;
  name_place("index", given_);
  return false;
}

bool IndexSource::next(Py_ssize_t& index) {
  if (!(is_array() ? next_of_array(index) : next_of_objects(index))) return false;
  ++given_;
  return true;
}

bool IndexSource::fill(Indices& group) {
  group.clear();
  const std::size_t most = given_ == 0 ? kFirstGroup : emd::List::kMaxGroup;
  Py_ssize_t index = 0;
  while (group.size() < most && next(index)) group.push_back(index);
  return !PyErr_Occurred() && let_others_in();
}

void resolve(const Indices& group, std::size_t from, u64 size, std::vector<u64>& places) {
  places.clear();
  for (std::size_t i = from; i < group.size(); ++i) {
    const u64 place = resolved_index(group[i], size);
    if (place >= size) return;
    places.push_back(place);
  }
}

void refuse_index(Py_ssize_t place, Py_ssize_t index, u64 size) {
  PyErr_Format(PyExc_IndexError, "list index out of range: index #%zd is %zd, the list has %llu elements",
               place, index, static_cast<unsigned long long>(size));
}

}  // namespace pyr
