// ListObject: the C part of EMList, with plain CPython slots. See python/dict/object.h for the order of work in a slot.
// And what it shares with EMDeque: whatever takes a WordsContainer.
//
// Threads: any; see container.h.
#pragma once

#include <Python.h>

#include <memory>
#include <optional>
#include <vector>

#include "python/core/container.h"
#include "python/core/extracted.h"
#include "python/list/words.h"
#include "structures/list/list.h"

namespace pyr {

// A container of words: a list or a deque.
class WordsContainer : public Container {
 public:
  using Container::Container;

  // Precondition: entered. A deque is changed through it by set() alone.
  emd::List& list() const { return *words_; }

  bool flush(PyObject* failures) override;
  bool can_share() const override { return true; }
  // "list", for messages.
  virtual const char* noun() const = 0;

 protected:
  bool named_by_place() const override { return true; }

  emd::List* words_ = nullptr;  // the structure
};

class ListContainer final : public StructureContainer<emd::List, WordsContainer> {
 public:
  static constexpr const char* kTypeName = "pyrsistence._core.ListBase";
  using StructureContainer::StructureContainer;
  const char* noun() const override { return "list"; }

 protected:
  void opened() override { words_ = &structure(); }
};

// Changes of more words than this release the GIL.
inline constexpr u64 kLongWords = u64{1} << 16;

// What the cache of decoded objects calls the element: the bytes of its word.
inline Bytes decoded_name(const Word& word) {
  return {reinterpret_cast<const u8*>(&word.bits), sizeof word.bits};
}

// An element, taken out of a list.
class ExtractedElement {
 public:
  using Admission = DecodedCache::Admission;

  // `admission`: what the object may push out of the cache of decoded ones.
  explicit ExtractedElement(WordsContainer& container, Admission admission = Admission::evicting)
      : container_(container), admission_(admission) {}
  ~ExtractedElement() { Py_CLEAR(object_); }
  ExtractedElement(const ExtractedElement&) = delete;
  ExtractedElement& operator=(const ExtractedElement&) = delete;

  // Takes the element at choose(size), an index as an optional; true if it gave one. Errors: as Container::read.
  template <class Choose>
  bool read(Choose&& choose) {
    bool found = false;
    do {
      container_.read([&] {
        const std::optional<u64> index = choose(container_.list().size());
        found = index.has_value();
        if (found) take(*index);
      });
    } while (found && grow());
    return found;
  }
  // The parts of read(). Within a read of the container: takes the element at an index that is in range.
  void take(u64 index) {
    word_ = container_.list().get(index);
    if (word_.is_reference()) take_block(index);
  }
  // After it: whether the read has to be repeated; grow() makes the room for that. Errors: PythonError.
  bool must_grow() const { return __builtin_expect(copies_.has_value(), 0) && copies_->must_grow(); }
  bool grow() { return __builtin_expect(copies_.has_value(), 0) && copies_->grow(); }
  Word word() const { return word_; }
  // Has copies taken of scalars too, and an object made that nobody else has: for is_at(). Before read().
  void copy_always() { copy_always_ = true; }
  // Whether the very element is at this index. Precondition: copy_always(); entered.
  bool is_at(u64 index) const;

  // A new reference, or null with an error set. Once.
  PyObject* object() {
    return __builtin_expect(!word_.is_reference(), 1) ? inline_value(word_) : block_object();
  }

 private:
  void take_block(u64 index);
  PyObject* block_object();
  PyObject* remembered(PyObject* value);

  WordsContainer& container_;
  const Admission admission_;
  Word word_;
  bool copy_always_ = false;
  bool decoded_ = false;  // object_ is the element; null with an error set
  bool cached_ = false;   // there is a write-back cache
  bool shared_ = false;   // there is a cache of decoded objects
  PyObject* object_ = nullptr;
  // Set with the copy.
  u64 index_;
  u64 cache_changes_;
  u64 changes_;                   // of the store
  std::optional<Copies> copies_;  // of the block; made when it is needed
};

// The word at choose(size); a reference to nothing if that is out of range. One that is no reference is the element:
// inline_value(); all else is for ExtractedElement, which reads it anew. Precondition: entered. Errors: as
// Container::read_consistent.
template <class Choose>
inline Word word_at(WordsContainer& container, Choose&& choose) {
  return container.read_consistent([&] {
    const emd::List& list = container.list();
    const u64 size = list.size();
    const u64 index = choose(size);
    return __builtin_expect(index < size, 1) ? list.get(index) : Word::reference({});
  });
}

// Elements at rising or falling distance, all of one state.
class ExtractedRange {
 public:
  // `admission`: what the objects may push out of the cache of decoded ones.
  ExtractedRange(WordsContainer& container, DecodedCache::Admission admission)
      : container_(container), admission_(admission) {}
  // Within a read.
  // Room for so many elements. Errors: PythonError.
  void begin(u64 count);
  Word take(u64 index);
  bool must_grow() const { return copies_.must_grow(); }
  // After it: whether the read has to be repeated, with the room for that made. Errors: PythonError.
  bool grow() { return copies_.grow(); }
  std::size_t count() const { return words_.size() / sizeof(Word); }
  std::size_t copied_bytes() const { return copies_.size(); }
  // A new reference, or null with an error set: one after the other.
  PyObject* next();

 private:
  WordsContainer& container_;
  const DecodedCache::Admission admission_;
  u64 changes_ = 0;  // of the store, when they were read
  Buffer words_;
  std::vector<std::size_t> ends_;  // of the blocks' copies
  Copies copies_;
  std::size_t given_ = 0;
  std::size_t block_ = 0;
};

// Where an index points to that may count from the end; a number that is not below `size` if it is out of range.
inline u64 resolved_index(Py_ssize_t index, u64 size) {
  return index < 0 ? static_cast<u64>(index) + size : static_cast<u64>(index);
}

// The element at resolve(size), whatever it is; IndexError if there is none. A new reference, or null with an error
// set.
template <class Resolve>
__attribute__((noinline)) PyObject* any_element_at(WordsContainer& container, Resolve&& resolve) {
  ExtractedElement element(container);
  const bool found = element.read([&](u64 size) {
    const u64 at = resolve(size);
    return __builtin_expect(at < size, 1) ? std::optional<u64>(at) : std::nullopt;
  });
  if (__builtin_expect(found, 1)) return element.object();
  PyErr_Format(PyExc_IndexError, "%s index out of range", container.noun());
  return nullptr;
}
template <class Resolve>
PyObject* element_at(WordsContainer& container, Resolve&& resolve) {
  Word word;
  {
    const Container::EntryGuard entered(container);
    word = word_at(container, resolve);
  }
  return word.is_reference() ? any_element_at(container, resolve) : inline_value(word);
}
// The element at an index, which may count from the end, as an object that nobody else has.
PyObject* element_anew(WordsContainer& container, Py_ssize_t index);

// An index that is clamped as slices do.
struct Clamped {
  bool take(WordsContainer&, PyObject* const* objects) {
    if (!PyIndex_Check(objects[0])) {
      PyErr_SetString(PyExc_TypeError, "slice indices must be integers or have an __index__ method");
      return false;
    }
    index = PyNumber_AsSsize_t(objects[0], nullptr);
    return index != -1 || !PyErr_Occurred();
  }
  u64 within(u64 size) const {
    if (index >= 0) return static_cast<u64>(index) < size ? static_cast<u64>(index) : size;
    const u64 back = u64{0} - static_cast<u64>(index);
    return back < size ? size - back : 0;
  }
  Py_ssize_t index = 0;
};

// Where many elements go that are added one behind the other.
class Growing {
 public:
  explicit Growing(WordsContainer& container) : container(container) {}
  virtual ~Growing() = default;
  Growing(const Growing&) = delete;
  Growing& operator=(const Growing&) = delete;

  // False with an error set.
  virtual bool append(PyObject* value) = 0;
  // So many are about to come: precondition: entered.
  virtual void make_way(u64 /*count*/, DeferredDecrefs& /*deferred*/) {}
  // Within an operation.
  virtual void add(std::span<const Word> words) = 0;
  // The most of them that will be there at the end.
  virtual u64 most() const { return ~u64{0}; }
  // Where an element is that was at `index` before so many had been added.
  virtual u64 moved(u64 index, u64 /*added*/) const { return index; }

  WordsContainer& container;
};

// False with an error set. Errors by exception: those of the structure.
bool list_append(ListContainer& container, PyObject* value);
// Negative indices count from the end. IndexError, which says `out_of_range`.
bool list_set(WordsContainer& container, Py_ssize_t index, PyObject* value,
              const char* out_of_range = "list assignment index out of range");
bool extend_with(Growing& growing, PyObject* iterable);
bool list_extend(ListContainer& container, PyObject* iterable);
// l *= times, where no element leaves.
bool repeat_with(Growing& growing, Py_ssize_t times);
bool list_repeat(ListContainer& container, Py_ssize_t times);
// Precondition of these: entered.

void list_remove(ListContainer& container, u64 index, DeferredDecrefs& deferred);
// The caches: drops the elements about to leave; keeps one that came.
void forget_elements(WordsContainer& container, u64 from, u64 step, u64 count, DeferredDecrefs& deferred);
bool remember_element(WordsContainer& container, u64 index, PyObject* value, DeferredDecrefs& deferred);

PyObject* list_slice(WordsContainer& container, PyObject* slice);
bool list_assign_slice(ListContainer& container, PyObject* slice, PyObject* values);
bool list_delete_slice(ListContainer& container, PyObject* slice);

// The elements at these indices, as a list; null with an error set.
PyObject* list_take(ListContainer& container, PyObject* indices);
// l[index] = value, of each. False with an error set; what was assigned before it stays.
bool list_set_many(ListContainer& container, PyObject* indices, PyObject* values);

PyObject* list_sort(ListContainer& container, PyObject* args, PyObject* kwargs);

// The first index in [from, to) whose element equals `value`, and that element; or -1; -2 with an error set; kChanged
// where the words are of another version than this one, if it is given.
inline constexpr Py_ssize_t kChanged = -3;
Py_ssize_t list_find(WordsContainer& container, PyObject* value, u64 from, u64 to, ExtractedElement& element,
                     std::optional<u64> version = {});

extern PyMethodDef list_methods[];
PyObject* list_iter(ListContainer& container);
PyObject* list_reversed(ListContainer& container);

// Creates the types and adds them to the module; false with an error set.
bool add_list_types(PyObject* module);
bool add_list_iterator_type(PyObject* module);
// Whether it is an iterator over just this list.
bool iterates_over(PyObject* object, PyObject* list);

}  // namespace pyr
