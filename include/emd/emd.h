// All of the library. store.h says how handles, transactions, threads and errors work; docs/cpp.md has examples.
//
// Names are of the namespace emd. They lie in an inline namespace that is named after the library's major version, so
// do not declare them yourself: include their header.
#pragma once

#include <emd/array.h>
#include <emd/bytes.h>
#include <emd/deque.h>
#include <emd/dict.h>
#include <emd/errors.h>
#include <emd/graph.h>
#include <emd/list.h>
#include <emd/set.h>
#include <emd/shadow.h>
#include <emd/store.h>
#include <emd/typed_dict.h>
#include <emd/types.h>
#include <emd/version.h>
