// EMList: searching. Words are compared with a number, a bool, None or a short text without making objects;
// what lies in the heap, and whatever else is searched for, is decoded and compared with ==.
#include <algorithm>
#include <optional>

#include "python/list/object.h"

namespace pyr {
namespace {

// Integers up to this size are exact as doubles.
constexpr i64 kExactDouble = i64{1} << 53;

// What is searched for, if it is of a type whose equality with a word needs no Python code.
class Probe {
 public:
  explicit Probe(PyObject* value) {
    if (value == Py_None) {
      word_ = Word::none();
    } else if (PyBool_Check(value)) {
      number_ = value == Py_True ? 1.0 : 0.0;
    } else if (PyFloat_CheckExact(value)) {
      number_ = PyFloat_AS_DOUBLE(value);
    } else if (PyLong_CheckExact(value)) {
      set_integer(value);
    } else if (PyUnicode_CheckExact(value)) {
      set_text(value);
    }
  }
  bool usable() const { return word_.has_value() || number_.has_value(); }

  bool equals(Word word) const {
    if (word_) return word == *word_;
    switch (word.tag()) {
      case Word::Tag::integer:
        return static_cast<double>(word.as_integer()) == *number_;
      case Word::Tag::real:
        return word.as_real() == *number_;
      case Word::Tag::boolean:
        return (word.as_boolean() ? 1.0 : 0.0) == *number_;
      default:
        return false;
    }
  }

 private:
  void set_integer(PyObject* value) {
    int overflow = 0;
    const long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (overflow == 0 && number >= -kExactDouble && number <= kExactDouble) {
      number_ = static_cast<double>(number);
    }
  }

  // A text that fits a word is in no other word; one that does not fit is in none.
  void set_text(PyObject* value) {
    Word word;
    word_ = encode_inline(value, word) ? word : Word{~u64{0}};
  }

  std::optional<Word> word_;
  std::optional<double> number_;
};

// Whether the word could be compared by the probe: not a block, and of a known kind.
bool comparable(Word word) { return !word.is_reference() && word.tag() != Word::Tag::unknown; }

// Words looked at in one read: a writer's commit repeats no more than these.
constexpr u64 kWordsAtOnce = u64{1} << 14;

enum class SearchStep { equal, to_compare, further, end, changed };

// Searches from `at` on, which becomes the index of what was found, or where to go on.
SearchStep search(WordsContainer& container, const Probe& probe, u64& at, u64 to, ExtractedElement& element) {
  const std::span<const Word> words = container.list().words();
  const u64 end = std::min<u64>(to, words.size());
  const u64 here = at < end ? std::min(end, at + kWordsAtOnce) : at;
  const bool usable = probe.usable();
  for (; at < here; ++at) {
    const Word word = words[at];
    if (!usable || !comparable(word)) {
      element.take(at);
      return SearchStep::to_compare;
    }
    if (probe.equals(word)) {
      element.take(at);
      return SearchStep::equal;
    }
  }
  return at < end ? SearchStep::further : SearchStep::end;
}

}  // namespace

Py_ssize_t list_find(WordsContainer& container, PyObject* value, u64 from, u64 to, ExtractedElement& element,
                     std::optional<u64> version) {
  const Probe probe(value);
  while (true) {
    u64 at = from;
    SearchStep step{};
    do {
      step = container.read([&] {
        if (version && container.list().version() != *version) return SearchStep::changed;
        return search(container, probe, at = from, to, element);
      });
    } while (step == SearchStep::to_compare && element.grow());
    if (step == SearchStep::end) return -1;
    if (step == SearchStep::changed) return kChanged;
    if (step == SearchStep::equal) return static_cast<Py_ssize_t>(at);
    from = at;
    if (step == SearchStep::further) continue;
    const OwnedRef found(element.object());
    const int equal = found ? PyObject_RichCompareBool(found.get(), value, Py_EQ) : -1;
    if (equal < 0) return -2;
    if (equal) return static_cast<Py_ssize_t>(at);
    ++from;
  }
}

}  // namespace pyr
