// What the sources of the handles see: the structures, and then the public headers.
//
// Handles and structures share names, since both are named after what they are: emd::Dict is the structure,
// emd::v2::Dict the handle. v2 is inline, so that a program, which sees the public headers alone, says emd::Dict for
// the latter; here that would be ambiguous. So a structure is called core::Dict in this folder, and Dict is the handle.
#pragma once

#include "algorithms/compact/compact.h"
#include "algorithms/sort/sort.h"
#include "store/backup.h"
#include "store/scan.h"
#include "store/store.h"
#include "structures/kinds.h"
#include "structures/open_as.h"
#include "structures/stats.h"
#include "structures/verify.h"

namespace emd::core {

using emd::Array;
using emd::Deque;
using emd::Dict;
using emd::Finding;
using emd::Findings;
using emd::Graph;
using emd::List;
using emd::Member;
using emd::memory_budget;
using emd::Mode;
using emd::Progress;
using emd::Set;
using emd::set_memory_budget;
using emd::Shadow;
using emd::Store;
using emd::StoreOptions;
using emd::StoreStats;
using emd::TypedDict;
using emd::TypedSet;

}  // namespace emd::core

#include <emd/emd.h>
