// Names and counts of regions by kind; two kinds with one number do not compile.
#include "structures/kinds.h"

#include <algorithm>
#include <array>
#include <string>

#include "base/errors.h"

namespace emd {
namespace {

// Numbers on disk differ, and no structure has more regions than a member can name.
template <class... Structures>
constexpr bool are_sound(KindList<Structures...>) {
  std::array<u32, sizeof...(Structures)> numbers{static_cast<u32>(Structures::kKind)...};
  std::sort(numbers.begin(), numbers.end());
  return std::adjacent_find(numbers.begin(), numbers.end()) == numbers.end() && numbers.front() != 0 &&
         ((Structures::kRegionCount >= 1 && Structures::kRegionCount <= kMaxRegionsPerMember) && ...);
}
static_assert(are_sound(Kinds{}));

// One value of each structure; `other` for a kind that is none of theirs.
template <class Value, class Get, class... Structures>
Value of_each(KindList<Structures...>, Kind kind, Get get, Value other) {
  Value value = other;
  ((kind == Structures::kKind ? void(value = get(Of<Structures>{})) : void()), ...);
  return value;
}

}  // namespace

const char* kind_name(Kind kind) {
  return of_each(
      Kinds{}, kind, []<class S>(Of<S>) { return S::kName; }, "container of an unknown kind");
}

unsigned region_count_of(Kind kind) {
  return of_each(
      Kinds{}, kind, []<class S>(Of<S>) { return S::kRegionCount; }, 0u);
}

void unknown_kind(const Store& store, const Member& member) {
  throw FormatError(store.path() + ": member '" + member.name + "' is of a kind (" +
                    std::to_string(static_cast<u32>(member.kind)) +
                    ") that this version does not know; install a newer pyrsistence");
}

}  // namespace emd
