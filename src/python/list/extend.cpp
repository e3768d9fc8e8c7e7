// EMList.extend: any iterable, with fast paths for what can be turned into words in a tight loop.
//
// Elements of builtin containers, of iterators over them, of ranges and arrays go in chunks. Of any other iterable they
// go one by one: its code may look at the list while it grows. What was added before an exception stays, as for list.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <string>

#include "platform/file.h"
#include "python/codec/object_source.h"
#include "python/core/batch.h"
#include "python/kit/number_array.h"
#include "python/list/object.h"

namespace pyr {
namespace {

constexpr std::size_t kChunkWords = std::size_t{1} << 14;
constexpr u64 kAsksForRoom = u64{1} << 20;  // fewer words are just written
constexpr std::size_t kChunkBytes = std::size_t{1} << 20;

class ListGrowing final : public Growing {
 public:
  explicit ListGrowing(ListContainer& container) : Growing(container), container_(container) {}
  bool append(PyObject* value) override { return list_append(container_, value); }
  void add(std::span<const Word> words) override { container_.list().extend(words); }

 private:
  ListContainer& container_;
};

void add_batch(Growing& growing, WordBatch& batch) {
  if (batch.count() == 0) return;
  DeferredDecrefs deferred;
  const Container::EntryGuard entered(growing.container);
  growing.make_way(batch.count(), deferred);
  growing.container.change(batch.count() >= kChunkWords, [&] {
    batch.apply(growing.container.list(), [&](std::span<const Word> words) { growing.add(words); });
  });
}

void append_batch(Growing& growing, WordBatch& batch) {
  add_batch(growing, batch);
  batch.clear();
}

bool full(const WordBatch& batch) {
  return batch.count() >= kChunkWords || batch.block_bytes() >= kChunkBytes;
}

// False with an error set; what came before it is in the list or in the batch.
bool fill_from(Growing& growing, ObjectSource& source, WordBatch& batch) {
  while (const OwnedRef value = source.next()) {
    if (!batch.add(growing.container.codec(), value.get())) return false;
    if (!full(batch)) continue;
    append_batch(growing, batch);
    if (!let_others_in()) return false;
  }
  return !PyErr_Occurred();
}

bool extend_in_chunks(Growing& growing, ObjectSource& source) {
  WordBatch batch;
  if (fill_from(growing, source, batch)) {
    append_batch(growing, batch);
    return true;
  }
  const PendingErrorGuard error;
  append_batch(growing, batch);
  return false;
}

bool extend_one_by_one(Growing& growing, ObjectSource& source) {
  while (const OwnedRef value = source.next()) {
    if (!growing.append(value.get())) return false;
    if (source.given() % Py_ssize_t{emd::List::kMaxGroup} == 0 && !let_others_in()) return false;
  }
  return !PyErr_Occurred();
}

bool extend_from_any(Growing& growing, PyObject* iterable) {
  ObjectSource source;
  if (!source.open(iterable)) return false;
  return source.runs_no_code() ? extend_in_chunks(growing, source) : extend_one_by_one(growing, source);
}

// Precondition: entered. Adds elements from `from` on to the batch, until it is full. False with an error set.
bool fill_from_list(emd::List& list, u64& from, u64 end, WordBatch& batch) {
  for (; from < end && !full(batch); ++from) {
    const Word word = list.get(from);
    if (!word.is_reference()) {
      batch.add_word(word);
    } else if (!batch.add_block(list.block(word))) {
      return false;
    }
  }
  return true;
}

// The first `count` elements once more. Precondition: none leaves.
bool extend_from_self(Growing& growing, u64 count) {
  WordBatch batch;
  for (u64 added = 0; added < count; added += batch.count(), batch.clear()) {
    {
      const Container::EntryGuard entered(growing.container);
      emd::List& list = growing.container.list();
      u64 from = growing.moved(added, added);
      const u64 end = std::min(growing.moved(count, added), list.size());
      if (from >= end) break;  // another thread has shortened it
      if (!fill_from_list(list, from, end, batch)) return false;
    }
    add_batch(growing, batch);
  }
  return true;
}

// Whether so many words can be added, as far as it can be told before the first one is written. False with an error
// set. Errors by exception: SystemError: the disk has less space than they take.
bool check_room(WordsContainer& container, u64 words) {
  if (words > u64{PY_SSIZE_T_MAX} / sizeof(Word)) {  // as for a list
    PyErr_NoMemory();
    return false;
  }
  if (words < kAsksForRoom) return true;
  std::string path;
  {
    const Container::EntryGuard entered(container);
    path = container.handle().path();
  }
  const u64 available = emd::platform::available_space(path);
  if (words * sizeof(Word) <= available) return true;
  throw emd::SystemError(ENOSPC,
                         "expected room for " + std::to_string(words * sizeof(Word)) + " bytes more, found " +
                             std::to_string(available),
                         path);
}

// ---- Ranges ------------------------------------------------------------------------------------------

bool range_part(PyObject* range, const char* name, long long& part) {
  const OwnedRef value(PyObject_GetAttrString(range, name));
  int overflow = 0;
  if (value) part = PyLong_AsLongLongAndOverflow(value.get(), &overflow);
  return value && overflow == 0;
}

// Fills chunks with words by `word_at(i)` and appends them, without the GIL.
template <class WordAt>
bool extend_by(Growing& growing, u64 count, WordAt&& word_at) {
  auto chunk = std::make_unique<std::array<Word, kChunkWords>>();
  // Those before the last that there is room for would leave again.
  for (u64 done = count - std::min(count, growing.most()); done < count;) {
    const std::size_t size = count - done < kChunkWords ? count - done : kChunkWords;
    {
      DeferredDecrefs deferred;
      const Container::EntryGuard entered(growing.container);
      growing.make_way(size, deferred);
      growing.container.change(size == kChunkWords, [&] {
        for (std::size_t i = 0; i < size; ++i) (*chunk)[i] = word_at(done + i);
        growing.add({chunk->data(), size});
      });
    }
    done += size;
    if (PyErr_CheckSignals() < 0) return false;
  }
  return true;
}

// Returns false if the range is not of this kind, or with an error set.
bool extend_from_range(Growing& growing, PyObject* range) {
  long long start = 0;
  long long step = 0;
  const Py_ssize_t count = PyObject_Size(range);
  if (count < 0 || !range_part(range, "start", start) || !range_part(range, "step", step)) return false;
  // The last element is start + (count - 1) * step: both ends have to fit a word.
  long long span = 0;
  long long last = 0;
  if (__builtin_mul_overflow(count - 1, step, &span) || __builtin_add_overflow(start, span, &last))
    return false;
  if (!Word::fits_integer(start) || !Word::fits_integer(last)) return false;
  if (!check_room(growing.container, std::min(static_cast<u64>(count), growing.most()))) return false;
  return extend_by(growing, static_cast<u64>(count),
                   [=](u64 i) { return Word::integer(start + static_cast<i64>(i) * step); });
}

// ---- Arrays ------------------------------------------------------------------------------------------

// Integers beyond 48 bits, and NaNs beyond a word, need a block: then the array is not of this kind.
template <class T>
bool fits(const NumberArray& array) {
  for (u64 i = 0; i < array.count(); ++i) {
    const T value = emd::load<T>(array.at(i));
    if constexpr (std::is_floating_point_v<T>) {
      if (!Word::fits_real(value)) return false;
    } else if constexpr (std::is_unsigned_v<T>) {
      if (value >> 47 != 0) return false;
    } else if (!Word::fits_integer(value)) {
      return false;
    }
  }
  return true;
}

template <class T>
bool extend_from_numbers(Growing& growing, const NumberArray& array) {
  if constexpr (sizeof(T) == 8) {
    if (!fits<T>(array)) return false;
  }
  return extend_by(growing, array.count(), [&](u64 i) {
    const T value = emd::load<T>(array.at(i));
    if constexpr (std::is_floating_point_v<T>) return Word::real(value);
    if constexpr (std::is_same_v<T, bool>) return Word::boolean(value);
    return Word::integer(static_cast<i64>(value));
  });
}

// Returns false if the array is not of this kind, or with an error set.
bool extend_from_array(Growing& growing, const NumberArray& array) {
  const auto type = std::pair(array.kind(), array.item_size());
  if (type == std::pair('i', Py_ssize_t{8})) return extend_from_numbers<std::int64_t>(growing, array);
  if (type == std::pair('i', Py_ssize_t{4})) return extend_from_numbers<std::int32_t>(growing, array);
  if (type == std::pair('i', Py_ssize_t{2})) return extend_from_numbers<std::int16_t>(growing, array);
  if (type == std::pair('i', Py_ssize_t{1})) return extend_from_numbers<std::int8_t>(growing, array);
  if (type == std::pair('u', Py_ssize_t{8})) return extend_from_numbers<std::uint64_t>(growing, array);
  if (type == std::pair('u', Py_ssize_t{4})) return extend_from_numbers<std::uint32_t>(growing, array);
  if (type == std::pair('u', Py_ssize_t{2})) return extend_from_numbers<std::uint16_t>(growing, array);
  if (type == std::pair('u', Py_ssize_t{1})) return extend_from_numbers<std::uint8_t>(growing, array);
  if (type == std::pair('f', Py_ssize_t{8})) return extend_from_numbers<double>(growing, array);
  return false;
}

}  // namespace

namespace {

u64 size_of(WordsContainer& container) {
  return container.read([&] { return container.list().size(); });
}

}  // namespace

bool extend_with(Growing& growing, PyObject* iterable) {
  const u64 size = size_of(growing.container);  // a closed one is refused, whatever the iterable is
  if (iterable == growing.container.self()) return extend_from_self(growing, size);
  if (PyRange_Check(iterable)) {
    if (extend_from_range(growing, iterable)) return true;
    if (PyErr_Occurred()) return false;
  } else if (PyObject_CheckBuffer(iterable)) {
    const NumberArray array(iterable);
    if (array.kind() && extend_from_array(growing, array)) return true;
    if (PyErr_Occurred()) return false;
  }
  return extend_from_any(growing, iterable);
}

bool list_extend(ListContainer& container, PyObject* iterable) {
  ListGrowing growing(container);
  return extend_with(growing, iterable);
}

namespace {

bool repeat(Growing& growing, u64 count, u64 times) {
  for (u64 i = 1; i < times; ++i) {
    if (!extend_from_self(growing, count) || PyErr_CheckSignals() < 0) return false;
  }
  return true;
}

void cut_back(WordsContainer& container, u64 count) {
  const PendingErrorGuard held;
  if (!container.attached()) return;
  const Container::EntryGuard entered(container);
  const u64 size = container.list().size();
  if (size > count) container.change(false, [&] { container.list().splice(count, size, {}); });
}

}  // namespace

bool repeat_with(Growing& growing, Py_ssize_t times) {
  WordsContainer& container = growing.container;
  if (times <= 0) {
    DeferredDecrefs deferred;
    const Container::EntryGuard entered(container);
    forget_elements(container, 0, 1, container.list().size(), deferred);
    container.change(false, [&] { container.list().clear(); });
    return true;
  }
  const u64 count = size_of(container);
  if (count == 0 || times == 1) return true;
  u64 more = 0;
  if (__builtin_mul_overflow(count, static_cast<u64>(times - 1), &more)) more = ~u64{0};
  if (!check_room(container, more)) return false;
  try {
    if (repeat(growing, count, static_cast<u64>(times))) return true;
  } catch (...) {
    cut_back(container, count);
    throw;
  }
  cut_back(container, count);
  return false;
}

bool list_repeat(ListContainer& container, Py_ssize_t times) {
  ListGrowing growing(container);
  return repeat_with(growing, times);
}

}  // namespace pyr
