// EMDict.update from a mapping or an iterable of pairs, with the errors of dict.update.
//
// Pairs go in groups where nobody's code runs between two of them. The code of any other iterator or mapping may look
// at the dict while it grows (a generator that counts, say), so its pairs go one by one.
#include <optional>

#include "python/dict/batch.h"

namespace pyr {
namespace {

// Stores pairs, in groups or one by one.
class PairWriter {
 public:
  PairWriter(DictContainer& container, bool in_groups) : container_(container) {
    if (in_groups) group_.emplace(container);
  }
  // False with an error set.
  bool put(PyObject* key, PyObject* value) {
    if (group_) return group_->add(key, value);
    return dict_store(container_, key, value) && (++alone_ % emd::Dict::kMaxGroup != 0 || let_others_in());
  }
  void flush() {
    if (group_) group_->store();
  }
  // Stores what is left, before an error that is set is told, too; gives `done` back.
  bool finish(bool done) {
    if (group_) group_->store_rest();
    return done;
  }

 private:
  DictContainer& container_;
  std::optional<PairGroup> group_;
  u64 alone_ = 0;  // stored one by one
};

bool put_dict(PairWriter& writer, PyObject* other) {
  PyObject *key, *value;
  Py_ssize_t position = 0;
  const Py_ssize_t size = PyDict_GET_SIZE(other);
  while (PyDict_Next(other, &position, &key, &value)) {
    const OwnedRef own_key = OwnedRef::borrowed(key);
    const OwnedRef own_value = OwnedRef::borrowed(value);
    if (!writer.put(key, value)) return false;
    if (PyDict_GET_SIZE(other) != size) {  // encoding has run code that changed it
      PyErr_SetString(PyExc_RuntimeError, "dictionary changed size during iteration");
      return false;
    }
  }
  return true;
}

bool update_from_dict(DictContainer& container, PyObject* given) {
  const OwnedRef walked = to_walk(given);
  if (!walked) return false;
  PairWriter writer(container, true);
  return writer.finish(put_dict(writer, walked.get()));
}

bool update_from_mapping(DictContainer& container, PyObject* other, PyObject* keys_method) {
  const OwnedRef keys(PyObject_CallNoArgs(keys_method));
  const OwnedRef iterator(keys ? PyObject_GetIter(keys.get()) : nullptr);
  if (!iterator) return false;
  while (true) {
    const OwnedRef key(PyIter_Next(iterator.get()));
    if (!key) return !PyErr_Occurred();
    const OwnedRef value(PyObject_GetItem(other, key.get()));
    if (!value || !dict_store(container, key.get(), value.get())) return false;
  }
}

bool put_pair(PairWriter& writer, PyObject* item, Py_ssize_t number) {
  if (!PyTuple_CheckExact(item) && !PyList_CheckExact(item)) writer.flush();  // its code may look at the dict
  const OwnedRef pair(PySequence_Fast(item, ""));
  if (!pair) {
    if (PyErr_ExceptionMatches(PyExc_TypeError)) {
      PyErr_Format(PyExc_TypeError, "cannot convert dictionary update sequence element #%zd to a sequence",
                   number);
    }
    return false;
  }
  const Py_ssize_t size = PySequence_Fast_GET_SIZE(pair.get());
  if (size != 2) {
    PyErr_Format(PyExc_ValueError, "dictionary update sequence element #%zd has length %zd; 2 is required",
                 number, size);
    return false;
  }
  const OwnedRef key = item_of(pair.get(), 0);
  const OwnedRef value = item_of(pair.get(), 1);
  return key && value && writer.put(key.get(), value.get());
}

bool put_pairs(PairWriter& writer, ObjectSource& source) {
  while (const OwnedRef item = source.next()) {
    if (!put_pair(writer, item.get(), source.given() - 1)) return false;
  }
  return !PyErr_Occurred();
}

bool update_from_pairs(DictContainer& container, PyObject* other) {
  ObjectSource source;
  if (!source.open(other)) return false;
  PairWriter writer(container, source.runs_no_code() || is_dict_iterator(other));
  return writer.finish(put_pairs(writer, source));
}

}  // namespace

bool dict_update(DictContainer& container, PyObject* other) {
  { const Container::EntryGuard entered(container); }  // a closed one is refused, whatever `other` is
  if (other == container.self()) return true;
  if (PyDict_CheckExact(other)) return update_from_dict(container, other);
  const OwnedRef keys(PyObject_GetAttrString(other, "keys"));
  if (keys) return update_from_mapping(container, other, keys.get());
  if (!PyErr_ExceptionMatches(PyExc_AttributeError)) return false;
  PyErr_Clear();
  return update_from_pairs(container, other);
}

}  // namespace pyr
