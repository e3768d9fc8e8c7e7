// The elements of a list or a deque, as the models of their targets have them.
#pragma once

#include <string>
#include <vector>

#include "input.h"
#include "structures/list/list.h"

namespace emd::fuzz {

// An element: the bits of an inline word, or the bytes of a block.
using Elements = std::vector<std::string>;

inline std::string inline_element(Word word) {
  return std::string(reinterpret_cast<const char*>(&word.bits), 8);
}
inline std::string block_element(Bytes bytes) { return "block:" + std::string(as_text(bytes)); }

inline Elements read_all(const List& list) {
  Elements model;
  for (const Word word : list.words())
    model.push_back(word.is_reference() ? block_element(list.block(word)) : inline_element(word));
  return model;
}

// A word for a choice of the input, and what it is.
inline Word make_word(List& list, Input& input, std::string& element) {
  const u8 what = input.byte();
  if (what % 2 == 0) {
    const std::string bytes = input.text(what & 0x80 ? input.number<u16>() % 3000 : what / 2);
    element = block_element(as_bytes(bytes));
    return list.store_block(as_bytes(bytes));
  }
  const Word word = what & 2 ? Word::none() : Word::integer(what);
  element = inline_element(word);
  return word;
}

}  // namespace emd::fuzz
