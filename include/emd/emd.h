// Public API: all of it. What cannot be reached from the headers of this folder may change at any time.
//
//     auto store = emd::Store::open("words.emd");
//     auto member = store->find("counts");
//     if (member == nullptr) member = store->create("counts", emd::Dict::kKind, emd::Dict::kRegionCount);
//     store->acquire(*member);
//     emd::Dict counts(*store, *member);
//     {
//       const emd::Operation operation(*store);
//       counts.put(emd::as_bytes("hello"), {}, emd::as_bytes("1"));
//     }
//     store->commit();
//
// Threads: one at a time works on a store. Errors: exceptions of errors.h.
#pragma once

#include "emd/array.h"
#include "emd/backup.h"
#include "emd/bytes.h"
#include "emd/compact.h"
#include "emd/dict.h"
#include "emd/errors.h"
#include "emd/graph.h"
#include "emd/heap.h"
#include "emd/list.h"
#include "emd/region.h"
#include "emd/shadow.h"
#include "emd/sort.h"
#include "emd/store.h"
#include "emd/typed_dict.h"
#include "structures/dict/dict.h"
