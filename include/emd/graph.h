// Public API: a graph of vertices with keys, and edges with attributes.
#pragma once

#include "structures/graph/graph.h"
