// Words of natural values, blocks of all others, and batches of both.
#include "python/list/words.h"

#include "python/codec/support.h"

namespace pyr {
namespace {

// Short text; false if it does not fit a word (too long, a zero, a lone surrogate).
bool encode_text(PyObject* value, Word& word) {
  const Py_ssize_t length = PyUnicode_GET_LENGTH(value);
  if (length > static_cast<Py_ssize_t>(Word::kMaxText)) return false;
  Py_ssize_t size = length;
  const char* utf8 = nullptr;
  if (PyUnicode_IS_COMPACT_ASCII(value)) {
    utf8 = reinterpret_cast<const char*>(PyUnicode_1BYTE_DATA(value));
  } else {
    utf8 = PyUnicode_AsUTF8AndSize(value, &size);
    if (!utf8) {
      PyErr_Clear();
      return false;
    }
  }
  const Bytes bytes{reinterpret_cast<const u8*>(utf8), static_cast<std::size_t>(size)};
  if (!Word::fits_text(bytes)) return false;
  word = Word::text(bytes);
  return true;
}

bool encode_integer(PyObject* value, Word& word) {
  int overflow = 0;
  const long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
  if (overflow != 0 || !Word::fits_integer(number)) return false;
  word = Word::integer(number);
  return true;
}

PyObject* text_value(Word word) {
  u8 text[Word::kMaxText];
  const unsigned size = word.as_text(text);
  PyObject* value = PyUnicode_DecodeUTF8(reinterpret_cast<const char*>(text), size, nullptr);
  return value ? value : damaged_from_error("a list's word holds text that is no UTF-8");
}

}  // namespace

bool encode_inline(PyObject* value, Word& word) {
  if (PyLong_CheckExact(value)) return encode_integer(value, word);
  if (PyFloat_CheckExact(value)) {
    if (!Word::fits_real(PyFloat_AS_DOUBLE(value))) return false;
    word = Word::real(PyFloat_AS_DOUBLE(value));
    return true;
  }
  if (PyUnicode_CheckExact(value)) return encode_text(value, word);
  if (value == Py_None) {
    word = Word::none();
    return true;
  }
  if (!PyBool_Check(value)) return false;
  word = Word::boolean(value == Py_True);
  return true;
}

Form encode_word(Codec& codec, PyObject* value, Word& word, Buffer& block) {
  if (encode_inline(value, word)) return Form::word;
  return codec.encode_value(value, block) ? Form::block : Form::failed;
}

PyObject* inline_value(Word word) {
  switch (word.tag()) {
    case Word::Tag::real:
      return PyFloat_FromDouble(word.as_real());
    case Word::Tag::integer:
      return PyLong_FromLongLong(word.as_integer());
    case Word::Tag::none:
      Py_RETURN_NONE;
    case Word::Tag::boolean:
      return PyBool_FromLong(word.as_boolean());
    case Word::Tag::text:
      return text_value(word);
    case Word::Tag::reference:
    case Word::Tag::unknown:
      break;
  }
  return damaged("a list's word is of an unknown kind");
}

bool WordBatch::add(Codec& codec, PyObject* value) {
  Word word;
  const std::size_t before = bytes_.size();
  switch (encode_word(codec, value, word, bytes_)) {
    case Form::word:
      break;
    case Form::block:
      blocks_.push_back({words_.size(), bytes_.size()});
      break;
    case Form::failed:
      bytes_.truncate(before);
      return false;
  }
  words_.push_back(word);
  return true;
}

bool WordBatch::add_block(Bytes bytes) {
  u8* to = bytes_.room(bytes.size());
  if (!to) return false;
  if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
  bytes_.advance(bytes.size());
  blocks_.push_back({words_.size(), bytes_.size()});
  words_.push_back(Word{});
  return true;
}

void WordBatch::clear() {
  words_.clear();
  blocks_.clear();
  bytes_.clear();
}

}  // namespace pyr
