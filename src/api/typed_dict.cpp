// TypedDict<Key, Value> of the C++ library: what does not depend on the types. Large batches go in pieces.
#include "api/open_store.h"

namespace emd::v2 {

using TypedMember = detail::MemberOf<core::TypedDict>;

namespace {

// As NumPy lays out the aligned structure of both.
core::TypedDict::Layout layout_of(const detail::RowType& type) {
  core::TypedDict::Layout layout;
  layout.key_bytes = type.key_bytes;
  layout.value_bytes = type.value_bytes;
  layout.value_offset = static_cast<u32>(round_up(type.key_bytes, type.value_alignment));
  layout.row_bytes = static_cast<u32>(
      round_up(layout.value_offset + type.value_bytes, std::max(type.key_alignment, type.value_alignment)));
  layout.key_text = type.key_text;
  layout.value_text = type.value_text;
  return layout;
}

bool is_same(const core::TypedDict::Layout& a, const core::TypedDict::Layout& b) {
  return a.key_bytes == b.key_bytes && a.value_bytes == b.value_bytes && a.key_text == b.key_text &&
         a.value_text == b.value_text;
}

}  // namespace

detail::TypedDictBase Store::open_typed_dict(std::string_view name, const detail::RowType& type) {
  const core::TypedDict::Layout wanted = layout_of(type);
  if (!core::TypedDict::is_possible(wanted))
    throw FormatError("a row of a typed dict has at most 1 MiB, and a key and a value of at least one byte");
  auto member = detail::open_member<core::TypedDict>(store_, name, wanted);
  const TypedMember& typed = static_cast<TypedMember&>(*member);
  const core::TypedDict::Layout found = typed.read_consistent([&] { return typed.structure().layout(); });
  if (!is_same(found, wanted)) {
    throw FormatError("'" + std::string(name) + "' in '" + path() + "' is a typed dict of " + found.key_text +
                      " to " + found.value_text + ", not of " + wanted.key_text + " to " + wanted.value_text);
  }
  return detail::Access::typed_dict(std::move(member));
}

namespace detail {
namespace {

using Kept = core::TypedDict::Number;
static_assert(static_cast<int>(Kept::integer8) == static_cast<int>(Number::integer8) &&
              static_cast<int>(Kept::integer64) == static_cast<int>(Number::integer64) &&
              static_cast<int>(Kept::float32) == static_cast<int>(Number::float32) &&
              static_cast<int>(Kept::float64) == static_cast<int>(Number::float64));

// So many keys are one consistent read, or one operation: beside a writer a read stays short, and between two
// operations the store may commit.
constexpr u64 kReadAtOnce = 512;
constexpr u64 kChangedAtOnce = 32768;

TypedMember& use(const TypedDictBase& handle) { return detail::use<core::TypedDict>(handle); }

const u8* bytes(const void* at) { return static_cast<const u8*>(at); }

// work(first, count) for piece after piece.
template <class Work>
u64 in_pieces(u64 count, u64 at_once, const Work& work) {
  u64 sum = 0;
  for (u64 first = 0; first < count; first += at_once) sum += work(first, std::min(at_once, count - first));
  return sum;
}

}  // namespace

std::uint64_t TypedDictBase::size() const {
  const TypedMember& member = use(*this);
  return member.read_consistent([&] { return member.structure().size(); });
}

void TypedDictBase::clear() {
  const TypedMember& member = use(*this);
  const Operation operation(member.core());
  member.structure().clear();
}

bool TypedDictBase::find(const void* key, void* value) const {
  const TypedMember& member = use(*this);
  return member.read_consistent([&] {
    const core::TypedDict& dict = member.structure();
    const u64 row = dict.find(bytes(key));
    if (row == core::TypedDict::kNone) return false;
    if (value != nullptr) std::memcpy(value, dict.value_at(row), dict.value_bytes());
    return true;
  });
}

bool TypedDictBase::insert(const void* key, const void* value) {
  const TypedMember& member = use(*this);
  const Operation operation(member.core());
  return member.structure().put(bytes(key), bytes(value));
}

bool TypedDictBase::remove(const void* key) {
  const TypedMember& member = use(*this);
  const Operation operation(member.core());
  return member.structure().erase(bytes(key));
}

std::uint64_t TypedDictBase::find_many(const void* keys, std::uint64_t count, void* values,
                                       const void* missing) const {
  const TypedMember& member = use(*this);
  const core::TypedDict& dict = member.structure();
  const u64 at_once = member.core().live() ? kReadAtOnce : count;
  return in_pieces(count, at_once, [&](u64 first, u64 some) {
    u8* const to = static_cast<u8*>(values) + first * dict.value_bytes();
    const u8* const from = bytes(keys) + first * dict.key_bytes();
    return member.read_consistent([&] { return dict.find_many(from, some, to, nullptr, bytes(missing)); });
  });
}

std::uint64_t TypedDictBase::insert_many(const void* keys, const void* values, std::uint64_t count) {
  const TypedMember& member = use(*this);
  core::TypedDict& dict = member.structure();
  return in_pieces(count, kChangedAtOnce, [&](u64 first, u64 some) {
    const Operation operation(member.core());
    return dict.put_many(bytes(keys) + first * dict.key_bytes(), bytes(values) + first * dict.value_bytes(),
                         some);
  });
}

void TypedDictBase::add(const void* keys, const void* deltas, std::uint64_t count, Number number) {
  const TypedMember& member = use(*this);
  core::TypedDict& dict = member.structure();
  in_pieces(count, kChangedAtOnce, [&](u64 first, u64 some) {
    const Operation operation(member.core());
    dict.add_many(bytes(keys) + first * dict.key_bytes(), bytes(deltas) + first * dict.value_bytes(), some,
                  static_cast<Kept>(number));
    return u64{0};
  });
}

TypedDictBase::Position TypedDictBase::next(Position position, bool first, void* key, void* value) const {
  static_assert(kNoRow == core::TypedDict::kNone);
  const TypedMember& member = use(*this);
  return member.read_consistent([&] {
    const core::TypedDict& dict = member.structure();
    Position found{kNoRow, dict.version()};
    if (!first && found.version != position.version) {
      throw StateError("'" + name() + "': a key has come or gone while it was iterated; begin again");
    }
    found.row = first ? dict.first_live() : dict.next_live(position.row);
    if (found.row != kNoRow) {
      std::memcpy(key, dict.key_at(found.row), dict.key_bytes());
      std::memcpy(value, dict.value_at(found.row), dict.value_bytes());
    }
    return found;
  });
}

}  // namespace detail
}  // namespace emd::v2
