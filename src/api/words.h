// The elements of lists and deques: items of the public headers as words, and words as values.
//
// Threads: as the store's.
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "api/encoding.h"
#include "api/open_store.h"

namespace emd::v2::detail {

// So many numbers are one operation: between two the store may commit.
inline constexpr std::size_t kNumbersAtOnce = 32768;

// An item as a word, or as what a block is to hold.
struct Form {
  Word word;
  std::string block;
  bool is_word = true;
};
Form form_of(const Item& item);

// Errors: FormatError for what another type of Python's is stored as; DamagedError.
Value value_of(const core::List& list, Word word);

// Errors: RangeError.
void require_index(const core::List& list, u64 index, u64 end);

// put(word): a block that was stored for it and not put is discarded.
template <class Put>
void with_word(core::List& list, const Form& form, const Put& put) {
  if (form.is_word) return put(form.word);
  const Word stored = list.store_block(as_bytes(form.block));
  try {
    put(stored);
  } catch (...) {
    list.discard(stored);
    throw;
  }
}

// Adds numbers at the end of a list or a deque.
template <class Structure, class Number>
void extend_by(const MemberOf<Structure>& member, std::span<const Number> numbers) {
  std::vector<Word> words;
  for (; !numbers.empty(); numbers = numbers.subspan(words.size())) {
    const Operation operation(member.core());
    Structure& list = member.structure();
    words.clear();
    try {
      for (const Number number : numbers.first(std::min(numbers.size(), kNumbersAtOnce))) {
        const Form form = form_of(number);
        words.push_back(form.is_word ? form.word : Word{});
        if (!form.is_word) words.back() = list.store_block(as_bytes(form.block));
      }
      list.extend(words);
    } catch (...) {
      for (const Word word : words) list.discard(word);
      throw;
    }
  }
}

}  // namespace emd::v2::detail
