// The kinds of members that there are: whatever depends on a member's kind visits this list.
//
// A structure says of itself what a kind needs: kKind, the number on disk, kName, kRegionCount; a constructor on a
// store and a member; check(). What has to differ by kind beyond that is a set of overloads for the structures, chosen
// by visit_kind().
#pragma once

#include "store/store.h"
#include "structures/array/array.h"
#include "structures/deque/deque.h"
#include "structures/dict/dict.h"
#include "structures/graph/graph.h"
#include "structures/list/list.h"
#include "structures/set/set.h"
#include "structures/set/typed_set.h"
#include "structures/shadow/shadow.h"
#include "structures/typed_dict/typed_dict.h"

namespace emd {

template <class... Structures>
struct KindList {};
using Kinds = KindList<Dict, List, Array, TypedDict, Graph, Shadow, Set, TypedSet, Deque>;

// What visit_kind() passes: the structure's type, without an object of it. Of a set it is that of its dict too.
template <class S>
struct Of {};
template <>
struct Of<Set> : Of<Dict> {};
template <>
struct Of<TypedSet> : Of<TypedDict> {};

// "dict", "typed dict"; of a kind that this version does not know: "container of an unknown kind".
const char* kind_name(Kind kind);
// How many regions a member of the kind has; 0: this version does not know it.
unsigned region_count_of(Kind kind);
[[noreturn]] void unknown_kind(const Store& store, const Member& member);

template <class Result, class Visit, class First, class... Rest>
Result visit_kind_in(KindList<First, Rest...>, const Store& store, const Member& member, Visit& visit) {
  if (member.kind == First::kKind) return visit(Of<First>{});
  if constexpr (sizeof...(Rest) != 0) {
    return visit_kind_in<Result>(KindList<Rest...>{}, store, member, visit);
  } else {
    unknown_kind(store, member);
  }
}

// visit(Of<Structure>{}) for the structure of this member's kind. Errors: FormatError if this version does not know it.
template <class Visit>
auto visit_kind(const Store& store, const Member& member, Visit&& visit) {
  return visit_kind_in<decltype(visit(Of<Dict>{}))>(Kinds{}, store, member, visit);
}

}  // namespace emd
