// EMList: searching. Words are compared with a number, a bool, None or a short text without making objects;
// what lies in the heap, and whatever else is searched for, is decoded and compared with ==.
#include <optional>

#include "bindings/list_object.h"

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

}  // namespace

Py_ssize_t list_find(ListContainer& container, PyObject* value, u64 from, u64 to) {
  const Probe probe(value);
  for (u64 i = from; i < to && i < container.list().size(); ++i) {
    const Word word = container.list().get(i);
    if (probe.usable() && comparable(word)) {
      if (probe.equals(word)) return static_cast<Py_ssize_t>(i);
      continue;
    }
    const Ref element(list_value(container, i));
    if (!element) return -2;
    const int equal = PyObject_RichCompareBool(element.get(), value, Py_EQ);
    if (equal < 0) return -2;
    if (equal) return static_cast<Py_ssize_t>(i);
    container.enter();  // the comparison may have run code
  }
  return -1;
}

}  // namespace pyr
