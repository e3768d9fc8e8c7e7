// EMList: reading, assigning and deleting slices.
#include "python/list/object.h"

namespace pyr {
namespace {

// A slice of a list of a certain size; step is not zero.
struct Range {
  Py_ssize_t start;
  Py_ssize_t stop;
  Py_ssize_t step;
  Py_ssize_t count;

  u64 index(Py_ssize_t i) const { return static_cast<u64>(start + i * step); }
  // The lowest index and the distance upwards: the same elements in rising order.
  u64 lowest() const { return step > 0 ? static_cast<u64>(start) : index(count - 1); }
  u64 distance() const { return static_cast<u64>(step > 0 ? step : -step); }
};

// Runs __index__ of the slice's parts; false with an error set. adjust() follows, after all Python code.
bool unpack(PyObject* slice, Range& range) {
  return PySlice_Unpack(slice, &range.start, &range.stop, &range.step) == 0;
}

void adjust(Range& range, u64 size) {
  range.count = PySlice_AdjustIndices(static_cast<Py_ssize_t>(size), &range.start, &range.stop, range.step);
}

bool encode_all(WordsContainer& container, PyObject* values, WordBatch& batch) {
  batch.reserve(static_cast<std::size_t>(PyList_GET_SIZE(values)));
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(values); ++i) {
    const OwnedRef value = OwnedRef::borrowed(PyList_GET_ITEM(values, i));
    if (!batch.add(container.codec(), value.get())) return false;
  }
  return true;
}

bool check_size(const WordBatch& batch, const Range& range) {
  if (static_cast<Py_ssize_t>(batch.count()) == range.count) return true;
  PyErr_Format(PyExc_ValueError, "attempt to assign sequence of size %zd to extended slice of size %zd",
               static_cast<Py_ssize_t>(batch.count()), range.count);
  return false;
}

bool assign_strided(ListContainer& container, const Range& range, WordBatch& batch,
                    DeferredDecrefs& deferred) {
  if (range.count == 0) return true;
  emd::List& list = container.list();
  forget_elements(container, range.lowest(), range.distance(), static_cast<u64>(range.count), deferred);
  container.change(static_cast<u64>(range.count) > kLongWords, [&] {
    // A damaged old block is found before anything changes.
    for (Py_ssize_t i = 0; i < range.count; ++i) {
      const Word old = list.get(range.index(i));
      if (old.is_reference()) (void)list.block(old);
    }
    batch.apply(list, [&](std::span<const Word> words) {
      for (Py_ssize_t i = 0; i < range.count; ++i)
        list.set(range.index(i), words[static_cast<std::size_t>(i)]);
    });
  });
  return true;
}

// With a write-back cache, one by one: what was handed out is handed out again.
PyObject* list_slice_of_objects(WordsContainer& container, Range range) {
  const u64 size = container.read([&] { return container.list().size(); });
  adjust(range, size);
  OwnedRef result(PyList_New(range.count));
  for (Py_ssize_t i = 0; result && i < range.count; ++i) {
    ExtractedElement element(container);
    const u64 at = range.index(i);
    if (!element.read([&](u64 now) { return at < now ? std::optional<u64>(at) : std::nullopt; })) {
      PyErr_SetString(PyExc_RuntimeError, "list changed size while a slice was read");
      return nullptr;
    }
    PyObject* const value = element.object();
    if (!value) return nullptr;
    PyList_SET_ITEM(result.get(), i, value);
  }
  return result.release();
}

}  // namespace

void ExtractedRange::begin(u64 count) {
  words_.clear();
  if (!words_.room(count * sizeof(Word))) throw PythonError();
  ends_.clear();
  copies_.clear();
  changes_ = container_.store().changes();
}

Word ExtractedRange::take(u64 index) {
  const Word word = container_.list().get(index);
  emd::store(words_.data() + words_.size(), word);
  words_.advance(sizeof word);
  if (!word.is_reference()) return word;
  copies_.add(container_.list().block(word), container_.live());
  ends_.push_back(copies_.size());
  return word;
}

PyObject* ExtractedRange::next() {
  const Word word = emd::load<Word>(words_.data() + sizeof(Word) * given_++);
  if (!word.is_reference()) return inline_value(word);
  const std::size_t from = block_ == 0 ? 0 : ends_[block_ - 1];
  const Bytes block = copies_.bytes().subspan(from, ends_[block_] - from);
  ++block_;
  return container_.decoded().on()
             ? container_.shared_object({decoded_name(word), block, changes_, admission_})
             : container_.codec().decode_value(block);
}

PyObject* list_slice(WordsContainer& container, PyObject* slice) {
  Range asked{};
  if (!unpack(slice, asked)) return nullptr;
  if (container.keeps_objects()) return list_slice_of_objects(container, asked);
  ExtractedRange extracted(container, DecodedCache::Admission::if_free);
  do {
    container.read([&] {
      Range range = asked;
      adjust(range, container.list().size());
      extracted.begin(static_cast<u64>(range.count));
      emd::Scan words, blocks;
      for (Py_ssize_t i = 0; i < range.count && !extracted.must_grow(); ++i) {
        container.list().reached(range.index(i), words);
        const Word word = extracted.take(range.index(i));
        if (word.is_reference()) container.list().reached_block(word, blocks);
      }
    });
  } while (extracted.grow());
  const auto count = static_cast<Py_ssize_t>(extracted.count());
  OwnedRef result(PyList_New(count));
  for (Py_ssize_t i = 0; result && i < count; ++i) {
    PyObject* const value = extracted.next();
    if (!value) return nullptr;
    PyList_SET_ITEM(result.get(), i, value);
  }
  return result.release();
}

bool list_assign_slice(ListContainer& container, PyObject* slice, PyObject* values) {
  Range range{};
  if (!unpack(slice, range)) return false;
  const OwnedRef all(PySequence_List(values));
  if (!all) {
    if (PyErr_ExceptionMatches(PyExc_TypeError) && !Py_TYPE(values)->tp_iter && !PySequence_Check(values)) {
      PyErr_SetString(PyExc_TypeError, range.step == 1 ? "can only assign an iterable"
                                                       : "must assign iterable to extended slice");
    }
    return false;
  }
  WordBatch batch;
  if (!encode_all(container, all.get(), batch)) return false;
  DeferredDecrefs deferred;
  const Container::EntryGuard entered(container);
  emd::List& list = container.list();
  adjust(range, list.size());
  if (range.step != 1) return check_size(batch, range) && assign_strided(container, range, batch, deferred);
  const u64 from = static_cast<u64>(range.start);
  const u64 to = from + static_cast<u64>(range.count);
  forget_elements(container, from, 1, to - from, deferred);
  container.change(list.size() - from + batch.count() > kLongWords, [&] {
    batch.apply(list, [&](std::span<const Word> words) { list.splice(from, to, words); });
  });
  return true;
}

bool list_delete_slice(ListContainer& container, PyObject* slice) {
  Range range{};
  if (!unpack(slice, range)) return false;
  DeferredDecrefs deferred;
  const Container::EntryGuard entered(container);
  emd::List& list = container.list();
  adjust(range, list.size());
  if (range.count == 0) return true;
  const u64 from = range.lowest();
  const u64 count = static_cast<u64>(range.count);
  forget_elements(container, from, range.distance(), count, deferred);
  container.change(list.size() - from > kLongWords, [&] {
    if (range.distance() == 1) {
      list.splice(from, from + count, {});
    } else {
      list.remove_strided(from, range.distance(), count);
    }
  });
  return true;
}

}  // namespace pyr
