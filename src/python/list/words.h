// Words and Python objects: what EMList keeps inline, what it encodes into blocks, and batches of both.
//
// Threads: with the GIL held, or attached where there is none, but for WordBatch::apply.
#pragma once

#include <Python.h>

#include <utility>
#include <vector>

#include "python/codec/codec.h"
#include "structures/list/list.h"

namespace pyr {

using emd::Word;

// What became of a value: a word, or bytes for a block.
enum class Form { word, block, failed };

// Encodes a value: into `word` if it fits, else appended to `block`. Form::failed with an error set. May run
// Python code (a __reduce__), but none for natural types.
Form encode_word(Codec& codec, PyObject* value, Word& word, Buffer& block);

// The word of a value that is kept inline; false if it is not. Runs no Python code and sets no error.
bool encode_inline(PyObject* value, Word& word);

// The object of a word that is no reference: a new reference, or null with an error set.
PyObject* inline_value(Word word);

// Stores a block, hands its word to `change`, and takes it back if that fails.
template <class Change>
void with_block(emd::List& list, Bytes bytes, Change&& change) {
  const Word word = list.store_block(bytes);
  try {
    change(word);
  } catch (...) {
    list.discard(word);
    throw;
  }
}

// Encoded values on their way into a list.
class WordBatch {
 public:
  // False with an error set; the batch is then as before but for bytes without an owner.
  bool add(Codec& codec, PyObject* value);
  void add_word(Word word) { words_.push_back(word); }
  bool add_block(Bytes bytes);
  std::size_t count() const { return words_.size(); }
  std::size_t block_bytes() const { return bytes_.size(); }
  void clear();
  void reserve(std::size_t count) { words_.reserve(count); }

  // Inside an Operation: stores the blocks and hands all words to `change`; on failure the blocks are discarded.
  template <class Change>
  void apply(emd::List& list, Change&& change) {
    std::size_t stored = 0;
    try {
      std::size_t from = 0;
      for (; stored < blocks_.size(); ++stored) {
        const Pending& block = blocks_[stored];
        words_[block.index] = list.store_block(bytes_.bytes().subspan(from, block.end - from));
        from = block.end;
      }
      change(std::span<const Word>(words_));
    } catch (...) {
      while (stored > 0) list.discard(words_[blocks_[--stored].index]);
      throw;
    }
  }

 private:
  struct Pending {
    std::size_t index;  // of its word
    std::size_t end;    // of its bytes; they begin where the block before ends
  };
  std::vector<Word> words_;
  std::vector<Pending> blocks_;
  Buffer bytes_;
};

}  // namespace pyr
