// Which form an item takes, a word or bytes for a block, and the value of a word.
#include "api/words.h"

namespace emd::v2::detail {
namespace {

Form form_of_integer(i64 value) {
  if (Word::fits_integer(value)) return {Word::integer(value), {}};
  return {{}, encoded_integer(value), false};
}

Form form_of_real(double value) {
  if (Word::fits_real(value)) return {Word::real(value), {}};
  return {{}, encoded_real(value), false};
}

Form form_of_bytes(BytesView bytes) {
  const Tag tag = tag_of(bytes);
  if (tag != kBytes && Word::fits_text(as_bytes(bytes))) return {Word::text(as_bytes(bytes)), {}};
  Form form{{}, std::string(1, static_cast<char>(tag)), false};
  form.block.append(bytes.data(), bytes.size());
  return form;
}

}  // namespace

Form form_of(const Item& item) {
  switch (item.type()) {
    case Item::Type::none:
      break;
    case Item::Type::boolean:
      return {Word::boolean(item.integer() != 0), {}};
    case Item::Type::integer:
      return form_of_integer(item.integer());
    case Item::Type::real:
      return form_of_real(item.real());
    case Item::Type::bytes:
      return form_of_bytes(item.bytes());
  }
  return {Word::none(), {}};
}

Value value_of(const core::List& list, Word word) {
  switch (word.tag()) {
    case Word::Tag::real:
      return word.as_real();
    case Word::Tag::integer:
      return word.as_integer();
    case Word::Tag::none:
      return std::monostate();
    case Word::Tag::boolean:
      return word.as_boolean();
    case Word::Tag::text: {
      u8 bytes[Word::kMaxText];
      const unsigned size = word.as_text(bytes);
      return std::string(reinterpret_cast<const char*>(bytes), size);
    }
    case Word::Tag::reference:
      return decoded_value(list.block(word));
    case Word::Tag::unknown:
      break;
  }
  throw DamagedError("a word is of an unknown kind; run verify(), and restore the store from a backup");
}

void require_index(const core::List& list, u64 index, u64 end) {
  if (index < end) return;
  throw RangeError("expected an index below " + std::to_string(end) + " of " + std::to_string(list.size()) +
                   " elements, found " + std::to_string(index));
}

}  // namespace emd::v2::detail
