// EMList's write-back cache: word of the block -> (index, object handed out). The word is the element's name,
// since it stays the same wherever the element moves; the index is where it was last seen.
#include "bindings/list_object.h"

namespace pyr {
namespace {

PyObject* word_name(Word word) { return PyLong_FromUnsignedLongLong(word.bits); }

bool keep(ListContainer& container, Word word, u64 index, PyObject* value) {
  const Ref name(word_name(word));
  const Ref entry(name ? Py_BuildValue("(KO)", static_cast<unsigned long long>(index), value) : nullptr);
  return entry && container.cache() && PyDict_SetItem(container.cache(), name.get(), entry.get()) == 0;
}

// Where the element with this word is; -1 if it is nowhere.
Py_ssize_t find_word(emd::List& list, Word word, u64 hint) {
  const std::span<const Word> words = list.words();
  if (hint < words.size() && words[hint] == word) return static_cast<Py_ssize_t>(hint);
  for (u64 i = 0; i < words.size(); ++i) {
    if (words[i] == word) return static_cast<Py_ssize_t>(i);
  }
  return -1;
}

bool same_bytes(Bytes a, Bytes b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

// Writes one element back if its encoding has changed.
bool flush_element(ListContainer& container, Word word, u64 hint, PyObject* value) {
  Buffer block;
  if (!container.codec().encode_value(value, block)) return false;
  container.enter();
  emd::List& list = container.list();
  const Py_ssize_t found = find_word(list, word, hint);
  if (found < 0 || same_bytes(list.block(word), block.bytes())) return true;
  const u64 index = static_cast<u64>(found);
  {
    const emd::Operation operation(container.store());
    with_block(list, block.bytes(), [&](Word stored) { list.set(index, stored); });
  }
  const Ref name(word_name(word));
  if (!name || PyDict_DelItem(container.cache(), name.get()) < 0) PyErr_Clear();
  return keep(container, list.get(index), index, value);
}

}  // namespace

PyObject* cached_element(ListContainer& container, Word word, u64 index) {
  const Ref name(word_name(word));
  if (!name) return nullptr;
  PyObject* entry = PyDict_GetItemWithError(container.cache(), name.get());
  if (entry) return Py_NewRef(PyTuple_GET_ITEM(entry, 1));
  if (PyErr_Occurred()) return nullptr;
  Ref value(container.decode_value(container.list().block(word)));
  if (value && container.cache() && is_mutable_value(value.get()) &&
      !keep(container, word, index, value.get())) {
    return nullptr;
  }
  return value.release();
}

bool remember_element(ListContainer& container, u64 index, PyObject* value) {
  const Word word = container.list().get(index);
  return !word.is_reference() || !is_mutable_value(value) || keep(container, word, index, value);
}

void forget_elements(ListContainer& container, u64 from, u64 step, u64 count) {
  if (!container.cache() || PyDict_GET_SIZE(container.cache()) == 0) return;
  for (u64 i = 0; i < count; ++i) {
    const Word word = container.list().get(from + i * step);
    if (!word.is_reference()) continue;
    const Ref name(word_name(word));
    if (!name || PyDict_DelItem(container.cache(), name.get()) < 0) PyErr_Clear();
  }
}

bool flush_list(ListContainer& container) {
  if (!container.cache()) return true;
  const Ref entries(PyDict_Items(container.cache()));
  if (!entries) return false;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(entries.get()); ++i) {
    PyObject* const item = PyList_GET_ITEM(entries.get(), i);
    PyObject* const entry = PyTuple_GET_ITEM(item, 1);
    const Word word{PyLong_AsUnsignedLongLong(PyTuple_GET_ITEM(item, 0))};
    const u64 hint = PyLong_AsUnsignedLongLong(PyTuple_GET_ITEM(entry, 0));
    if (!flush_element(container, word, hint, PyTuple_GET_ITEM(entry, 1))) return false;
  }
  return true;
}

}  // namespace pyr
