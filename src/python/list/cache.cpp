// EMList's caches. That of decoded objects is by the word of the block. The write-back cache: word of the block ->
// (index, object handed out). The word is the element's name, since it stays the same wherever the element moves; the
// index is where it was last seen.
#include "python/codec/immutable.h"
#include "python/list/object.h"

namespace pyr {
namespace {

// Of more elements that go the cache of decoded objects is emptied.
constexpr u64 kForgottenSingly = 1024;

OwnedRef word_name(Word word) { return OwnedRef(PyLong_FromUnsignedLongLong(word.bits)); }

// Precondition: entered. False with an error set.
bool keep(WordsContainer& container, Word word, u64 index, PyObject* value, DeferredDecrefs& deferred) {
  const OwnedRef name = word_name(word);
  const OwnedRef entry(name ? Py_BuildValue("(KO)", static_cast<unsigned long long>(index), value) : nullptr);
  return entry && container.cache().keep(name.get(), entry.get(), deferred);
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

// The index of the element of this name; None if it is nowhere.
OwnedRef index_object(WordsContainer& container, PyObject* name, u64 hint) {
  const Word word{PyLong_AsUnsignedLongLong(name)};
  const Container::EntryGuard entered(container);
  const Py_ssize_t found = find_word(container.list(), word, hint);
  return found < 0 ? OwnedRef::borrowed(Py_None) : OwnedRef(PyLong_FromSsize_t(found));
}

// Writes one element back if its encoding has changed.
bool flush_element(WordsContainer& container, PyObject* name, PyObject* entry, PyObject* failures) {
  PyObject* const value = PyTuple_GET_ITEM(entry, 1);
  const u64 hint = PyLong_AsUnsignedLongLong(PyTuple_GET_ITEM(entry, 0));
  Buffer block;
  if (!container.codec().encode_value(value, block)) {
    OwnedRef error = take_exception();
    if (!error) return false;
    const OwnedRef index = index_object(container, name, hint);
    return index.get() == Py_None || note_failure(failures, std::move(error), index);
  }
  DeferredDecrefs deferred;
  const Container::EntryGuard entered(container);
  if (container.cache().find(name).get() != entry) return true;  // replaced or deleted meanwhile
  emd::List& list = container.list();
  const Word word{PyLong_AsUnsignedLongLong(name)};
  const Py_ssize_t found = find_word(list, word, hint);
  if (found < 0 || same_bytes(list.block(word), block.bytes())) return true;
  const u64 index = static_cast<u64>(found);
  {
    const emd::Operation operation(container.store());
    with_block(list, block.bytes(), [&](Word stored) { list.set(index, stored); });
  }
  container.cache().forget(name, deferred);
  return keep(container, list.get(index), index, value, deferred);
}

}  // namespace

void ExtractedElement::take_block(u64 index) {
  shared_ = container_.decoded().on() && !copy_always_;
  changes_ = container_.store().changes();
  if (shared_) {
    PyObject* const known = container_.decoded().find(decoded_name(word_), changes_);
    decoded_ = known != nullptr;
    Py_XSETREF(object_, Py_XNewRef(known));
    if (known) return;
  }
  const Bytes bytes = container_.list().block(word_);
  const bool live = container_.live();
  const WriteBack& cache = container_.cache();
  cached_ = cache.on();
  decoded_ = !live && !cached_ && !copy_always_ && decodes_in_place(bytes);
  if (decoded_) {
    object_ = decode_scalar(container_.codec(), bytes);
    return;
  }
  index_ = index;
  cache_changes_ = cache.changes();
  if (!copies_) copies_.emplace();
  copies_->clear();
  copies_->add(bytes, live);
}

bool ExtractedElement::is_at(u64 index) const {
  emd::List& list = container_.list();
  if (index >= list.size() || list.get(index) != word_) return false;
  return !word_.is_reference() || same_bytes(list.block(word_), copies_->bytes());
}

PyObject* ExtractedElement::block_object() {
  if (decoded_) return std::exchange(object_, nullptr);
  if (shared_) return container_.shared_object({decoded_name(word_), copies_->bytes(), changes_, admission_});
  if (__builtin_expect(!cached_, 1)) return container_.codec().decode_value(copies_->bytes());
  const OwnedRef name = word_name(word_);
  if (!name) return nullptr;
  {
    const Container::EntryGuard entered(container_);
    const OwnedRef entry = container_.cache().find(name.get());
    if (entry && container_.cache().changes() == cache_changes_)
      return Py_NewRef(PyTuple_GET_ITEM(entry.get(), 1));
  }
  return remembered(container_.codec().decode_value(copies_->bytes()));
}

// Remembers a value just decoded, unless the list has been changed meanwhile; gives it back.
PyObject* ExtractedElement::remembered(PyObject* value) {
  if (!value || is_immutable(value) || !container_.attached()) return value;
  OwnedRef held(value);
  DeferredDecrefs deferred;
  const Container::EntryGuard entered(container_);
  WriteBack& cache = container_.cache();
  if (!cache.on() || cache.changes() != cache_changes_) return held.release();
  return keep(container_, word_, index_, value, deferred) ? held.release() : nullptr;
}

PyObject* element_anew(WordsContainer& container, Py_ssize_t index) {
  ExtractedElement element(container);
  element.copy_always();
  const bool found = element.read([&](u64 size) {
    const u64 at = resolved_index(index, size);
    return at < size ? std::optional<u64>(at) : std::nullopt;
  });
  if (found) return element.object();
  PyErr_Format(PyExc_IndexError, "%s index out of range", container.noun());
  return nullptr;
}

bool remember_element(WordsContainer& container, u64 index, PyObject* value, DeferredDecrefs& deferred) {
  if (!container.cache().on()) return true;
  const Word word = container.list().get(index);
  return !word.is_reference() || is_immutable(value) || keep(container, word, index, value, deferred);
}

namespace {

void forget_decoded(WordsContainer& container, u64 from, u64 step, u64 count, DeferredDecrefs& deferred) {
  DecodedCache& cache = container.decoded();
  if (count > kForgottenSingly) return cache.forget_all(deferred);
  for (u64 i = 0; i < count; ++i) {
    const Word word = container.list().get(from + i * step);
    if (word.is_reference()) cache.forget(decoded_name(word), deferred);
  }
}

}  // namespace

void forget_elements(WordsContainer& container, u64 from, u64 step, u64 count, DeferredDecrefs& deferred) {
  if (container.decoded().on()) forget_decoded(container, from, step, count, deferred);
  if (!container.cache().on()) return;
  container.cache().changed();
  for (u64 i = 0; i < count && !container.cache().empty(); ++i) {
    const Word word = container.list().get(from + i * step);
    if (!word.is_reference()) continue;
    if (const OwnedRef name = word_name(word)) {
      container.cache().forget(name.get(), deferred);
    } else {
      PyErr_Clear();
    }
  }
}

bool WordsContainer::flush(PyObject* failures) {
  return flush_kept(
      [&](PyObject* index, PyObject* value) { return flush_element(*this, index, value, failures); });
}

}  // namespace pyr
